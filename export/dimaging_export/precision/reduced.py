"""Reduced precisions: fp16 and int8 versions of a float32 graph, its inputs and outputs unchanged.

fp16         half the bytes; onnxruntime computes it in float32 on a CPU, so it is for GPUs and downloads.
int8, convs  static QDQ: u8 activations x s8 weights per channel, ranges by min-max over real
             inputs. Weights use 7 of their 8 bits, for AVX2 without VNNI saturates the sums of
             full-range products. What makes an output (the last convolution and its activation)
             stays float32: it costs little time and gives back most of the lost signal. So does a
             first convolution over up to 4 channels: int8 kernels are slower on so few.
             Transposed convolutions become sub-pixel convolutions, which have int8 kernels.
int8, dense  a scale for each row of activations, taken when it runs (row_scales.py): a graph of matrix
             products alone loses less so, and no answer depends on its neighbours in the batch.
int8, LSTM   the weights of LSTM, GRU and RNN are bytes in the file and float32 when it runs: the
             standard has no recurrent operator of whole numbers.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
from dimaging_edge.common.errors import near
from onnx import helper, shape_inference

from dimaging_export.errors import ExportError
from dimaging_export.graph.check import verify
from dimaging_export.graph.passes import clean, sort_nodes
from dimaging_export.graph.quiet import silence
from dimaging_export.graph.weights import emptied, load, outside, save
from dimaging_export.precision.concat_scales import clipped, share_scales
from dimaging_export.precision.row_scales import quantize_products
from dimaging_export.precision.subpixel import rewrite
from dimaging_export.precision.weight_storage import RECURRENT, recurrent_in_bytes

Feeds = Sequence[dict[str, np.ndarray]]
"""Real inputs of a graph, one dict of batch 1 for each image."""

CALIBRATION_IMAGES = 32
"""Number of images on which int8 is calibrated."""
FLOAT_TAILS = {"fp32": (1,), "integer": (1,), "fp16": (1,), "int8": (1, 2, 3)}
"""Precision -> how many of the last products stay float32; the next number is tried if quality is missed."""

_FEW_CHANNELS = 4
"""Input channels up to which a first convolution stays float32."""
_CONVOLUTIONS = {"Conv", "ConvTranspose"}
"""Ops that are convolutions."""
_PRODUCTS = _CONVOLUTIONS | {"Gemm", "MatMul"}
"""Ops that int8 makes smaller and faster."""


def change_precision(
    model: onnx.ModelProto,
    precision: str,
    feeds: Feeds,
    float_tail: int = 1,
    kept: frozenset[str] = frozenset(),
) -> onnx.ModelProto:
    """Return a new model of this precision; raises ExportError for one that is unknown or not possible.

    feeds: real inputs on which int8 is calibrated. float_tail: how many products before each output stay
    float32 in int8. kept: names of nodes that stay float32 in fp16 (`prove.half_range.beyond_half`).
    """
    if precision not in PRECISIONS:
        raise ExportError(f"unknown precision {precision!r}; {near(precision, list(PRECISIONS))}")
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    changed = PRECISIONS[precision](copy, feeds, float_tail, kept)
    changed.producer_name = model.producer_name
    clean(changed)
    verify(changed)
    return changed


def fp32(
    model: onnx.ModelProto, feeds: Feeds, float_tail: int, kept: frozenset[str]
) -> onnx.ModelProto:
    """Return the model as it is."""
    return model


def fp16(
    model: onnx.ModelProto, feeds: Feeds, float_tail: int, kept: frozenset[str]
) -> onnx.ModelProto:
    """Convert weights and arithmetic to float16 between float32 inputs and outputs, except the nodes kept."""
    from onnxruntime.transformers import float16

    # Thresholds of pixels are a quantiser, whose operator takes no float16 before opset 19.
    blocked = [*float16.DEFAULT_OP_BLOCK_LIST, "QuantizeLinear", "DequantizeLinear"]
    smaller = shape_inference.infer_shapes(model)
    with emptied(smaller, float16.convert_np_to_float16):
        float16.convert_float_to_float16(
            smaller, keep_io_types=True, disable_shape_infer=True, op_block_list=blocked,
            node_block_list=sorted(kept),
        )  # in place  # fmt: skip
    if kept:
        _join_float32(smaller.graph)
    sort_nodes(smaller)
    return smaller


def _join_float32(graph: onnx.GraphProto) -> None:
    """Let a float32 node read what another one gives, in place, without the float16 between them."""
    made_by = {name: node for node in graph.node for name in node.output}
    direct: dict[str, str] = {}
    for node in graph.node:
        before = made_by.get(node.input[0]) if node.op_type == "Cast" and _to(node) == 1 else None
        if before is not None and before.op_type == "Cast" and _to(before) == 10:
            direct[node.output[0]] = before.input[0]
    ends = {tensor.name for tensor in graph.output}
    for node in graph.node:
        if not ends.intersection(node.output):
            node.input[:] = [direct.get(name, name) for name in node.input]


def _to(cast: onnx.NodeProto) -> int:
    """Return the type to which a Cast goes."""
    return next(attribute.i for attribute in cast.attribute if attribute.name == "to")


def is_calibrated(model: onnx.ModelProto) -> bool:
    """Return whether int8 of this graph is calibrated on real inputs: one that has convolutions is."""
    return any(node.op_type in _CONVOLUTIONS for node in model.graph.node)


def int8(
    model: onnx.ModelProto, feeds: Feeds, float_tail: int, kept: frozenset[str]
) -> onnx.ModelProto:
    """Quantise a graph with convolutions statically (QDQ), and one of matrix products by rows."""
    ops = {node.op_type for node in model.graph.node}
    if not ops & (_PRODUCTS | set(RECURRENT)):
        raise ExportError(
            f"graph {model.graph.name!r} has no convolution or matrix product that int8 would make "
            "smaller or faster; export it with precision='fp32'"
        )
    if is_calibrated(model):
        model = _static(model, feeds, float_tail)
    elif ops & _PRODUCTS:
        model = _by_rows(model)
    recurrent_in_bytes(model.graph)
    return model


PRECISIONS: dict[str, Callable[[onnx.ModelProto, Feeds, int, frozenset[str]], onnx.ModelProto]] = {
    "fp32": fp32,
    "fp16": fp16,
    "int8": int8,
    "integer": fp32,  # the network is integer-valued already (integer.py)
}


def float_nodes(model: onnx.ModelProto, tail: int = 1) -> frozenset[str]:
    """Return the names of the nodes that stay float32 in an int8 graph: its last, and narrow first ones.

    tail: how many products (convolutions, matrix products) before each output. Where that would be every
    product of the graph, fewer nodes are returned, at last none: something must become int8.
    """
    products = {node.name for node in model.graph.node if node.op_type in _PRODUCTS}
    last, first = _last_nodes(model, tail), _first_nodes(model)
    for names in (last | first, last, _last_nodes(model, 1)):
        if not products <= names:
            return frozenset(names)
    return frozenset()


def _last_nodes(model: onnx.ModelProto, tail: int) -> set[str]:
    made_by = {name: node for node in model.graph.node for name in node.output}
    reached: dict[str, int] = {}  # node -> how many more products may be passed behind it
    queue = [(tensor.name, tail) for tensor in model.graph.output]
    while queue:
        tensor, left = queue.pop()
        node = made_by.get(tensor)
        if node is None or left <= reached.get(node.name, 0):
            continue
        reached[node.name] = left
        queue += [(name, left - (node.op_type in _PRODUCTS)) for name in node.input]
    return set(reached)


def _first_nodes(model: onnx.ModelProto) -> set[str]:
    """Return the convolutions over few channels that no other product precedes, and what precedes them."""
    channels = {
        tensor.name: tensor.dims[1] for tensor in model.graph.initializer if tensor.dims[1:]
    }
    before: dict[str, set[str] | None] = {}  # tensor -> nodes before it, None behind a product
    names: set[str] = set()
    for node in model.graph.node:
        sources = [before.get(name, set()) for name in node.input]
        known = [source for source in sources if source is not None]
        fresh = {node.name}.union(*known) if len(known) == len(sources) else None
        if node.op_type in _PRODUCTS:
            few = channels.get(node.input[1], _FEW_CHANNELS + 1) <= _FEW_CHANNELS
            if node.op_type == "Conv" and few and fresh:
                names |= fresh
            fresh = None
        before.update(dict.fromkeys(node.output, fresh))
    return names


def _static(model: onnx.ModelProto, feeds: Feeds, float_tail: int) -> onnx.ModelProto:
    from onnxruntime import quantization as q

    if not feeds:
        raise ExportError(
            "int8 needs real inputs to calibrate on and has none. Pass data=: an array, such as images "
            "[N, H, W, C], or a name such as 'mnist5k' (dimaging export --data mnist5k)"
        )

    class Reader(q.CalibrationDataReader):
        def __init__(self):
            self.feeds = iter(feeds)

        def get_next(self):
            return next(self.feeds, None)

    kept, large = float_nodes(model, float_tail), bool(outside(model))
    rewrite(model, keep=kept)
    clean(model)

    def quantize(source: str, target: str) -> None:
        q.quantize_static(
            source, target, Reader(), quant_format=q.QuantFormat.QDQ,
            activation_type=q.QuantType.QUInt8, weight_type=q.QuantType.QInt8,
            per_channel=True, reduce_range=True, nodes_to_exclude=sorted(kept),
            use_external_data_format=large,
        )  # fmt: skip

    changed = _through_files(model, quantize)
    share_scales(changed, keep=clipped(model))
    return changed


def _by_rows(model: onnx.ModelProto) -> onnx.ModelProto:
    """Give matrix products a scale a row, and tables of words bytes."""
    from onnxruntime import quantization as q

    large = bool(outside(model))
    _split_gemm(model)
    quantize_products(model)
    weights = {t.name for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT}
    if not any(n.op_type == "Gather" and n.input[0] in weights for n in model.graph.node):
        return model

    def quantize(source: str, target: str) -> None:
        q.quantize_dynamic(
            source, target, weight_type=q.QuantType.QInt8, op_types_to_quantize=["Gather"],
            use_external_data_format=large,
        )  # fmt: skip

    return _through_files(model, quantize)


def _split_gemm(model: onnx.ModelProto) -> None:
    """Replace each Gemm by MatMul and Add, in place, so that there is one kind of product."""
    nodes = []
    for node in model.graph.node:
        if node.op_type == "Gemm" and not node.attribute and len(node.input) == 3:
            x, weights, bias = node.input
            product = f"{node.name}/product"
            nodes.append(helper.make_node("MatMul", [x, weights], [product], name=product))
            nodes.append(helper.make_node("Add", [product, bias], node.output, name=node.name))
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _through_files(model: onnx.ModelProto, quantize: Callable[[str, str], None]) -> onnx.ModelProto:
    """Run a quantiser of onnxruntime by way of files: a model in memory it would empty."""
    # Says that the graph is swept and needs no preparation, which the quantiser warns about.
    helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
    with tempfile.TemporaryDirectory() as folder:
        source, target = (Path(folder, name) for name in ("float.onnx", "int8.onnx"))
        save(model, source)
        with silence():  # it reports vectors as weights whose second axis it does not find
            quantize(str(source), str(target))
        result = load(target)
    result.ClearField("metadata_props")
    return result
