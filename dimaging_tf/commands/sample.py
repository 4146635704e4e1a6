"""The verb `dimaging sample`."""

from pathlib import Path
from typing import Annotated

import typer
from dimaging_edge.common.readable import MOST_IMAGES

from dimaging_tf import registry
from dimaging_tf.commands.train import Seed
from dimaging_tf.commands.usage import usage
from dimaging_tf.errors import SAVED_MODEL, UserError
from dimaging_tf.quiet import load_tensorflow


def sample(
    run: Annotated[Path, typer.Argument(help="Run folder, or a bundle.")],
    out: Annotated[
        Path | None, typer.Option(help="PNG to write  [default: RUN/sample.png]")
    ] = None,
    n: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST_IMAGES, help="Pictures, where the model generates.  [default: 64]"
        ),
    ] = None,
    seed: Seed = 0,
    reconstruct: Annotated[
        int | None,
        typer.Option(min=1, help="Encode and decode that many images (a GAN searches for codes)."),
    ] = None,
    attribute: Annotated[
        str | None, typer.Option(help="Add and take away an attribute: glasses, or a label.")
    ] = None,
    strength: Annotated[
        float | None, typer.Option(help="How much of the attribute.  [default: 1]")
    ] = None,
    analogy: Annotated[
        str | None, typer.Option(help="Add pictures by number, as '3,7 - 1 + 20,21'.")
    ] = None,
    interpolate: Annotated[
        str | None, typer.Option(help="Go from picture to picture, as 3,17.")
    ] = None,
    traverse: Annotated[
        int | None, typer.Option(min=1, help="Vary the strongest latents, one at a time: how many.")
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(help="Name or number of the class that a model of classes draws."),
    ] = None,
    scale: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=64,
            help="Pixels of the picture for a pixel of an image.  [default: until an image has 96]",
        ),
    ] = None,
) -> None:
    """Draw samples, show validation images, or do arithmetic on codes.

    A generative model draws samples; any other model is shown on validation images. Pictures are numbered
    from 0: the validation images where the model has an encoder, and otherwise the samples drawn with this
    seed. Given a bundle, it is `dimaging-edge sample`, with all of its options.
    """
    from dimaging_edge.commands.array_files import check_writable

    from dimaging_tf.data.labels import class_labels, class_number
    from dimaging_tf.evaluation import plots
    from dimaging_tf.training import runs

    given = {
        "reconstruct": reconstruct, "attribute": attribute, "analogy": analogy,
        "interpolate": interpolate, "traverse": traverse,
    }  # fmt: skip
    asked = [f"--{name}" for name, value in given.items() if value is not None]
    with usage():  # said before TensorFlow loads, which takes seconds
        if strength is not None and attribute is None:
            raise UserError(
                f"--strength is of --attribute; give both, or neither. Received: --strength {strength:g}"
            )
        if n is not None and asked:
            raise UserError(
                f"--n is the number of samples, which {asked[0]} draws none of; leave one of them out. "
                f"Received: --n {n}"
            )
        out = out or run / "sample.png"
        check_writable(out, ".png")
        runs.read_record(run)
        runs.latest(run)
    load_tensorflow()
    model, words = runs.load_model(run), None
    classes = getattr(model.config, "classes", 0) if model.draws else 0
    names = tuple(getattr(model.config, "names", ()))
    if label is not None and not classes:
        raise UserError(
            f"{model_name(run)} has no classes to draw; leave --label out, or train it with --set classes=N"
        )
    number = None if label is None else class_number(label, classes, names)
    if n is not None and not model.draws:
        raise UserError(
            f"{model_name(run)} draws no samples, it is shown on validation images; leave --n out. "
            f"Received: --n {n}"
        )
    rows: tuple[str, ...] = ()
    if asked:
        from dimaging_tf.commands import latent_pictures

        cells, rows = latent_pictures.latent_picture(
            model, runs.read_settings(run), seed=seed, label=number,
            strength=1.0 if strength is None else strength,
            say=typer.echo, **given,
        )  # fmt: skip
    elif model.draws:
        images = model.sample(n or 64, seed=seed, **({} if number is None else {"label": number}))
        if classes and number is None:
            cells, rows = plots.tile_classes(images, classes), class_labels(classes, names)
        else:
            cells = plots.tile(images)
    else:
        x, known = runs.examples(runs.load_data(runs.read_settings(run)))
        cells, rows, words = (
            model.picture(x, known, seed=seed),
            model.picture_rows,
            model.sentences(x),
        )
    if cells is None:
        raise UserError(
            f"{model_name(run)} draws no picture of its examples; export it and run it: dimaging export {run}"
        )
    plots.save_grid(cells, out, rows, scale, words)
    typer.echo(out)


def model_name(run: Path) -> str:
    """Return the name of a run folder's model, or of a Keras file, for the default bundle folder.

    UserError where there is neither.
    """
    from dimaging_tf.training import runs

    if run.suffix in (".keras", ".h5"):
        if not run.is_file():
            raise UserError(f"there is no file {run}; give a run folder, or a .keras or .h5 file")
        return run.stem
    if not run.exists() and str(run) in registry.PRETRAINED:
        return str(run)
    if (run / "saved_model.pb").exists():
        raise UserError(f"{run} {SAVED_MODEL}")
    return runs.read_record(run)["model"]
