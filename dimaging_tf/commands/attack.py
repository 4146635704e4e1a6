"""The verbs that attack classifiers: gradient, attack, robustness."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from dimaging_tf.commands.sample import model_name
from dimaging_tf.commands.train import Seed
from dimaging_tf.commands.usage import loudness, usage
from dimaging_tf.data import check_name
from dimaging_tf.errors import UserError, near
from dimaging_tf.quiet import load_tensorflow

Where = Annotated[
    Path, typer.Argument(help="Run folder or bundle of a classifier, or efficientnet_lite0.")
]
Eps = Annotated[
    str,
    typer.Option(
        help="Largest change; black to white is 1, a grey level 1/255. Of l2 that of the whole image."
    ),
]
Norm = Annotated[str, typer.Option(help="linf (each value) or l2 (the whole image).")]
Precision = Annotated[
    str | None,
    typer.Option(help="Of a run: fp32, fp16 or int8 is attacked  [default: fp32]"),
]


def gradient(
    model: Annotated[Path, typer.Argument(help="ONNX file of a classifier, anybody's.")],
    out: Annotated[
        Path | None, typer.Option(help="ONNX file to write  [default: MODEL-gradient.onnx]")
    ] = None,
    logits: Annotated[
        str | None, typer.Option(help="Output that holds the logits, where there are several.")
    ] = None,
) -> None:
    """Write the gradient of an ONNX classifier as one more ONNX file.

    It takes image and label, and gives gradient, margin and logits: with onnxruntime alone the deployed file
    can then be attacked from inside. Quantised files are differentiated straight through.
    """
    load_tensorflow()
    from dimaging_export.gradient.file import gradient_file

    typer.echo(gradient_file(model, out or model.with_name(f"{model.stem}-gradient.onnx"), logits))


def attack(
    where: Where,
    image: Annotated[
        Path | None,
        typer.Argument(
            help="Picture (its middle is scaled), .npy of the model's size, noise or grey."
        ),
    ] = None,
    image_: Annotated[Path | None, typer.Option("--image", help="The image, by name.")] = None,
    target: Annotated[
        str | None, typer.Option(help="Class that it shall become  [default: anything else]")
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="Class that it shows  [default: what the model says]")
    ] = None,
    eps: Eps = "8/255",
    norm: Norm = "linf",
    method: Annotated[
        str,
        typer.Option(help="fgsm, bim, pgd, momentum, apgd, deepfool, ddn, square or rays."),
    ] = "pgd",
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps of the method  [default: its own]")
    ] = None,
    confident: Annotated[
        bool, typer.Option("--confident", help="Of pgd and momentum: go on to the last step.")
    ] = False,
    precision: Precision = None,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option(help="Picture, or .npy, to write.")] = Path("attacked.png"),
) -> None:
    """Change an image a little, so that a classifier takes it for something else.

    Writes the picture, and beside it NAME-compare.png: before, after, and their difference. Given a bundle,
    and the image without --image, it is `dimaging-edge attack`, with all of its options.
    """
    from dimaging_edge import attacks

    with usage():  # said before TensorFlow loads, which takes seconds
        if image and image_:
            raise UserError(f"give one image; received {image} and --image {image_}")
        image = image or image_
        if image is None:
            raise UserError(
                f"Which image? A picture, an .npy, noise or grey: dimaging attack {where} photo.png"
            )
        if method not in attacks.ATTACKS:
            raise UserError(f"--method: unknown {method!r}; {near(method, tuple(attacks.ATTACKS))}")
        if str(image) not in ("noise", "grey") and not image.is_file():
            if image.is_dir():
                raise UserError(
                    f"{image} is a folder, which bundles take: dimaging export {where} --gradient --out "
                    f"BUNDLE, then dimaging attack BUNDLE {image}"
                )
            raise UserError(f"there is no file {image}; give a picture, an .npy, noise or grey")
        attacks.Threat(norm, attacks.read_eps(eps))
    options = {
        "eps": eps, "norm": norm, "method": method, "seed": seed, "out": out, "target": target,
        "label": label, "steps": steps, "confident": confident or None,
    }  # fmt: skip
    with _bundle(where, precision) as bundle:
        _edge("attack", bundle, image, options)


def robustness(
    where: Where,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="DATA.npz", help="Arrays x and y, in place of --data.", show_default=False
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Data set or folder with labels  [default: the model's]")
    ] = None,
    eps: Eps = "8/255",
    norm: Norm = "linf",
    plan: Annotated[
        str, typer.Option(help="quick, standard or thorough; thorough compares with papers.")
    ] = "standard",
    n: Annotated[
        int, typer.Option(min=1, help="Images of the valid split, at random; of a file the first.")
    ] = 1000,
    claim: Annotated[
        float | None, typer.Option(min=0, max=1, help="A figure from 0 to 1 to examine.")
    ] = None,
    precision: Precision = None,
    seed: Seed = 0,
    json: Annotated[Path | None, typer.Option(help="File for the whole report.")] = None,
) -> None:
    """Measure how robust a classifier is; exit code 3 where a gate fails and there is no figure.

    Given a bundle and a file, it is `dimaging-edge robustness`, with all of its options.
    """
    import numpy as np
    from dimaging_edge import attacks
    from dimaging_edge.robustness import PLANS

    from dimaging_tf.data.dataset import to_float

    options = {"eps": eps, "norm": norm, "plan": plan, "n": n, "seed": seed, "json": json}
    options["claim"] = claim
    with usage():  # said before TensorFlow loads, which takes seconds
        if file and data:
            raise UserError(f"give a file or --data; received {file} and --data {data}")
        if data:
            check_name(data)
        attacks.Threat(norm, attacks.read_eps(eps))
        if plan not in PLANS:
            raise UserError(f"unknown plan {plan!r}; {near(plan, tuple(PLANS))}")
    if file:
        with _bundle(where, precision) as bundle:
            _edge("robustness", bundle, file, options)
    with _bundle(where, precision) as bundle, tempfile.TemporaryDirectory() as folder:
        valid = _load(where, bundle, data).valid
        if valid.label is None or valid.label.ndim != 1:
            raise UserError(
                "robustness is measured on images with one label each; received others. Give such: "
                "--data mnist5k"
            )
        chosen = np.random.default_rng(0).permutation(len(valid))[:n]
        file = Path(folder, "data.npz")
        np.savez(file, x=_in_range(bundle, to_float(valid.x[chosen])), y=valid.label[chosen])
        _edge("robustness", bundle, file, options)


@contextmanager
def _bundle(where: Path, precision: str | None) -> Iterator[Path]:
    """A bundle as it is; of a run a new one with its gradient, which is gone afterwards."""
    if (where / "bundle.json").is_file():
        if precision:
            with usage():
                raise UserError(
                    f"--precision is of runs: {where} is a bundle, which has its own. Leave it out"
                )
        yield where
        return
    precision = precision or "fp32"
    from dimaging_export.bundle import targets

    with usage():
        targets.find("cpu", precision)
        model_name(where)
    load_tensorflow()
    from dimaging_export import export

    with tempfile.TemporaryDirectory() as folder:
        yield export(where, Path(folder, where.name), precision=precision, gradient=True)


def _load(where: Path, bundle: Path, data: str | None) -> Any:
    """The data set asked for, or that of the run, or the default of the bundle's model.

    Images of a folder get the size that the model takes, cut from them as those of the run were.
    """
    from dimaging_edge.bundle.open import read_manifest

    from dimaging_tf import data as sources
    from dimaging_tf import registry
    from dimaging_tf.training import runs

    of_run = (where / "run.json").is_file() and runs.has_settings(where)
    settings = runs.read_settings(where) if of_run else None
    if data is None and settings:
        return runs.load_data(settings)
    manifest = read_manifest(bundle)
    if data is None or data in sources.NAMES or not Path(data).is_dir():
        return sources.load(data or registry.find(manifest.model).data)
    (tensor,) = next(iter(manifest.graphs.values())).inputs
    options = {"cut": "resize"} | (settings.data_options if settings else {})
    return sources.load(
        data, **{**options, "size": tensor.example[1], "channels": tensor.example[-1]}
    )


def _in_range(bundle: Path, x: Any) -> Any:
    """Images in [0, 1] in the range that the bundle takes."""
    from dimaging_edge.bundle.open import read_manifest

    (low, high) = next(iter(read_manifest(bundle).graphs.values())).inputs[0].range or (0.0, 1.0)
    return (low + x * (high - low)).clip(low, high).astype("float32")


def _edge(verb: str, bundle: Path, what: Path, options: dict[str, Any]) -> None:
    """Hand over to the verb of `dimaging-edge`."""
    from dimaging_edge.commands import main as edge

    words = [*loudness(), verb, str(bundle), str(what)]
    for name, value in options.items():
        words += (
            [f"--{name}", *([] if value is True else [str(value)])] if value is not None else []
        )
    raise typer.Exit(edge.main(words))
