"""Every rule of the gradient, against central differences of the same graph in float64."""

from dataclasses import dataclass, field, replace

import numpy as np
import onnx
import pytest
from dimaging_export.errors import ExportError
from dimaging_export.gradient.reverse import pull_back
from dimaging_export.gradient.table import RULES
from dimaging_export.gradient.tape import Tape
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

RNG = np.random.default_rng(0)


@dataclass
class Row:
    name: str
    nodes: list  # (op, inputs, attributes); the last one's output is "y"
    shape: tuple = (3, 4)
    constants: dict = field(default_factory=dict)
    low: float = -2.0  # of the image's values
    high: float = 2.0
    step: float = 1e-4  # of the differences


def one(op, shape=(3, 4), constants=None, low=-2.0, high=2.0, name="", **attributes):
    """A row of one operator: its first input is the image, the others are constants."""
    constants = constants or {}
    return Row(name or op, [(op, ["image", *constants], attributes)], shape, constants, low, high)


def weights(*shape):
    return RNG.uniform(-1, 1, shape).astype(np.float32)


def whole(*values):
    return np.array(values, np.int64)


def conv(name, size, kernel, channels=(2, 3), batch=1, group=1, **attributes):
    inputs, outputs = channels
    w = weights(outputs, inputs // group, *kernel)
    return one("Conv", (batch, inputs, *size), {"w": w}, name=name, group=group, **attributes)


def pool(op, name, size, kernel, batch=1, **attributes):
    return one(op, (batch, 2, *size), name=name, kernel_shape=kernel, **attributes)


def deconv(name, size, kernel, group=1, **attributes):
    w = weights(4, 2 // group, *kernel)
    return one("ConvTranspose", (2, 4, *size), {"w": w}, name=name, group=group, **attributes)


STATISTICS = {"s": weights(2), "b": weights(2), "m": weights(2), "v": weights(2) ** 2 + 0.1}
ROWS = [
    *(one(op) for op in "Identity Relu Sigmoid Tanh Softplus Softsign Exp Neg Abs".split()),
    *(one(op) for op in "Elu Selu LeakyRelu HardSigmoid Softmax LogSoftmax".split()),
    replace(one("Erf"), step=5e-3),  # onnx rounds its values to float32
    one("HardSwish", low=-4, high=4),
    one("Elu", alpha=0.5, name="Elu-alpha"),
    one("LeakyRelu", alpha=0.3, name="LeakyRelu-alpha"),
    one("HardSigmoid", alpha=0.4, beta=0.3, name="HardSigmoid-alpha"),
    one("Softmax", axis=1, shape=(2, 3, 4), name="Softmax-axis"),
    one("LogSoftmax", axis=1, shape=(2, 3, 4), name="LogSoftmax-axis"),
    *(one(op, low=0.5) for op in "Log Sqrt Reciprocal".split()),
    one("Pow", constants={"p": np.float32(2.5)}, low=0.5),
    one("Cast", to=TensorProto.FLOAT),
    one("PRelu", (2, 3, 4), {"w": weights(3, 1)}),
    one("Clip", constants={"a": np.float32(-1), "b": np.float32(1)}, name="Clip-both"),
    Row("Clip-low", [("Neg", ["image"], {}), ("Clip", ["a0", "a"], {})], constants={"a": np.float32(0)}),
    Row(
        "Clip-relu6", [("Neg", ["image"], {}), ("Clip", ["a0", "a", "b"], {})],
        constants={"a": np.float32(0), "b": np.float32(1)},
    ),
    Row("Clip-high", [("Clip", ["image", "", "b"], {})], constants={"b": np.float32(1)}),
    *(one(op, constants={"w": weights(1, 4)}) for op in "Add Sub Mul Div Max Min".split()),
    *(one(op, constants={"w": weights(4)}, name=f"{op}-vector") for op in ("Add", "Mul")),
    *(Row(f"{op}-swapped", [(op, ["w", "image"], {})], constants={"w": weights(2, 1, 4)})
      for op in ("Add", "Sub", "Mul")),
    Row("Div-by-image", [(("Div"), ["w", "image"], {})], constants={"w": weights(4)}, low=0.5),
    *(Row(f"{op}-moving", [("Exp", ["image"], {}), (op, ["image", "a0"], {})])
      for op in "Add Sub Mul Div Max Min Sum".split()),
    Row("Mul-spread", [("ReduceMean", ["image", "k"], {}), ("Mul", ["image", "a0"], {})],
        (2, 3, 4), {"k": whole(1)}),
    Row("Where", [("Greater", ["image", "w"], {}), ("Exp", ["image"], {}),
                  ("Where", ["a0", "a1", "image"], {})], constants={"w": weights(1, 4)}),
    one("MatMul", constants={"w": weights(4, 5)}),
    one("MatMul", (2, 3, 4), {"w": weights(4, 5)}, name="MatMul-batch"),
    Row("MatMul-moving", [("Transpose", ["image"], {"perm": [0, 2, 1]}), ("MatMul", ["image", "a0"], {})],
        (2, 3, 4)),
    one("Gemm", constants={"w": weights(4, 5), "b": weights(5)}, alpha=0.5, beta=0.3),
    one("Gemm", constants={"w": weights(5, 4)}, transB=1, name="Gemm-transB"),
    Row("Gemm-moving", [("Gemm", ["w", "v", "image"], {"beta": 0.3})],
        constants={"w": weights(3, 5), "v": weights(5, 4)}),
    one("BatchNormalization", (3, 2, 4, 5), STATISTICS, epsilon=0.01),
    one("LayerNormalization", (2, 3, 4), {"s": weights(4), "b": weights(4)}),
    one("Flatten", (2, 3, 4)),
    one("Reshape", (2, 3, 4), {"k": whole(-1, 12)}),
    one("Squeeze", (2, 1, 4), {"k": whole(1)}),
    one("Unsqueeze", (2, 4), {"k": whole(1)}),
    one("Transpose", (2, 3, 4), perm=[0, 2, 1]),
    one("Transpose", (2, 3, 4), name="Transpose-default"),
    one("Expand", (2, 1, 4), {"k": whole(1, 3, 1)}),
    Row("Concat", [("Exp", ["image"], {}), ("Concat", ["image", "w", "a0"], {"axis": 1})],
        (2, 3), {"w": weights(2, 2)}),
    Row("Split", [("Split", ["image", "k"], {"axis": 1, "outputs": 3}), ("Exp", ["a0.2"], {}),
                  ("Mul", ["a0.0", "a1"], {})], (2, 6), {"k": whole(2, 2, 2)}),
    one("Slice", (2, 5, 6), {"s": whole(1, -4), "e": whole(4, 9), "k": whole(1, 2)}),
    one("Pad", (2, 3, 4), {"k": whole(0, 1, 0, 0, 2, 3)}),
    one("Pad", (2, 3, 4), {"k": whole(1, 2), "v": np.float32(7), "a": whole(2)}, name="Pad-axes"),
    one("DepthToSpace", (2, 8, 2, 3), blocksize=2),
    one("SpaceToDepth", (2, 2, 4, 6), blocksize=2),
    *(one(op, (2, 3, 4), {"k": whole(1)}, keepdims=keep, name=f"{op}-{keep}")
      for op in "ReduceSum ReduceMean ReduceMax ReduceMin".split() for keep in (0, 1)),
    *(one(op, (2, 3, 4, 5)) for op in ("GlobalAveragePool", "GlobalMaxPool")),
    conv("conv-plain", (5, 6), (3, 3)),
    *(conv(f"conv-{mode}-{size}-s{stride}-b{batch}", (size, size), (kernel, kernel), batch=batch,
           auto_pad=mode, strides=[stride, stride])
      for mode in ("SAME_UPPER", "SAME_LOWER") for size in (6, 7) for stride in (1, 2)
      for kernel, batch in ((3, 1), (4, 3))),
    conv("conv-asymmetric-even", (6, 6), (3, 3), pads=[0, 1, 1, 0], strides=[2, 2]),
    conv("conv-asymmetric-odd", (7, 5), (4, 3), pads=[1, 0, 2, 2], strides=[2, 1], batch=3),
    conv("conv-far-apart", (7, 8), (2, 1), strides=[3, 2], batch=3),
    conv("conv-wide-border", (4, 4), (1, 1), pads=[2, 1, 1, 2]),
    conv("conv-dilated", (8, 9), (3, 2), dilations=[2, 3], pads=[2, 1, 1, 2], batch=3),
    conv("conv-dilated-strided", (8, 9), (3, 3), dilations=[2, 2], strides=[2, 2], pads=[1, 2, 2, 1]),
    conv("conv-groups", (6, 5), (3, 3), channels=(4, 6), group=2, pads=[1, 1, 1, 1], batch=3),
    conv("conv-groups-strided", (6, 5), (3, 3), channels=(4, 6), group=2, strides=[2, 2], pads=[0, 1, 1, 1]),
    conv("conv-depthwise", (6, 7), (3, 3), channels=(4, 4), group=4, strides=[2, 2], pads=[0, 0, 1, 1], batch=3),
    conv("conv-1d", (9,), (4,), strides=[2], pads=[1, 2], batch=3),
    conv("conv-3d", (4, 5, 4), (2, 3, 2), strides=[1, 2, 1], pads=[0, 1, 1, 1, 1, 0]),
    deconv("deconv-plain", (3, 4), (3, 3)),
    deconv("deconv-strided", (3, 4), (4, 4), strides=[2, 2], pads=[1, 1, 1, 1]),
    deconv("deconv-odd", (3, 4), (3, 2), strides=[2, 3], pads=[1, 0, 2, 1], output_padding=[1, 2]),
    pool("MaxPool", "maxpool-2", (6, 4), [2, 2], strides=[2, 2], batch=3),
    pool("MaxPool", "maxpool-overlap", (7, 6), [3, 3], strides=[2, 2], pads=[0, 1, 1, 1]),
    pool("AveragePool", "averagepool-2", (6, 4), [2, 2], strides=[2, 2], batch=3),
    pool("AveragePool", "averagepool-border", (7, 6), [3, 3], strides=[2, 2], pads=[0, 1, 1, 1]),
    pool("AveragePool", "averagepool-counted", (7, 6), [3, 2], strides=[2, 1], pads=[1, 1, 1, 0],
         count_include_pad=1),
    pool("AveragePool", "averagepool-same", (7, 6), [2, 2], strides=[2, 2], auto_pad="SAME_UPPER"),
]  # fmt: skip


def model_of(row: Row) -> onnx.ModelProto:
    nodes = []
    for i, (op, inputs, given) in enumerate(row.nodes):
        attributes = dict(given)
        count = attributes.pop("outputs", 1)
        last = i == len(row.nodes) - 1
        outputs = (
            ["y"] if last else [f"a{i}"] if count == 1 else [f"a{i}.{k}" for k in range(count)]
        )
        nodes.append(helper.make_node(op, inputs, outputs, name=f"n{i}", **attributes))
    graph = helper.make_graph(
        nodes, row.name,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", *row.shape[1:]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in row.constants.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def in_float64(model: onnx.ModelProto) -> ReferenceEvaluator:
    """The same graph with float64 constants, for onnx's own evaluator in numpy."""
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    for tensor in wide.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            array = numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    for node in wide.graph.node:
        for attribute in node.attribute:
            if attribute.name == "to":
                attribute.i = TensorProto.DOUBLE
    for tensor in (*wide.graph.input, *wide.graph.output):
        tensor.type.tensor_type.elem_type = TensorProto.DOUBLE
    return ReferenceEvaluator(wide)


def differences(model, image, seed, step):
    """Central differences of sum(seed * y) by each element of the image."""
    evaluate = in_float64(model)
    found = np.zeros(image.size)
    for i in range(image.size):
        ends = []
        for sign in (1, -1):
            moved = image.astype(np.float64).reshape(-1)
            moved[i] += sign * step
            (y,) = evaluate.run(None, {"image": moved.reshape(image.shape)})
            ends.append(float((np.asarray(y) * seed).sum()))
        found[i] = (ends[0] - ends[1]) / (2 * step)
    return found.reshape(image.shape)


def gradient_of(model: onnx.ModelProto) -> onnx.ModelProto:
    """image, seed -> the gradient of sum(seed * y)."""
    tape = Tape(model, "image")
    name = pull_back(tape, {"y": "seed"})
    graph = onnx.GraphProto()
    graph.CopyFrom(model.graph)
    for node in graph.node:
        if second := tape.extra_outputs.get(node.output[0]):
            node.output.append(second)
    graph.node.extend(tape.appended)
    graph.initializer.extend(tape.initializers)
    graph.input.append(helper.make_tensor_value_info("seed", TensorProto.FLOAT, None))
    graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    del graph.output[0]
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=8)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_rule_equals_central_differences_in_float64(row, run):
    model = model_of(row)
    image = np.random.default_rng(1).uniform(row.low, row.high, row.shape).astype(np.float32)
    (y,) = run(model, image=image).values()
    seed = np.random.default_rng(2).standard_normal(y.shape).astype(np.float32)
    (found,) = run(gradient_of(model), image=image, seed=seed).values()
    expected = differences(model, image, seed, row.step)
    assert found.shape == image.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


BEYOND = np.float32(np.inf)
MASKS = {
    # high, whether TensorFlow's gradient passes at the bound itself
    "relu6": (6.0, False),
    "one": (1.0, True),
    "odd": (0.3, True),
    "large": (1000.0, True),
}


@pytest.mark.parametrize("name", MASKS)
def test_a_ceiling_cuts_exactly_at_its_bound(name, run):
    high, passes = np.float32(MASKS[name][0]), MASKS[name][1]
    below, above = np.nextafter(high, -BEYOND), np.nextafter(high, BEYOND)
    x = np.array([[-1, 0, 1e-20, high / 2, below, high, above, 2 * high, 1e30]], np.float32)
    nodes = [("Neg", ["image"], {}), ("Clip", ["a0", "a", "b"], {})]
    row = Row(name, nodes, (1, 9), {"a": np.float32(0), "b": np.float32(high)})
    (found,) = run(gradient_of(model_of(row)), image=-x, seed=np.ones((1, 9), np.float32)).values()
    np.testing.assert_array_equal(-found, [[0, 0, 1, 1, 1, passes, 0, 0, 0]])


def test_grouped_transposed_convolution(run):
    """By the definition of a transpose, <A x, y> = <x, A^T y>: onnx's own evaluator knows no groups here."""
    model = model_of(
        deconv("deconv-groups", (3, 4), (4, 3), group=2, strides=[2, 2], pads=[1, 0, 1, 1])
    )
    image = RNG.standard_normal((2, 4, 3, 4)).astype(np.float32)
    (y,) = run(model, image=image).values()
    seed = RNG.standard_normal(y.shape).astype(np.float32)
    (found,) = run(gradient_of(model), image=image, seed=seed).values()
    np.testing.assert_allclose((found * image).sum(), (y * seed).sum(), rtol=1e-4)


STRAIGHT_THROUGH = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger"}


def test_every_rule_has_a_row():
    covered = {op for row in ROWS for op, _, _ in row.nodes}
    assert set(RULES) - {"Dropout"} - STRAIGHT_THROUGH <= covered


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (one("Sin"), "op 'Sin' (node 'n0') has no rule for its gradient; known: Abs, Add"),
        (one("Floor"), "op 'Floor' (node 'n0') has the derivative 0 everywhere"),
        (one("Cast", to=TensorProto.INT64), "turns numbers into integers"),
        (one("Pad", (2, 3, 4), {"k": whole(0, 1, 0, 0, 1, 0)}, mode="edge"), "repeats the border"),
        (one("Slice", (2, 6), {"s": whole(0), "e": whole(6), "k": whole(1), "t": whole(2)}), "steps of [2]"),
        (one("DepthToSpace", (2, 8, 2, 3), blocksize=2, mode="CRD"), "mode CRD"),
        (pool("AveragePool", "up", (5, 5), [2, 2], strides=[2, 2], ceil_mode=1), "rounds its size up"),
        (Row("Max", [("Max", ["image", "w", "v"], {})], constants={"w": weights(3, 4), "v": weights(3, 4)}),
         "takes 3 tensors"),
        (Row("Conv", [("Conv", ["w", "image"], {})], (2, 3, 3, 3), {"w": weights(1, 3, 5, 5)}),
         "a kernel that follows from the image"),
        (Row("constant", [("Shape", ["image"], {}), ("Cast", ["a0"], {"to": 1})]),
         "y does not follow from the input 'image'"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)  # fmt: skip
def test_what_has_no_gradient_is_named(row, words):
    with pytest.raises(ExportError) as error:
        gradient_of(model_of(row))
    assert words in str(error.value)
