"""Make the gradient graph of anybody's ONNX classifier, from file to file, without Keras."""

from pathlib import Path

import numpy as np
import onnx
from dimaging_edge.common.files import write_bytes
from google.protobuf.message import DecodeError

from dimaging_export.errors import ExportError
from dimaging_export.gradient.build import gradient_model
from dimaging_export.gradient.prepare import IMAGE, LABEL, LOGITS, takes_bytes
from dimaging_export.gradient.proof import check_growth, check_logits
from dimaging_export.graph.passes import count
from dimaging_export.prove.runners import onnx_graph

_IMAGES = 8
"""Number of seeded images on which a file is tried."""


def gradient_file(source: str | Path, out: str | Path, logits: str | None = None) -> str:
    """Write the gradient graph of the classifier in `source` to `out`; returns what it is, in one line.

    logits: which output holds them, where there are several. On seeded images the graph has to run, to give
    logits and not probabilities, and its margin has to grow along its gradient as fast as that says (of a
    quantised file, whose gradient is passed straight through, that is not asked). ExportError otherwise.
    """
    source, out = Path(source), Path(out)
    if out.exists() and source.exists() and out.samefile(source):
        raise ExportError(
            f"{out} is the model itself, which would be overwritten; choose another file (--out)"
        )
    try:
        given = onnx.load(source)
    except (OSError, DecodeError) as error:
        raise ExportError(f"{source} cannot be read as an ONNX file: {error}") from None
    if not given.graph.node:
        raise ExportError(f"{source} cannot be read as an ONNX file: it holds no graph")
    model = gradient_model(given, logits)
    run = onnx_graph(model)
    sizes = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    rng = np.random.default_rng(0)
    image = rng.random((_IMAGES, *sizes[1:]), np.float32)
    if takes_bytes(given):
        image = np.rint(image * 255).astype(np.float32)
    label = np.zeros(_IMAGES, np.int64)
    found = run({IMAGE: image, LABEL: label})[LOGITS]
    check_logits(found)
    label = found.argmax(-1)
    quantised = {"QuantizeLinear", "DynamicQuantizeLinear"} & set(count(given))
    if quantised:
        proof = "straight through its quantisation"
    else:
        proof = (
            f"its margin grows along it as it says, within {check_growth(run, image, label):.1%}"
        )
    write_bytes(out, model.SerializeToString())
    return f"{out}: image and label in; gradient, margin and logits of {found.shape[1]} classes out; {proof}"
