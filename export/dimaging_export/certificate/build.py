"""Build the certificate of a classifier from its ONNX file: interval bounds as an ordinary graph.

    image, label, eps ──> worst_margin

    image         float32, as the classifier takes it     label  int64 [batch]: the right class y
    eps           float32 [1 or batch]: how far every pixel may be moved (linf), in the unit of the image
    worst_margin  float32 [batch]: no image within eps has a larger z_j - z_y, for any other class j

Below 0 no attack can change the answer, known or not yet known. The bound is sound, not exact: an image whose
worst margin is above 0 may be robust too. It holds for what the file computes in float32 on any device (see
`box`), and an image pixel that eps brings just to a threshold counts as undecided.

Interval bounds: Gowal et al. 2018, arXiv 1810.12715. The last product and the difference of two logits are
one product, which is tighter than the difference of two boxes.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper

from dimaging_export.certificate import elementwise, linear  # noqa: F401, they fill the table
from dimaging_export.certificate.box import EXACT_BELOW, Box, rounding_of_sum, steps_of
from dimaging_export.certificate.linear import doubled, matrix
from dimaging_export.certificate.table import find_rule
from dimaging_export.errors import ExportError
from dimaging_export.gradient.prepare import IMAGE, LABEL, prepare
from dimaging_export.gradient.table import Node
from dimaging_export.gradient.tape import Tape
from dimaging_export.graph.check import verify
from dimaging_export.graph.passes import clean, sort_nodes

CERTIFICATE, EPS, WORST = "certificate", "eps", "worst_margin"
SLACK = 2.0**-22
"""Widening of the image's box, as a share of its range: more than float32 is off in x - eps and x + eps."""


def certificate_model(
    model: onnx.ModelProto, limits: tuple[float, float], logits: str | None = None
) -> tuple[onnx.ModelProto, bool]:
    """Return the certificate of a classifier's graph, and whether its sums are exact.

    limits: the least and the largest legal value of the image. logits: their output, where there are several.
    Raises ExportError that names an operator without interval bounds.
    """
    classifier = prepare(model, logits)
    tape = Tape(classifier.model, IMAGE, "certificate/")
    shape = tape.shape(classifier.logits)
    if len(shape) != 2 or shape[1] is None or shape[1] < 2:
        raise ExportError(
            f"{classifier.logits!r} has the shape {shape}; the logits of a classifier are [batch, classes] "
            "with at least 2 classes"
        )
    boxes = {IMAGE: _image(tape, limits)}
    last = None
    for node in tape.nodes:
        if node.outputs[0] == classifier.logits and node.op in ("Gemm", "MatMul"):
            last = node
        elif any(name in boxes for name in node.inputs):
            boxes[node.outputs[0]] = find_rule(node)(tape, node, boxes)
    if last is not None and last.inputs[0] in boxes:
        worst, exact = _merged(tape, last, boxes[last.inputs[0]], shape[1])
    elif classifier.logits in boxes:
        worst, exact = _apart(tape, boxes[classifier.logits], shape[1]), False
    else:
        raise ExportError(f"{classifier.logits!r} does not follow from the image")
    return _assemble(classifier.model, tape, worst), exact


def _image(t: Tape, limits: tuple[float, float]) -> Box:
    """Append the box of all images within eps, slightly widened, inside the legal values."""
    low, high = limits
    slack = t.constant(SLACK * max(abs(low), abs(high)))
    rank = len(t.shape(IMAGE))
    eps = t.op("Reshape", EPS, t.integers(-1, *[1] * (rank - 1)))
    far = t.op("Add", eps, slack)
    least = t.op("Max", t.op("Sub", IMAGE, far), t.constant(low))
    most = t.op("Min", t.op("Add", IMAGE, far), t.constant(high))
    return Box(least, most, low, high)


def _merged(t: Tape, node: Node, box: Box, classes: int) -> tuple[str, bool]:
    """Append the worst z_j - z_y of logits that a matrix makes, and say whether it is exact."""
    kernel, bias = matrix(t, node)
    total = np.abs(kernel.astype(np.float64)).sum(0) * box.reach + np.abs(bias, dtype=np.float64)
    steps = steps_of(kernel, bias)
    steps = None if steps is None or box.steps is None else steps + box.steps
    exact = steps is not None and 4 * float(total.max()) * 2.0**steps < EXACT_BELOW
    # Of the three sums in `linear`, two are those of this product; the device's two are added below.
    rho = 0.0 if exact else rounding_of_sum(len(kernel))
    s, d = doubled(t, box, rho, len(kernel))
    rows, offsets = t.constant(kernel.T), t.constant(bias)
    own = t.op("Unsqueeze", t.op("Gather", rows, LABEL, axis=0), t.integers(1))
    apart = t.op("Sub", rows, own)  # [batch, classes, in]
    middle = _along(t, apart, s)
    half = _along(t, t.op("Abs", apart), d)
    shift = t.op("Sub", offsets, t.op("Unsqueeze", t.op("Gather", offsets, LABEL), t.integers(1)))
    two = t.constant(2.0)
    bound = t.op("Add", t.op("Add", middle, half), t.op("Mul", shift, two))
    if not exact:  # what the device rounds in each of the two logits
        sizes = t.op("Add", t.op("Abs", s), d)
        sums = t.op("MatMul", sizes, t.constant(np.abs(kernel.astype(np.float64)) * rho))
        each = t.op("Add", sums, t.constant(2 * rho * np.abs(bias, dtype=np.float64)))
        most = t.op("ReduceMax", each, t.integers(1), keepdims=1)
        bound = t.op("Add", bound, t.op("Mul", most, two))
    return _largest_other(t, t.op("Mul", bound, t.constant(0.5)), classes), exact


def _along(t: Tape, rows: str, vector: str) -> str:
    """Append [batch, classes, in] times [batch, in]."""
    column = t.op("Unsqueeze", vector, t.integers(2))
    return t.op("Squeeze", t.op("MatMul", rows, column), t.integers(2))


def _apart(t: Tape, box: Box, classes: int) -> str:
    """Append the largest other logit minus the least own one, for logits that no matrix makes."""
    lows = t.op("Where", _is_own(t, classes), box.low, t.constant(0.0))
    own = t.op("ReduceSum", lows, t.integers(1), keepdims=1)
    wide = t.op("Mul", t.op("Add", t.op("Abs", box.high), t.op("Abs", own)), t.constant(2.0**-22))
    return _largest_other(t, t.op("Add", t.op("Sub", box.high, own), wide), classes)


def _largest_other(t: Tape, bounds: str, classes: int) -> str:
    lowest = t.constant(np.finfo(np.float32).min)
    others = t.op("Where", _is_own(t, classes), lowest, bounds)
    return t.op("ReduceMax", others, t.integers(1), keepdims=0)


def _is_own(t: Tape, classes: int) -> str:
    numbers = t.constant(np.arange(classes)[None], np.int64)
    return t.op("Equal", numbers, t.op("Unsqueeze", LABEL, t.integers(1)))


def _assemble(model: onnx.ModelProto, tape: Tape, worst: str) -> onnx.ModelProto:
    """Make a model of the appended nodes, with named inputs and output, swept and checked."""
    graph = model.graph
    graph.node.extend(tape.appended)
    graph.node.append(helper.make_node("Identity", [worst], [WORST], name=f"certificate/{WORST}"))
    graph.initializer.extend(tape.initializers)
    (image,) = [tensor for tensor in graph.input if tensor.name == IMAGE]
    dims = [dim.dim_value or dim.dim_param for dim in image.type.tensor_type.shape.dim]
    batch = dims[0] = dims[0] or "batch"
    count = "radii" if isinstance(batch, str) else 1
    kinds = {IMAGE: TensorProto.FLOAT, LABEL: TensorProto.INT64, EPS: TensorProto.FLOAT}
    del graph.input[:], graph.output[:]
    for name, sizes in ((IMAGE, dims), (LABEL, [batch]), (EPS, [count])):
        graph.input.append(helper.make_tensor_value_info(name, kinds[name], sizes))
    graph.output.append(helper.make_tensor_value_info(WORST, TensorProto.FLOAT, [batch]))
    graph.name = CERTIFICATE
    del model.metadata_props[:]
    clean(model)
    sort_nodes(model)
    verify(model)
    return model
