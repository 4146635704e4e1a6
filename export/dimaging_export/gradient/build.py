"""Build the gradient graph of a classifier from its ONNX file.

    image, label [, direction] ──> gradient, margin, logits

    image      float32, as the classifier takes it        label   int64 [batch], 0 to classes - 1
    gradient   float32, of the margin by the image        margin  float32 [batch], see `margin`
    logits     float32 [batch, classes], as the classifier gives them
    direction  float32 [1 or batch, classes] (of a file of a fixed batch [batch, classes]), optional: the
               gradient of sum(direction * logits) is wanted in place of the margin's, for any other loss

So FGSM, PGD and everything after them run with onnxruntime and numpy alone, on the file that is deployed.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dimaging_export.errors import ExportError
from dimaging_export.gradient.margin import append_margin, choose_direction
from dimaging_export.gradient.prepare import (
    DIRECTION,
    GRADIENT,
    IMAGE,
    LABEL,
    LOGITS,
    MARGIN,
    in_the_file,
    prepare,
)
from dimaging_export.gradient.reverse import check_rules, pull_back
from dimaging_export.gradient.tape import Tape
from dimaging_export.graph.check import verify
from dimaging_export.graph.passes import clean, sort_nodes


def gradient_model(model: onnx.ModelProto, logits: str | None = None) -> onnx.ModelProto:
    """Return the gradient graph of a classifier; `logits` names its output where it has several.

    A softmax at the end is left off. Raises ExportError that names an operator without a rule, an input that
    is no image of a fixed size, or an output that is no vector of logits.
    """
    classifier = prepare(model, logits)
    tape, name = Tape(classifier.model, IMAGE), classifier.logits
    check_rules(tape, name)
    shape = tape.shape(name)
    if (
        len(shape) > 2 and sum(size != 1 for size in shape[1:]) == 1
    ):  # such as [batch, classes, 1, 1]
        flat = helper.make_node("Flatten", [name], [f"{name}/flat"], axis=1)
        classifier.model.graph.node.append(flat)
        tape, name = Tape(classifier.model, IMAGE), flat.output[0]
        shape = tape.shape(name)
    if len(shape) != 2 or shape[1] is None or shape[1] < 2:
        raise ExportError(
            f"{in_the_file(name)!r} has the shape {shape}; the logits of a classifier are [batch, classes] "
            "with at least 2 classes. Say which output holds them: logits= (dimaging gradient --logits NAME)"
        )
    margin, slope = append_margin(tape, name, shape[1])
    gradient = pull_back(tape, {name: choose_direction(tape, slope)})
    results = {GRADIENT: gradient, MARGIN: margin, LOGITS: name}
    return _assemble(classifier.model, tape, results, shape[1])


def _assemble(
    model: onnx.ModelProto, tape: Tape, results: dict[str, str], classes: int
) -> onnx.ModelProto:
    """Make a model of the nodes of both directions, with named inputs and outputs, swept and checked."""
    graph = model.graph
    for node in graph.node:
        if second := tape.extra_outputs.get(node.output[0]):
            node.output[:] = [node.output[0], second]
    graph.node.extend(tape.appended)
    graph.node.extend(
        helper.make_node("Identity", [source], [name], name=f"gradient/{name}")
        for name, source in results.items()
    )
    graph.initializer.extend(tape.initializers)
    (image,) = [tensor for tensor in graph.input if tensor.name == IMAGE]
    dims = [dim.dim_value or dim.dim_param for dim in image.type.tensor_type.shape.dim]
    batch = dims[0] or "batch"
    dims[0] = batch
    directions = "directions" if isinstance(batch, str) else batch
    none = np.zeros((1 if isinstance(batch, str) else batch, classes), np.float32)
    graph.initializer.append(numpy_helper.from_array(none, DIRECTION))
    for side, tensors in (
        (
            graph.input,
            [(IMAGE, dims), (LABEL, [batch]), (DIRECTION, [directions, classes])],
        ),
        (graph.output, [(GRADIENT, dims), (MARGIN, [batch]), (LOGITS, [batch, classes])]),
    ):
        del side[:]
        for name, sizes in tensors:
            kind = TensorProto.INT64 if name == LABEL else TensorProto.FLOAT
            side.append(helper.make_tensor_value_info(name, kind, sizes))
    graph.name = GRADIENT
    del model.metadata_props[:]
    clean(model)
    made = {name for node in graph.node for name in node.output} - set(results)
    graph.value_info.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, *sizes[1:]])
        for name, sizes in tape.declared.items()
        if name in made
    )
    sort_nodes(model)
    verify(model)
    return model
