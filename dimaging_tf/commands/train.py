"""The verb `dimaging train`."""

import shlex
from ast import literal_eval
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dimaging_tf.commands.train_config import read_config, settings_of
from dimaging_tf.commands.usage import usage
from dimaging_tf.data.given_settings import as_tuples
from dimaging_tf.errors import UserError
from dimaging_tf.quiet import load_tensorflow

if TYPE_CHECKING:
    from dimaging_tf.training.runs import Settings

Seed = Annotated[int, typer.Option(min=0, help="The number that everything random follows from.")]
Size = Annotated[
    int | None,
    typer.Option(min=1, help="Side in pixels that images are cut, scaled or padded to."),
]


def train(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.toml",
            is_eager=True,
            callback=read_config,
            help="TOML file with these options by name, and settings of the model in its table [set]; "
            "the command line counts more.",
        ),
    ] = None,
    model: Annotated[str, typer.Argument(help="A model of `dimaging list`.")] = "",
    out: Annotated[Path | None, typer.Option(help="Run folder.  [default: runs/MODEL]")] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="A data set of `dimaging list`, or a path: a folder of images, movies or CSV files, a .csv, "
            "an .npz, a text.  [default: the model's data set]"
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Folder of the files of downloaded data sets.", envvar="DIMAGING_DATA"),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            help="What a path holds where it leaves it open: image, movie, series, tokens."
        ),
    ] = None,
    length: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Characters, steps or frames of one example.  [default: 64 of a text or a .csv, else all]",
        ),
    ] = None,
    size: Size = None,
    channels: Annotated[
        int | None,
        typer.Option(help="Channels of a pixel: 1 grey, 3 colour.  [default: the data's]"),
    ] = None,
    cut: Annotated[
        str | None,
        typer.Option(
            help="Folder of images: patches of --size, or resize the central square.  [default: patches]"
        ),
    ] = None,
    white: Annotated[
        int | None,
        typer.Option(
            help="Images, movies: the full scale of 16-bit files, such as 4095.  [default: 65535]"
        ),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out the images that cannot be read.")
    ] = False,
    skip_small: Annotated[
        bool, typer.Option("--skip-small", help="Leave out the images smaller than --size.")
    ] = False,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the data.  [default: the model's]")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(min=0.01, help="Minutes after which it stops, instead of epochs."),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Examples in a step.  [default: the model's]")
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="Adam's step size at the start; it falls to 0 by a half cosine.  [default: the model's]"
        ),
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            help="How training images are varied: a policy, or none.  [default: the model's]"
        ),
    ] = None,
    strategy: Annotated[
        str,
        typer.Option(
            help="Devices: single, mirrored over all GPUs, or multiworker over the machines of TF_CONFIG."
        ),
    ] = "single",
    seed: Seed = 0,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="A setting of the model, such as latent_dim=2. May be repeated."
        ),
    ] = None,
    init: Annotated[
        Path | None, typer.Option(help="A run folder or .keras file whose weights it starts with.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Continue the run in --out with its settings, or for --minutes or --epochs more.",
        ),
    ] = False,
) -> None:
    """Train a model into a run folder.

    The folder holds checkpoints, a record and sample pictures; --resume continues a run that was stopped.
    """
    from dimaging_tf.training import runs
    from dimaging_tf.training.checks import check_settings

    with usage():  # said before TensorFlow loads, which takes seconds
        if resume:
            out, settings = _longer(context, model, out, minutes, epochs)
        elif not model:
            raise UserError(
                "Which model? dimaging list shows them; for example: dimaging train vae"
            )
        else:
            out = out or Path("runs") / model
            options = {
                "data_dir": data_dir and str(data_dir), "size": size, "channels": channels, "cut": cut,
                "white": white, "skip_bad": skip_bad or None, "skip_small": skip_small or None,
                "kind": kind, "length": length,
            }  # fmt: skip
            settings = runs.default_settings(
                model, data=data, epochs=epochs, minutes=minutes, batch=batch, seed=seed,
                learning_rate=learning_rate, augment=augment, strategy=strategy,
                data_options={k: v for k, v in options.items() if v is not None},
                changes=as_tuples(settings_of(context)) | parse_changes(set_ or []),
                init=init and str(init),
            )  # fmt: skip
            check_settings(settings, out)
    load_tensorflow()
    from dimaging_tf.training.phases import Phased
    from dimaging_tf.training.progress import Progress

    with Progress(settings.model) as bar:
        trained = runs.train(settings, out, resume=resume, callbacks=[bar])
    if isinstance(trained, Phased) and (left := trained.steps_to_last_phase()):
        typer.echo(
            f"note: it ended {left} steps before the last phase of {settings.model}, which has learned "
            "nothing; train anew with more --minutes or --epochs"
        )
    typer.echo(f"{out}  next: dimaging export {shlex.quote(str(out))}")


def _longer(
    context: typer.Context, model: str, out: Path | None, minutes: float | None, epochs: int | None
) -> tuple[Path, "Settings"]:
    """Return the run folder and the settings of --resume; UserError for options that it does not take."""
    from dimaging_tf.training import runs
    from dimaging_tf.training.strategies import check_strategy

    if not model and out is None:
        raise UserError("Which run? Name it: dimaging train --resume --out runs/vae")
    out = out or Path("runs") / model
    settings = runs.read_settings(out)
    if model not in ("", settings.model):
        raise UserError(f"{out} is a run of {settings.model}. Received: {model}")
    if given := sorted(_options_given(context) - {"--out", "--resume", "--minutes", "--epochs"}):
        raise UserError(
            f"--resume goes on with the run in {out} as it was set up; leave out "
            f"{', '.join(given)}, or start another run: dimaging train {settings.model} --out NEW "
            "(--minutes and --epochs let it go on for longer)"
        )
    longer = runs.longer(out, minutes, epochs)
    check_strategy(longer.strategy, longer.minutes)
    return out, longer


def parse_changes(pairs: list[str]) -> dict[str, Any]:
    """Return ["latent_dim=2", "hidden=(64,)"] as values by name; what is no Python literal is a string."""
    changes = {}
    for pair in pairs:
        name, found, text = pair.partition("=")
        if not found:
            raise UserError(f"--set takes NAME=VALUE, such as latent_dim=2. Received: {pair!r}")
        try:
            changes[name] = literal_eval(text)
        except (ValueError, SyntaxError):
            changes[name] = text
    return changes


def _options_given(context: typer.Context) -> set[str]:
    """Return the names of the options that are on the command line."""
    source = context.get_parameter_source
    params = [p for p in context.command.params if p.param_type_name == "option"]
    return {
        p.opts[0] for p in params if p.name and getattr(source(p.name), "name", "") == "COMMANDLINE"
    }
