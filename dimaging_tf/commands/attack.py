"""The verbs that attack classifiers: gradient."""

from pathlib import Path
from typing import Annotated

import typer

from dimaging_tf.quiet import load_tensorflow


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
