"""ConvTranspose with a stride -> Conv + sub-pixel shuffle: the same numbers, and int8 can run it.

onnxruntime has no int8 ConvTranspose (onnxruntime#8988): it stays in fp32 and unpacks its weights on
every call. One output row o = q * s + r of stride s reads only the kernel rows t with
t = (r + b) mod s, for b rows cut at the beginning. So all s * s phases r are outputs of one
convolution with ceil(k / s) or so taps, and a shuffle interleaves them:

    Conv -> [N, s*s*C, H, W] -> NHWC -> [N, H, W, s, s, C] -> [N, H, s, W, s, C] -> [N, H*s, W*s, C] -> NCHW

Written in this order, and not as DepthToSpace, onnxruntime cancels the outer transposes against those
of its int8 kernels. The zero taps cost multiplications, so fp32 keeps ConvTranspose.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference

_END = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Phases:
    """One axis of a transposed convolution as a convolution of `taps` taps with `stride` phases."""

    kernel: np.ndarray  # [stride, taps]: which row of the transposed kernel, -1 for a zero
    pad_begin: int
    pad_end: int
    extra: int
    """Rows at the end that the shuffle makes too many."""

    def length(self, size: int) -> int:
        """Length of the convolution's output for an input of this size."""
        return size + self.pad_begin + self.pad_end - self.kernel.shape[1] + 1


def phases(kernel: int, stride: int, begin: int, end: int, output_padding: int) -> Phases | None:
    """Derive the taps; None where so much is cut that the convolution would need negative pads."""
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

    Left alone: groups, dilation, auto_pad, a kernel that is no constant, a stride of 1.
    """
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    sizes = _sizes(model)
    nodes, done = [], 0
    for node in graph.node:
        made = None
        if node.op_type == "ConvTranspose" and node.name not in keep and node.input[1] in constants:
            made = _rewritten(node, _Writer(node, graph, sizes.get(node.input[0])), constants)
        done += made is not None
        nodes.extend([node] if made is None else made)
    graph.ClearField("node")
    graph.node.extend(nodes)
    return done


def _rewritten(node, writer: "_Writer", constants) -> list[onnx.NodeProto] | None:
    kernel = numpy_helper.to_array(constants[node.input[1]])
    a = {x.name: helper.get_attribute_value(x) for x in node.attribute}
    strides, pads = list(a.get("strides", [1, 1])), list(a.get("pads", [0, 0, 0, 0]))
    plain = a.get("group", 1) == 1 and set(a.get("dilations", [1])) == {1} and "auto_pad" not in a
    if kernel.ndim != 4 or strides == [1, 1] or not plain or "output_shape" in a:
        return None
    missing = a.get("output_padding", [0, 0])
    axes = [
        phases(kernel.shape[2 + i], strides[i], pads[i], pads[2 + i], missing[i]) for i in (0, 1)
    ]
    if axes[0] is None or axes[1] is None:
        return None
    rows, columns = axes
    bias = None
    if len(node.input) > 2:
        bias = np.tile(numpy_helper.to_array(constants[node.input[2]]), strides[0] * strides[1])
    return writer.write(_convolution_kernel(kernel, rows, columns), bias, rows, columns, strides)


def _convolution_kernel(kernel: np.ndarray, rows: Phases, columns: Phases) -> np.ndarray:
    """[in, out, kh, kw] of the ConvTranspose -> [sy * sx * out, in, taps, taps] of the Conv."""
    padded = np.pad(kernel, ((0, 0), (0, 0), (0, 1), (0, 1)))  # index -1 now reads a zero
    picked = padded[:, :, rows.kernel][..., columns.kernel]  # [in, out, sy, ty, sx, tx]
    phases_first = picked.transpose(2, 4, 1, 0, 3, 5)
    return np.ascontiguousarray(phases_first.reshape(-1, kernel.shape[0], *phases_first.shape[4:]))


class _Writer:
    """Emits the nodes in place of one ConvTranspose, whose name they carry; size: of its input."""

    def __init__(self, node: onnx.NodeProto, graph: onnx.GraphProto, size: list[int] | None):
        self.node, self.graph, self.input_size, self.nodes = node, graph, size, []

    def write(self, kernel, bias, rows: Phases, columns: Phases, strides) -> list[onnx.NodeProto]:
        sy, sx = strides
        channels = kernel.shape[0] // (sy * sx)
        inputs = [self.node.input[0], self.constant("kernel", kernel)]
        if bias is not None:
            inputs.append(self.constant("bias", bias))
        pads = [rows.pad_begin, columns.pad_begin, rows.pad_end, columns.pad_end]
        x = self.emit("Conv", *inputs, kernel_shape=kernel.shape[2:], pads=pads)
        x = nhwc = self.emit("Transpose", x, perm=[0, 2, 3, 1])
        x = self.emit("Reshape", x, self.constant("phases", np.array([0, 0, 0, sy, sx, channels])))
        x = self.emit("Transpose", x, perm=[0, 1, 3, 2, 4, 5])
        lengths = (
            (rows.length(size[0]), columns.length(size[1])) if (size := self.input_size) else None
        )
        x = self.emit("Reshape", x, self.shape(nhwc, lengths, channels, sy, sx))
        if rows.extra or columns.extra:
            ends = np.array([-rows.extra or _END, -columns.extra or _END])
            limits = [self.constant("starts", np.array([0, 0])), self.constant("ends", ends)]
            x = self.emit("Slice", x, *limits, self.constant("axes", np.array([1, 2])))
        self.emit("Transpose", x, perm=[0, 3, 1, 2])
        self.nodes[-1].output[0] = self.node.output[0]
        return self.nodes

    def shape(self, nhwc: str, lengths, channels: int, sy: int, sx: int) -> str:
        """[N, H * sy, W * sx, C]: a constant, or read from the convolution's output."""
        if lengths:
            return self.constant("shape", np.array([0, lengths[0] * sy, lengths[1] * sx, channels]))
        shape = self.emit("Shape", nhwc)
        larger = self.emit("Mul", shape, self.constant("scale", np.array([1, sy, sx, 0])))
        return self.emit("Add", larger, self.constant("channels", np.array([0, 0, 0, channels])))

    def constant(self, hint: str, array: np.ndarray) -> str:
        name = f"{self.node.name}/{hint}"
        self.graph.initializer.append(numpy_helper.from_array(array, name))
        return name

    def emit(self, op: str, *inputs: str, **attributes) -> str:
        name = f"{self.node.name}/{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name


def _sizes(model: onnx.ModelProto) -> dict[str, list[int]]:
    """Tensor -> its last two dimensions, where shape inference knows them."""
    known = shape_inference.infer_shapes(model).graph
    found = {}
    for tensor in (*known.value_info, *known.input):
        size = [d.dim_value for d in tensor.type.tensor_type.shape.dim[-2:]]
        if len(size) == 2 and all(size):
            found[tensor.name] = size
    return found
