"""The `dimaging` command: a thin function for each verb. Heavy imports stay inside the functions."""

import gc
import re
import shlex
import sys
import traceback
import warnings
import webbrowser
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from dimaging_edge.common import output
from dimaging_edge.common.errors import DimagingError
from dimaging_edge.common.stopping import Terminated, orderly_end

from dimaging_tf import __version__
from dimaging_tf.commands.attack import attack, gradient, robustness
from dimaging_tf.commands.edge_only import EDGE_VERBS
from dimaging_tf.commands.rate_distortion import rd
from dimaging_tf.commands.sample import model_name, sample
from dimaging_tf.commands.train import Seed, Size, train
from dimaging_tf.commands.usage import OfBundles, UsageError, loudness, usage
from dimaging_tf.errors import UserError
from dimaging_tf.quiet import load_tensorflow

app = typer.Typer(
    help="Train in Keras, prove in ONNX, run and time on the edge.",
    no_args_is_help=True,  pretty_exceptions_enable=False, rich_markup_mode=None,
)  # fmt: skip
_PASS_ON: dict[str, Any] = {
    "context_settings": {"allow_extra_args": True, "ignore_unknown_options": True},
    "add_help_option": False,
}
"""Settings of a verb that hands all its arguments to `dimaging-edge`."""
_EXTRAS = {
    "onnxruntime": "cpu", "onnx": "export", "tf2onnx": "export", "keras_cv": "augment",
    "python_avatars": "avatars", "resvg_py": "avatars", "tensorboard": "logs", "pydot": "logs",
    "segno": "app", "ai_edge_litert": "tflite",
}  # fmt: skip
"""The extra that brings a module; every other module comes with the first command of the README."""
_NO_MODULE = (
    "--import {}: there is no module {!r} here or in an installed package; "
    "give its name without .py, from the folder where it lies"
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No notes and no progress: results and errors.")
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="An error's traceback, and TensorFlow's messages."),
    ] = False,
) -> None:
    """Train in Keras, prove in ONNX, run and time on the edge."""
    output.level = verbose - quiet


@app.command("list")
def list_(
    model: Annotated[str, typer.Argument(help="A model, to see its settings.")] = "",
    as_json: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="File for the same as JSON; - prints it."),
    ] = None,
) -> None:
    """Show models, data sets and targets; or the settings of one model."""
    from dimaging_tf.commands.listing import list_main

    with usage():
        list_main(model, as_json)


@app.command("files")
def files_(
    folder: Annotated[Path, typer.Argument(help="Folder to write them into.")] = Path(),
) -> None:
    """Write photographs, signs, digits and a text to try the other commands on."""
    from dimaging_tf.commands.example_files import write_example_files

    for path in write_example_files(folder):
        typer.echo(path)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything it makes.")] = Path("demo"),
    seed: Seed = 0,
    quick: Annotated[
        bool, typer.Option(help="Train for a few seconds, to see the steps and not the quality.")
    ] = False,
    open_: Annotated[bool, typer.Option("--open", help="Show the page in a browser.")] = False,
) -> None:
    """Train, export, run, time and report, all in 3 minutes.

    Eight models on real data; the exported files run where TensorFlow cannot be imported.
    """
    from dimaging_tf.commands.demo import run_demo

    page = run_demo(out, seed=seed, quick=quick)
    if open_ and not webbrowser.open(page.resolve().as_uri()):
        output.tell(f"no browser was found on this machine; open {page} yourself")


app.command()(train)


app.command(cls=OfBundles)(sample)


@app.command()
def export(
    run: Annotated[
        Path, typer.Argument(help="Run folder, a .keras or .h5 file, or efficientnet_lite0.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Bundle folder  [default: bundle/MODEL-PRECISION[-TARGET]]")
    ] = None,
    precision: Annotated[str, typer.Option(help="fp32, fp16, int8 or integer.")] = "fp32",
    target: Annotated[str, typer.Option(help="cpu, cuda, phone or web.")] = "cpu",
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Real inputs for parity and calibration: a data set or a path, or for a Keras model of "
            "several inputs NAME=PATH for each; repeat.  [default: the run's]"
        ),
    ] = None,
    size: Size = None,
    uint8: Annotated[
        bool | None, typer.Option(help="8-bit images in and out  [default: the target's]")
    ] = None,
    gradient: Annotated[
        bool,
        typer.Option(
            "--gradient", help="Of a classifier: its gradient too, for attacks on a device."
        ),
    ] = False,
    certificate: Annotated[
        bool,
        typer.Option("--certificate", help="Of a classifier: a bound that no attack can pass too."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing bundle.")] = False,
    range_: Annotated[
        list[str] | None,
        typer.Option(
            "--range",
            help="Legal values of an input of your own Keras model, as image=0:255; repeat.",
        ),
    ] = None,
    import_: Annotated[
        list[str] | None,
        typer.Option(
            "--import", help="Module of your own layers that a .keras file names; repeat."
        ),
    ] = None,
    tflite: Annotated[
        bool, typer.Option("--tflite", help="Write LiteRT files (.tflite) instead of a bundle.")
    ] = False,
) -> None:
    """Write a bundle, proven equal to the Keras model.

    Where an ONNX file does not compute what Keras computes, nothing is written, and the figures are shown.
    """
    import dimaging_export
    from dimaging_export.bundle import targets
    from dimaging_export.bundle.write import check_place

    with usage():  # said before TensorFlow loads, which takes seconds
        given, inputs = parse_ranges(range_ or []), parse_inputs(data or [])
        targets.find(target, precision)
        name = model_name(run)
        suffix = "" if target == "cpu" else f"-{target}"
        place = out or Path("bundle") / f"{name}-{precision}{suffix}"
        if not tflite:
            check_place(place, force)
        check_modules(import_ or [])
    load_tensorflow()
    import_modules(import_ or [])
    if tflite:
        write_tflite(run, out or Path("tflite") / name, size)
        return
    bundle = dimaging_export.export(
        run, place, precision=precision, target=target, data=inputs, size=size, uint8=uint8, force=force,
        gradient=gradient, certificate=certificate, ranges=given,
    )  # fmt: skip
    show_bundle(bundle)


def write_tflite(run: Path, out: Path, size: int | None) -> None:
    """Write LiteRT files of batch 1 and float32, and print how far each lies from Keras."""
    from dimaging_export.bundle.tflite import export_tflite

    for graph, outputs in export_tflite(run, out, size or 256).items():
        worst = max(figures["max_abs"] for figures in outputs.values())
        typer.echo(f"{out / graph}.tflite    max |diff| to Keras {worst:.3g}")


def parse_ranges(pairs: list[str]) -> dict[str, tuple[float, float]]:
    """Read ["image=0:255"] as {"image": (0.0, 255.0)}; UserError for what is no range."""
    ranges = {}
    for pair in pairs:
        found = re.fullmatch(r"(.+)=([^:]+):([^:]+)", pair)
        try:
            name, low, high = found.groups() if found else ("", "", "")
            ranges[name] = float(low), float(high)
        except ValueError:
            raise UserError(
                f"--range takes NAME=LOW:HIGH, such as image=0:255. Received: {pair!r}"
            ) from None
    return ranges


def parse_inputs(values: list[str]) -> str | dict[str, str] | None:
    """Read ["a=x", "b=y"] as {"a": "x", "b": "y"}, ["x"] as "x", and [] as None; UserError for a mixture."""
    if len(values) == 1 and ("=" not in values[0] or Path(values[0]).expanduser().exists()):
        return values[0]
    named: dict[str, str] = {}
    for value in values:
        name, _, path = value.partition("=")
        if not name or not path:
            raise UserError(
                "--data takes one data set or path, or NAME=PATH for each input, such as content=photos/. "
                f"Received: {value!r}"
            )
        if name in named:
            raise UserError(f"--data names the input {name!r} twice. Received: {', '.join(values)}")
        named[name] = path
    return named or None


def check_modules(names: list[str]) -> None:
    """Raise UserError for a module that is neither in the working folder nor installed; none is imported."""
    if names:
        sys.path.insert(0, str(Path.cwd()))
    for name in names:
        first = name.partition(".")[0]
        if find_spec(first) is None:
            raise UserError(_NO_MODULE.format(name, first))


def import_modules(names: list[str]) -> None:
    """Import modules which register layers with Keras."""
    for name in names:
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            raise UserError(_NO_MODULE.format(name, error.name)) from error


@app.command()
def report(
    folders: Annotated[
        list[Path], typer.Argument(help="Run folders, bundles, folders of what phones sent.")
    ],
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
) -> None:
    """Make one page of runs and bundles."""
    from dimaging_tf.commands.report import write_report

    typer.echo(write_report(folders, out))


app.command()(rd)
app.command()(gradient)
app.command(cls=OfBundles)(attack)
app.command(cls=OfBundles)(robustness)


def _pass_on(context: typer.Context) -> None:
    """Hand the arguments to the same verb of `dimaging-edge`, and exit with its status."""
    from dimaging_edge.commands.main import main as edge_main

    raise typer.Exit(edge_main([*loudness(), str(context.info_name), *context.args]))


for _verb, _does in EDGE_VERBS.items():
    if _verb not in ("sample", "attack", "robustness"):  # these take runs, too
        app.command(_verb, help=f"{_does}.", **_PASS_ON)(_pass_on)


def show_bundle(bundle: Path) -> None:
    """Print the table of `dimaging-edge info`, and what to do next."""
    from dimaging_edge.commands.main import main as edge_main

    edge_main(["info", str(bundle)])
    typer.echo(f"next: dimaging bench {shlex.quote(str(bundle))}")


def main() -> None:
    """Run the command and exit.

    The code is 2 for a mistake in the command line, said before anything is begun, 1 after another error,
    both without a traceback unless --verbose; 130 at Ctrl-C, 143 at SIGTERM.
    """
    status = _status()
    gc.collect()
    sys.exit(status)


def _status() -> int | str | None:
    """Run the command, and return its exit status.

    No error outlives this function: it would hold the frames of `fit`, and with them a tf.data iterator,
    whose threads may abort a Python that is about to end.
    """
    output.level = 0
    try:
        with orderly_end(grace_s=None), warnings.catch_warnings():
            others = warnings.showwarning

            def show(message: Any, category: type[Warning], filename: str, *more: Any) -> None:
                """Say a warning of this package as a note, without the place in the code."""
                if Path(filename).is_relative_to(Path(__file__).parents[1]):
                    output.tell(f"note: {message}")
                else:
                    others(message, category, filename, *more)

            warnings.showwarning = show
            app()
    except SystemExit as end:
        return end.code
    except KeyboardInterrupt as stop:
        return 143 if isinstance(stop, Terminated) else 130
    except ModuleNotFoundError as missing:
        if (missing.name or "dimaging").startswith("dimaging"):
            raise
        extra = _EXTRAS.get((missing.name or "").partition(".")[0], "train,export,cpu")
        typer.echo(f"error: this needs {missing.name}: pip install 'dimaging[{extra}]'", err=True)
        return 1
    except (DimagingError, ValueError, OSError) as error:
        if output.level > 0:
            traceback.print_exc()
        typer.echo(f"error: {error}", err=True)
        return 2 if isinstance(error, UsageError) else 1
    return 0


if __name__ == "__main__":
    main()
