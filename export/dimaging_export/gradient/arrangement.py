"""Rules of operators that move, repeat, cut or join elements, and of sums and extremes over axes."""

import math

import numpy as np
from onnx import TensorProto

from dimaging_export.gradient.elementwise import unbroadcast
from dimaging_export.gradient.table import Gradients, Node, refuse, rule
from dimaging_export.gradient.tape import Tape

TO_THE_END = 2**31 - 1
"""End of a Slice that reaches to the end of its axis."""


@rule("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def reshape(t: Tape, node: Node, dy: str) -> Gradients:
    """Give dy the shape of the input."""
    shape = t.shape(node.inputs[0])
    if shape.count(None) > 1:
        raise refuse(node, f"has an input with more than one free size: {shape}")
    return [t.op("Reshape", dy, t.integers(*(-1 if size is None else size for size in shape)))]


@rule("Transpose")
def transpose(t: Tape, node: Node, dy: str) -> Gradients:
    """Put the axes of dy back into the order of the input."""
    rank = len(t.shape(node.inputs[0]))
    order = node.attribute("perm", list(range(rank))[::-1])
    return [t.op("Transpose", dy, perm=np.argsort(order).tolist())]


@rule("Expand")
def expand(t: Tape, node: Node, dy: str) -> Gradients:
    """Sum dy over the axes along which the input was repeated."""
    return [unbroadcast(t, dy, node, 0)]


@rule("Concat")
def concat(t: Tape, node: Node, dy: str) -> Gradients:
    """Hand each input its own part of dy."""
    axis = node.attribute("axis")
    sizes = [t.shape(name)[axis] for name in node.inputs]
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes):
        raise refuse(node, "joins tensors along the batch")
    return t.ops("Split", len(sizes), dy, t.integers(*known), axis=axis)


@rule("Split")
def split(t: Tape, node: Node, *dys: str | None) -> Gradients:
    """Join the gradients of the parts, with zeros for a part that nobody reads."""
    parts = [
        dy or t.op("ConstantOfShape", t.op("Shape", name))
        for dy, name in zip(dys, node.outputs, strict=True)
    ]
    return [t.op("Concat", *parts, axis=node.attribute("axis", 0))]


@rule("Slice")
def slice_(t: Tape, node: Node, dy: str) -> Gradients:
    """Put zeros around dy where the input was cut off."""
    shape = t.shape(node.inputs[0])
    given = [t.value(name) if name else None for name in node.inputs[1:]]
    starts, ends = given[0], given[1]
    if starts is None or ends is None:
        raise refuse(node, "has ends that are computed")
    axes = range(len(starts)) if len(given) < 3 or given[2] is None else given[2].tolist()
    if len(given) > 3 and given[3] is not None and np.any(given[3] != 1):
        raise refuse(node, f"takes steps of {given[3].tolist()}; the rule knows 1")
    before, after = [0] * len(shape), [0] * len(shape)
    for axis, start, end in zip(axes, starts.tolist(), ends.tolist(), strict=True):
        size = shape[axis]
        if size is None:
            raise refuse(node, "cuts along the batch")
        first, last, _ = slice(start, end).indices(size)
        before[axis], after[axis] = first, size - max(first, last)
    return [t.op("Pad", dy, t.integers(*before, *after))]


@rule("Pad")
def pad(t: Tape, node: Node, dy: str) -> Gradients:
    """Cut off dy where a border was added."""
    if node.attribute("mode", "constant") != "constant":
        raise refuse(
            node, f"repeats the border (mode {node.attribute('mode')!r}); the rule knows 'constant'"
        )
    pads = t.value(node.inputs[1])
    axes = t.value(node.input(3)) if node.input(3) else np.arange(len(t.shape(node.inputs[0])))
    if pads is None or axes is None:
        raise refuse(node, "has a border that is computed")
    before, after = pads[: len(axes)].tolist(), pads[len(axes) :].tolist()
    if min(*before, *after) < 0:
        raise refuse(node, f"cuts with a negative border: {pads.tolist()}")
    ends = [-size or TO_THE_END for size in after]
    return [t.op("Slice", dy, t.integers(*before), t.integers(*ends), t.integers(*axes.tolist()))]


@rule("DepthToSpace")
def depth_to_space(t: Tape, node: Node, dy: str) -> Gradients:
    """Apply the inverse, which ONNX has for the mode DCR."""
    if node.attribute("mode", "DCR") != "DCR":
        raise refuse(node, "has the mode CRD; the rule knows DCR")
    return [t.op("SpaceToDepth", dy, blocksize=node.attribute("blocksize"))]


@rule("SpaceToDepth")
def space_to_depth(t: Tape, node: Node, dy: str) -> Gradients:
    """Apply the inverse."""
    return [t.op("DepthToSpace", dy, blocksize=node.attribute("blocksize"))]


@rule("ReduceSum", "ReduceMean", "GlobalAveragePool")
def reduce_sum(t: Tape, node: Node, dy: str) -> Gradients:
    """Hand dy to each element of the sum; an element of a mean gets its share."""
    axes, kept = _reduced(t, node, dy)
    if node.op != "ReduceSum":
        sizes = [t.shape(node.inputs[0])[axis] for axis in axes]
        if None in sizes:
            raise refuse(node, "takes a mean over the batch")
        kept = t.op("Mul", kept, t.constant(1 / math.prod(size or 1 for size in sizes)))
    return [t.op("Expand", kept, t.op("Shape", node.inputs[0]))]


@rule("ReduceMax", "ReduceMin", "GlobalMaxPool")
def reduce_max(t: Tape, node: Node, dy: str) -> Gradients:
    """Hand dy to the largest (smallest) element, in equal shares where several are, as TensorFlow does."""
    x = node.inputs[0]
    axes, kept = _reduced(t, node, dy)
    _, extreme = _reduced(t, node, node.outputs[0])
    chosen = t.op("Cast", t.op("Equal", x, extreme), to=TensorProto.FLOAT)
    count = t.op("ReduceSum", chosen, t.integers(*axes), keepdims=1)
    return [t.op("Mul", chosen, t.op("Div", kept, count))]


def _reduced(t: Tape, node: Node, name: str) -> tuple[list[int], str]:
    """Return the axes of a reduction, and the tensor `name`, shaped like its output, with these axes as 1."""
    rank = len(t.shape(node.inputs[0]))
    if node.op.startswith("Global"):
        return list(range(2, rank)), name
    given = t.value(node.input(1)) if node.input(1) else None
    if node.input(1) and given is None:
        raise refuse(node, "has axes that are computed")
    axes = range(rank) if given is None or not given.size else (int(a) % rank for a in given)
    axes = sorted(axes)
    if not node.attribute("keepdims", 1):
        name = t.op("Unsqueeze", name, t.integers(*axes))
    return axes, name
