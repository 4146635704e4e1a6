"""The `dimaging` command: one thin function per verb. Heavy imports stay inside the functions."""

import sys
from ast import literal_eval
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dimaging_tf import registry
from dimaging_tf.errors import UserError
from dimaging_tf.quiet import load_tensorflow

if TYPE_CHECKING:
    from dimaging_tf.rate_distortion import Codec

app = typer.Typer(
    help="Train in Keras, prove in ONNX, run and time on the edge.",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
)  # fmt: skip
_PASS_ON: dict[str, Any] = {
    "context_settings": {"allow_extra_args": True, "ignore_unknown_options": True},
    "add_help_option": False,
}
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
Size = Annotated[int | None, typer.Option(min=1, help="Image size to cut or scale to, pixels.")]


@app.command("list")
def list_() -> None:
    """Show models, data sets and targets."""
    from dimaging_export import targets
    from rich.console import Console
    from rich.table import Column, Table

    from dimaging_tf import data

    models = Table(
        Column("model", no_wrap=True), "what it does", "lecture", "paper", "learns from", box=None
    )
    for e in registry.REGISTRY.values():
        models.add_row(e.name, e.summary, e.lecture, e.paper, e.data)
    sets = Table("data", "what it is", box=None)
    for name, summary in data.NAMES.items():
        sets.add_row(name, summary)
    sets.add_row("PATH", "a folder of your own images")
    devices = Table("target", "what it is", "precisions", box=None)
    for target in targets.TARGETS.values():
        devices.add_row(target.name, target.summary, ", ".join(target.precisions))
    console = Console()
    for table in (models, sets, devices):
        console.print(table, "")


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything it makes.")] = Path("demo"),
    seed: Seed = 0,
    quick: Annotated[
        bool, typer.Option(help="A few seconds of training: shows the path, not the quality.")
    ] = False,
) -> None:
    """Train, export, run, time and report, all in 3 minutes.

    Three models on real data; the exported files run where TensorFlow cannot be imported.
    """
    load_tensorflow()
    from dimaging_tf import demo as story

    story.tell(out, seed=seed, quick=quick)


@app.command()
def train(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A name of `dimaging list`.")] = "",
    out: Annotated[Path | None, typer.Option(help="Run folder  [default: runs/MODEL]")] = None,
    data: Annotated[
        str | None, typer.Option(help="Data set name or image folder  [default: the model's]")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where downloaded data sets lie.", envvar="DIMAGING_DATA")
    ] = None,
    size: Size = None,
    channels: Annotated[
        int | None, typer.Option(help="1 grey, 3 colour  [default: the data's]")
    ] = None,
    cut: Annotated[
        str | None,
        typer.Option(help="Folder: patches, or resize the central square  [default: patches]"),
    ] = None,
    white: Annotated[
        int | None, typer.Option(help="Folder: full scale of 16-bit files, such as 4095.")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out unreadable files.")
    ] = False,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the data  [default: the model's]")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Stop by the clock instead of by epochs.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Images a step  [default: the model's]")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Of Adam; falls by a half cosine  [default: the model's]")
    ] = None,
    augment: Annotated[
        str | None, typer.Option(help="Policy of training pictures  [default: the model's]")
    ] = None,
    strategy: Annotated[str, typer.Option(help="single, or mirrored over all GPUs.")] = "single",
    seed: Seed = 0,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of the model, as latent_dim=2; repeat."),
    ] = None,
    init: Annotated[
        Path | None, typer.Option(help="Run, or .keras file, whose weights it starts with.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out as it was set up.")
    ] = False,
) -> None:
    """Train a model into a run folder.

    It holds checkpoints, a record and sample pictures; --resume goes on after a kill.
    """
    from dimaging_tf import runs

    if resume and not model and out is None:
        raise UserError("Which run? Name it: dimaging train --resume --out runs/vae")
    if resume:
        out = out or Path("runs") / model
        settings = runs.read_settings(out)
        if model not in ("", settings.model):
            raise UserError(f"{out} is a run of {settings.model}. Received: {model}")
        if given := sorted(_options_given(context) - {"--out", "--resume"}):
            raise UserError(
                f"--resume goes on with the run in {out} as it was set up; leave out "
                f"{', '.join(given)}, or start another run: dimaging train {settings.model} --out NEW"
            )
    elif not model:
        raise UserError("Which model? dimaging list shows them; for example: dimaging train vae")
    else:
        out = out or Path("runs") / model
        options = {
            "data_dir": data_dir and str(data_dir),
            "size": size,
            "channels": channels,
            "cut": cut,
            "white": white,
            "skip_bad": skip_bad or None,
        }
        settings = runs.default_settings(
            model, data=data, epochs=epochs, minutes=minutes, batch=batch, seed=seed,
            learning_rate=learning_rate, augment=augment, strategy=strategy,
            data_options={k: v for k, v in options.items() if v is not None},
            changes=parse_changes(set_ or []), init=init and str(init),
        )  # fmt: skip
    load_tensorflow()
    from dimaging_tf.progress import Progress

    with Progress(settings.model) as bar:
        runs.train(settings, out, resume=resume, callbacks=[bar])
    typer.echo(f"{out}  next: dimaging export {out}")


@app.command()
def sample(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    out: Annotated[
        Path | None, typer.Option(help="PNG to write  [default: RUN/sample.png]")
    ] = None,
    n: Annotated[int, typer.Option(min=1, help="Pictures, where the model generates.")] = 64,
    seed: Seed = 0,
    attribute: Annotated[
        str | None, typer.Option(help="Put it on and take it off faces: glasses, or a label.")
    ] = None,
    scale: Annotated[float, typer.Option(help="Of the attribute's vector.")] = 1.0,
    analogy: Annotated[
        str | None, typer.Option(help="Numbers of pictures, as '3,7 - 1 + 20,21'.")
    ] = None,
    interpolate: Annotated[str | None, typer.Option(help="Between two pictures, as 3,17.")] = None,
    traverse: Annotated[
        int | None, typer.Option(min=1, help="That many latents, the strongest, one at a time.")
    ] = None,
    label: Annotated[
        int | None, typer.Option(help="Class that a conditional generator draws.")
    ] = None,
) -> None:
    """Draw samples, show validation images, or do arithmetic on codes.

    A generative model draws; through any other validation images are sent. Numbers count, from 0, the
    validation images where the model has an encoder, and otherwise the samples drawn with this seed.
    """
    from dimaging_tf import plots, runs

    load_tensorflow()
    model = runs.load_model(run)
    given = {
        "attribute": attribute, "analogy": analogy, "interpolate": interpolate,
        "traverse": traverse,
    }  # fmt: skip
    if any(value is not None for value in given.values()):
        from dimaging_tf import latent_pictures

        cells = latent_pictures.asked(
            model, runs.read_settings(run), seed=seed, label=label, scale=scale, **given
        )
    elif model.draws:
        cells = plots.tile(model.sample(n, seed=seed))
    else:
        cells = model.picture(*runs.examples(runs.load_data(runs.read_settings(run))), seed=seed)
    out = out or run / "sample.png"
    plots.save_grid(cells, out)
    typer.echo(out)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Run folder, or a .keras file.")],
    out: Annotated[
        Path | None, typer.Option(help="Bundle folder  [default: bundle/MODEL-PRECISION[-TARGET]]")
    ] = None,
    precision: Annotated[str, typer.Option(help="fp32, fp16 or int8.")] = "fp32",
    target: Annotated[str, typer.Option(help="cpu, cuda, phone or web.")] = "cpu",
    data: Annotated[
        str | None,
        typer.Option(help="Real images for parity and calibration  [default: the run's]"),
    ] = None,
    size: Size = None,
    uint8: Annotated[
        bool | None, typer.Option(help="8-bit images in and out  [default: the target's]")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing bundle.")] = False,
) -> None:
    """Write a bundle, proven equal to the Keras model.

    Refused, with the figures, where an ONNX file does not compute what Keras computes.
    """
    import dimaging_export

    name = runs_name(run)
    load_tensorflow()
    suffix = "" if target == "cpu" else f"-{target}"
    out = out or Path("bundle") / f"{name}-{precision}{suffix}"
    bundle = dimaging_export.export(
        run, out, precision=precision, target=target, data=data, size=size, uint8=uint8, force=force
    )
    show_bundle(bundle)


@app.command("run", **_PASS_ON)
def run_(context: typer.Context) -> None:
    """Run a graph, like `dimaging-edge run`."""
    _edge("run", context)


@app.command(**_PASS_ON)
def bench(context: typer.Context) -> None:
    """Time a bundle, like `dimaging-edge bench`."""
    _edge("bench", context)


@app.command()
def report(
    folders: Annotated[list[Path], typer.Argument(help="Run folders and bundles.")],
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
) -> None:
    """Make one page of runs and bundles."""
    from dimaging_tf import report as page

    typer.echo(page.write(folders, out))


@app.command()
def rd(
    folder: Annotated[Path, typer.Argument(help="Folder of photographs, best without losses.")],
    model: Annotated[
        Path | None, typer.Option(help="Bundle of a codec  [default: the one that comes along]")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for rd.json and the plots.")] = Path("rd"),
    limit: Annotated[int | None, typer.Option(min=1, help="Pictures at most.")] = None,
    steps: Annotated[int, typer.Option(min=2, max=64, help="Qualities of the codec, 0 to 63.")] = 8,
) -> None:
    """Measure rate and distortion of a folder.

    Real files of the learned codec and of every codec that Pillow has here: bytes, PSNR, MS-SSIM, seconds,
    and the difference of bytes at equal quality (BD-rate).
    """
    from rich.console import Console
    from rich.progress import Progress

    from dimaging_tf import plots, rate_distortion
    from dimaging_tf.files import write_json

    load_tensorflow()
    images = rate_distortion.read_folder(folder, limit)
    codecs = [learned_codec(model, steps), *rate_distortion.rivals()]
    with Progress(console=Console(stderr=True), transient=True) as bars:
        files = bars.add_task("files", total=None)
        heard = lambda done, total: bars.update(files, completed=done, total=total)  # noqa: E731
        rows = rate_distortion.measure(images, codecs, heard)
    found = rate_distortion.summary(rows, codecs[0].name)
    write_json(out / "rd.json", {"bd_rate_percent": found, "rows": rows})
    for quality in rate_distortion.QUALITIES:
        plots.save_figure(plots.rate_distortion(rows, quality), out / f"{quality}.png")
    for rival, rates in found.items():
        words = (f"{'-' if x is None else f'{x:+.1f} %'} by {q}" for q, x in rates.items())
        typer.echo(f"bytes at equal quality, over {rival}: {', '.join(words)}")
    typer.echo(out / "rd.json")


def learned_codec(bundle: Path | None, steps: int = 8) -> "Codec":
    """`dimaging-edge compress` and `decompress`, for `rate_distortion.measure`."""
    from dimaging_edge.codec.network import find_bundle, open_model
    from dimaging_edge.codec.photo import compress, decompress
    from dimaging_edge.codec.symbol_model import Photo

    from dimaging_tf.rate_distortion import Codec

    model = open_model(bundle or find_bundle(None), threads=1)
    settings = [round(63 * k / (steps - 1)) for k in range(steps)]
    return Codec(
        "dimaging", settings,
        lambda image, quality: compress(model, Photo(image), int(quality)),
        lambda data: decompress(model, data)[0].image,
    )  # fmt: skip


def parse_changes(pairs: list[str]) -> dict[str, Any]:
    """["latent_dim=2", "hidden=(64,)"] -> values; what is no Python literal is a string."""
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


def runs_name(run: Path) -> str:
    """What the default bundle folder is called after."""
    from dimaging_tf import runs

    return run.stem if run.suffix == ".keras" else runs.read_record(run)["model"]


def show_bundle(bundle: Path) -> None:
    """The table of `dimaging-edge info`, and what to do next."""
    from dimaging_edge import cli as edge

    edge.main(["info", str(bundle)])
    typer.echo(f"next: dimaging bench {bundle}")


def _options_given(context: typer.Context) -> set[str]:
    """Names of the options that are on the command line."""
    source = context.get_parameter_source
    params = [p for p in context.command.params if p.param_type_name == "option"]
    return {
        p.opts[0] for p in params if p.name and getattr(source(p.name), "name", "") == "COMMANDLINE"
    }


def _edge(verb: str, context: typer.Context) -> None:
    from dimaging_edge import cli as edge

    raise typer.Exit(edge.main([verb, *context.args]))


def main() -> None:
    """Entry point: an error is one message, not a traceback; exit 1, or 130 on Ctrl-C."""
    from dimaging_edge.errors import DimagingError

    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as missing:
        if (missing.name or "dimaging").startswith("dimaging"):
            raise
        install = "pip install 'dimaging[train,export,cpu]'"
        typer.echo(f"error: this needs {missing.name}: {install}", err=True)
        sys.exit(1)
    except (UserError, DimagingError, ValueError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
