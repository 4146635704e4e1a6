"""A ConvTranspose with a stride as a Conv and a sub-pixel shuffle: the same numbers, and int8 can run it.

onnxruntime has no int8 ConvTranspose (onnxruntime#8988): it stays in fp32 and unpacks its weights
on every call. An output row o = q * s + r of stride s reads only the kernel rows t = (r + b) mod s,
for b rows cut at the beginning. So all s phases r of both axes are output channels of one
convolution with about k / s taps, and a shuffle interleaves them:

    Conv [N, s*s*C, H, W] -> NHWC -> [N, H, W, s, s, C] -> [N, H, s, W, s, C] -> [N, H*s, W*s, C]

and back to NCHW. In this order, and not as DepthToSpace, onnxruntime cancels the outer transposes
against those of its int8 kernels. The zero taps cost work, so fp32 keeps ConvTranspose.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from dimaging_export.emit.builder import Builder
from dimaging_export.graph.weights import to_array

_END = np.iinfo(np.int64).max
"""An index beyond the end of every axis."""
_LAST = [0, 2, 3, 1]
"""Order of the axes that puts the channels last."""


@dataclass(frozen=True)
class Phases:
    """One axis of a transposed convolution as a plain one whose outputs are `stride` phases."""

    rows: np.ndarray
    """Row of the transposed kernel that each tap is, -1 for a zero; [stride, taps]."""
    pad_begin: int
    pad_end: int
    extra: int
    """Number of rows at the end that the shuffle makes too many."""


def phases(kernel: int, stride: int, begin: int, end: int, output_padding: int) -> Phases | None:
    """Derive the taps of one axis; None where the convolution would need negative pads.

    begin, end: rows that the transposed convolution cuts off.
    """
    reads = {}  # (phase, offset of the input row from q) -> row of the kernel
    for phase in range(stride):
        shift, row = divmod(phase + begin, stride)
        while row < kernel:
            reads[phase, shift] = row
            shift, row = shift - 1, row + stride
    if not reads:
        return None
    low = min(offset for _, offset in reads)
    high = max(offset for _, offset in reads)
    table = np.full((stride, high - low + 1), -1)
    for (phase, offset), row in reads.items():
        table[phase, offset - low] = row
    # length of the output = (H - 1) * stride + full; the shuffle gives (H - 1 + more) * stride
    full = kernel - begin - end + output_padding
    more = -(-full // stride)
    pad_begin, pad_end = -low, more - 1 + high
    if pad_begin < 0 or pad_end < 0:
        return None
    return Phases(table, pad_begin, pad_end, more * stride - full)


def rewrite(model: onnx.ModelProto, keep: frozenset[str] = frozenset()) -> int:
    """Rewrite every strided ConvTranspose but those named in `keep`, in place; returns how many.

    It leaves alone groups, dilation, auto_pad, a kernel that is no constant, and a stride of 1.
    """
    graph = model.graph
    constants = {tensor.name: to_array(tensor) for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    builder = Builder()
    for node in graph.node:
        builder.nodes, builder.scope = [], [node.name]
        if node.op_type == "ConvTranspose" and node.name not in keep:
            _write(builder, node, constants)
        nodes += builder.nodes or [node]
    done = sum(n.op_type == "ConvTranspose" for n in graph.node)
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(builder.initializers)
    return done - sum(n.op_type == "ConvTranspose" for n in graph.node)


def _write(b: Builder, node: onnx.NodeProto, constants: dict) -> None:
    """Write the replacement of `node`, or nothing."""
    kernel = constants.get(node.input[1])
    a = {x.name: helper.get_attribute_value(x) for x in node.attribute}
    (sy, sx), pads = a.get("strides", [1, 1]), a.get("pads", [0, 0, 0, 0])
    plain = a.get("group", 1) == 1 and set(a.get("dilations", [1])) == {1}
    if kernel is None or kernel.ndim != 4 or (sy, sx) == (1, 1) or not plain or "auto_pad" in a:
        return
    missing = a.get("output_padding", [0, 0])
    rows = phases(kernel.shape[2], sy, pads[0], pads[2], missing[0])
    columns = phases(kernel.shape[3], sx, pads[1], pads[3], missing[1])
    if rows is None or columns is None:
        return
    channels = kernel.shape[1]
    weights = [b.constant(_convolution_kernel(kernel, rows, columns), "kernel")]
    if len(node.input) > 2:
        weights.append(b.constant(np.tile(constants[node.input[2]], sy * sx), "bias"))
    border = [rows.pad_begin, columns.pad_begin, rows.pad_end, columns.pad_end]
    x = b.node("Transpose", b.node("Conv", node.input[0], *weights, pads=border), perm=_LAST)
    # No size is computed: what QDQ pairs enclose must not be read by a Shape, which would have all
    # of it turned back into float32. So every Reshape has one free dimension and copies the others.
    x = b.node("Reshape", x, b.constant([0, 0, 0, sy, sx * channels], "phases"))
    x = b.node("Transpose", x, perm=[0, 1, 3, 2, 4])  # [N, H, sy, W, sx*C]
    x = b.node("Reshape", x, b.constant([0, 1, -1, 0, sx * channels], "rows"))
    x = b.node("Squeeze", x, b.constant([1], "one"))  # [N, H*sy, W, sx*C]
    x = b.node("Reshape", x, b.constant([0, 0, -1, channels], "columns"))
    if rows.extra or columns.extra:
        ends = b.constant([-rows.extra or _END, -columns.extra or _END], "ends")
        x = b.node("Slice", x, b.constant([0, 0], "starts"), ends, b.constant([1, 2], "axes"))
    b.node("Transpose", x, perm=[0, 3, 1, 2])
    b.nodes[-1].output[0] = node.output[0]


def _convolution_kernel(kernel: np.ndarray, rows: Phases, columns: Phases) -> np.ndarray:
    """Turn the kernel [in, out, kh, kw] of the ConvTranspose into [sy * sx * out, in, taps, taps]."""
    padded = np.pad(kernel, ((0, 0), (0, 0), (0, 1), (0, 1)))  # index -1 now reads a zero
    picked = padded[:, :, rows.rows][..., columns.rows]  # [in, out, sy, ty, sx, tx]
    taps = (rows.rows.shape[1], columns.rows.shape[1])
    return picked.transpose(2, 4, 1, 0, 3, 5).reshape(-1, kernel.shape[0], *taps)
