"""Prepare an ONNX file for the walk: one float32 image in, logits out, opset 18 or newer.

functions of the file's own   written out
opset below 18                raised by onnx's version converter
float16                       float32, as onnxruntime computes it on a CPU; gradients in float16 underflow
uint8 image                   float32 of the same scale, 0 to 255: the gradient is that of a grey level
weights listed as inputs too  constants, as files of the first versions of ONNX write them
a softmax at the end          left off: what goes into it is what an attack needs. So is one behind which the
                              probabilities are only reshaped, cast or quantised
"""

from dataclasses import dataclass

import numpy as np
import onnx
from dimaging_edge.common.errors import near
from onnx import TensorProto, helper, inliner, numpy_helper, version_converter

from dimaging_export.errors import ExportError

OPSET = 18
"""Oldest opset in which the appended nodes have the form in which they are written."""

_FORMAT = 8
"""Oldest version of the file format that knows `OPSET`; before 4 every weight had to be an input as well."""

IMAGE, LABEL, DIRECTION = "image", "label", "direction"
"""Names of a gradient graph's inputs."""
GRADIENT, MARGIN, LOGITS = "gradient", "margin", "logits"
"""Names of a gradient graph's outputs."""

_ENDING = "_of_the_file"
"""What is put behind a name of the file that a gradient graph needs for itself."""
_PASSED_ON = frozenset(
    "Identity Cast Reshape Flatten Squeeze Unsqueeze QuantizeLinear DequantizeLinear".split()
)
"""Operators behind a softmax that leave probabilities what they are."""
_MOVED = frozenset(
    "Concat DepthToSpace Expand Flatten Gather Identity Pad Reshape Slice SpaceToDepth Split Squeeze "
    "Transpose Unsqueeze".split()
)
"""Operators that move values and leave them as they are, bytes as bytes."""

_IMAGES = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8}
"""Types that an image may have in the classifier's file."""


@dataclass(frozen=True)
class Classifier:
    """A prepared graph and the tensor of its logits."""

    model: onnx.ModelProto
    logits: str


def prepare(model: onnx.ModelProto, output: str | None = None) -> Classifier:
    """Return a copy of a classifier's graph with the input "image"; the file itself stays as it is.

    output: which output to differentiate; by default the only one, or the one called "logits".
    Raises ExportError where there is not one image and one vector of logits for each.
    """
    copy = inliner.inline_local_functions(model) if model.functions else onnx.ModelProto()
    if not model.functions:
        copy.CopyFrom(model)
    copy = _raise_opset(copy)
    image = _image_of(copy)
    _to_float32(copy, image.name)
    for tensor in [tensor for tensor in copy.graph.input if tensor.name != image.name]:
        copy.graph.input.remove(tensor)
    copy.ir_version = max(copy.ir_version, _FORMAT)
    logits = _logits_of(copy, output)
    taken = {name: f"{name}{_ENDING}" for name in (LABEL, DIRECTION, GRADIENT, MARGIN, LOGITS)}
    names = taken | ({image.name: IMAGE, IMAGE: f"{IMAGE}{_ENDING}"} if image.name != IMAGE else {})
    _rename(copy.graph, names)
    return Classifier(copy, names.get(logits, logits))


def in_the_file(name: str) -> str:
    """Return the name that a tensor has in the file, for a message."""
    return name.removesuffix(_ENDING)


def _raise_opset(model: onnx.ModelProto) -> onnx.ModelProto:
    version = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    if version >= OPSET:
        return model
    try:
        return version_converter.convert_version(model, OPSET)
    except Exception as error:  # it raises RuntimeError and its own kinds
        raise ExportError(
            f"the file has opset {version}, and onnx cannot raise it to {OPSET}: {error}. Export the model "
            f"anew with opset {OPSET}"
        ) from error


def _image_of(model: onnx.ModelProto) -> onnx.ValueInfoProto:
    held = {tensor.name for tensor in model.graph.initializer}
    inputs = [tensor for tensor in model.graph.input if tensor.name not in held]
    if len(inputs) != 1:
        raise ExportError(
            f"a classifier takes one image; this graph has {len(inputs)} inputs: "
            f"{', '.join(tensor.name for tensor in inputs)}"
        )
    kind = inputs[0].type.tensor_type.elem_type
    if kind not in _IMAGES:
        raise ExportError(
            f"input {inputs[0].name!r} is {TensorProto.DataType.Name(kind)}; a gradient needs an image of "
            "FLOAT, FLOAT16 or UINT8"
        )
    return inputs[0]


def takes_bytes(model: onnx.ModelProto) -> bool:
    """Whether the image of a classifier's file is uint8; ExportError as for `prepare`."""
    return _image_of(model).type.tensor_type.elem_type == TensorProto.UINT8


def _to_float32(model: onnx.ModelProto, image: str) -> None:
    """Turn every float16 tensor, constant and cast into float32, and a uint8 image as well; in place."""
    graph = model.graph
    _dequantise_image(graph, image)
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            tensor.CopyFrom(_widened(tensor))
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name == "to" and attribute.i == TensorProto.FLOAT16:
                attribute.i = TensorProto.FLOAT
            if attribute.HasField("t") and attribute.t.data_type == TensorProto.FLOAT16:
                attribute.t.CopyFrom(_widened(attribute.t))
    graph.ClearField("value_info")
    for tensor in (*graph.input, *graph.output):
        kind = tensor.type.tensor_type
        if kind.elem_type in (TensorProto.FLOAT16, TensorProto.UINT8):
            kind.elem_type = TensorProto.FLOAT


def _dequantise_image(graph: onnx.GraphProto, image: str) -> None:
    """Write a DequantizeLinear of the image's bytes as a difference and a product of numbers; in place."""
    nodes, of_image, zeros = [], {image}, []
    held = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type in _MOVED and of_image.intersection(node.input):
            of_image.update(node.output)
        x, scale, *zero = [*node.input, "", ""]
        several = scale in held and np.prod(held[scale].dims, dtype=int) > 1  # one a channel
        if node.op_type != "DequantizeLinear" or x not in of_image or several:
            nodes.append(node)
            continue
        if zero[0]:
            wide, moved = f"{node.output[0]}/zero_point", f"{node.output[0]}/moved"
            if zero[0] in held:
                value = numpy_helper.to_array(held[zero[0]]).astype(np.float32)
                zeros.append(numpy_helper.from_array(value, wide))
            else:
                nodes.append(helper.make_node("Cast", zero[:1], [wide], to=TensorProto.FLOAT))
            nodes.append(helper.make_node("Sub", [x, wide], [moved], name=f"{node.name}/moved"))
            x = moved
        nodes.append(helper.make_node("Mul", [x, scale], list(node.output), name=node.name))
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(zeros)


def _widened(tensor: onnx.TensorProto) -> onnx.TensorProto:
    return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name)


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Give tensors other names, so that those of a gradient graph are free; in place."""
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for tensor in (*graph.input, *graph.output, *graph.initializer):
        tensor.name = names.get(tensor.name, tensor.name)


def _logits_of(model: onnx.ModelProto, output: str | None) -> str:
    outputs = [tensor.name for tensor in model.graph.output]
    wanted = output or (outputs[0] if len(outputs) == 1 else "logits")
    if wanted not in outputs:
        raise ExportError(
            f"the graph has no output {wanted!r}; {near(wanted, outputs)}. Say which holds the logits: "
            "logits= (dimaging gradient --logits NAME)"
        )
    made_by = {name: node for node in model.graph.node for name in node.output}
    node = made_by.get(wanted)
    while node is not None and node.op_type in _PASSED_ON:
        node = made_by.get(node.input[0])
    if node is not None and node.op_type == "Softmax":
        return node.input[0]
    if node is not None and node.op_type == "Sigmoid":
        raise ExportError(
            f"output {wanted!r} comes out of a Sigmoid: probabilities, and no logits of classes that "
            "exclude each other. Export the model without its last activation"
        )
    return wanted
