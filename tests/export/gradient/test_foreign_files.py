"""Files of other makers: weights that nodes compute, heads behind a softmax, bytes, quantised forms."""

import numpy as np
import onnx
import pytest
from dimaging_edge.attacks.table import are_probabilities
from dimaging_export.errors import ExportError
from dimaging_export.gradient.build import gradient_model
from dimaging_export.gradient.file import gradient_file
from onnx import TensorProto, helper, numpy_helper

RNG = np.random.default_rng(0)
WEIGHTS = RNG.standard_normal((3, 4)).astype(np.float16).astype(np.float32)
node = helper.make_node


def file_of(
    nodes, constants, *, image=TensorProto.FLOAT, opset=18, outputs=(("logits", 2),), **given
):
    """image [batch, 3] -> nodes -> outputs (name, rank), with opsets of other domains in `domains`."""
    domains = [helper.make_opsetid("", opset)]
    domains += [helper.make_opsetid(name, 1) for name in given.pop("domains", ())]
    tensors = [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()]
    inputs = [helper.make_tensor_value_info("image", image, ["batch", 3])]
    if given.pop("weights_are_inputs", False):
        inputs = [
            helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in tensors
        ] + inputs
    graph = helper.make_graph(
        nodes, "file", inputs,
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", 4, 1, 1][:r]) for n, r in outputs],
        tensors,
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=domains, ir_version=given.pop("ir_version", 10))


PRODUCT = node("MatMul", ["image", "w"], ["logits"])
INNER = node("MatMul", ["image", "w"], ["z"])
HEAD = {"w": WEIGHTS}
STEP = {"s": np.float32(1 / 256), "o": np.uint8(0)}
LEVELS = RNG.integers(-100, 100, (3, 4)).astype(np.int8)
SCALES = np.array([[0.01, 0.02, 0.03, 0.04], [0.04, 0.03, 0.02, 0.01]], np.float32)

FILES = {
    "weights are inputs": (file_of([PRODUCT], HEAD, weights_are_inputs=True, opset=9, ir_version=3), WEIGHTS),
    "weights are inputs too": (file_of([PRODUCT], HEAD, weights_are_inputs=True, ir_version=8), WEIGHTS),
    "float16 behind a cast": (file_of(
        [node("Cast", ["h"], ["w"], to=TensorProto.FLOAT), PRODUCT], {"h": WEIGHTS.astype(np.float16)}), WEIGHTS),
    "direction times length": (file_of(
        [node("Mul", ["v", "g"], ["w"]), node("Gemm", ["image", "w"], ["logits"])],
        {"v": WEIGHTS / 2, "g": np.full((1, 4), 2, np.float32)}), WEIGHTS),
    "turned": (file_of(
        [node("Transpose", ["v"], ["w"]), node("Gemm", ["image", "w"], ["logits"])],
        {"v": np.ascontiguousarray(WEIGHTS.T)}), WEIGHTS),
    "bounds as plain numbers": (file_of(
        [node("Constant", [], ["a"], value_float=-50.0), node("Constant", [], ["b"], value_float=50.0), INNER,
         node("Clip", ["z", "a", "b"], ["logits"])], HEAD), WEIGHTS),
    "softmax reshaped": (file_of(
        [INNER, node("Softmax", ["z"], ["p"]), node("Reshape", ["p", "k"], ["logits"])],
        {**HEAD, "k": np.array([-1, 4])}), WEIGHTS),
    "softmax cast": (file_of(
        [node("Cast", ["image"], ["i"], to=TensorProto.FLOAT16), node("MatMul", ["i", "w"], ["z"]),
         node("Softmax", ["z"], ["p"]), node("Cast", ["p"], ["logits"], to=TensorProto.FLOAT)],
        {"w": WEIGHTS.astype(np.float16)}), WEIGHTS),
    "softmax in bytes": (file_of(
        [INNER, node("Softmax", ["z"], ["p"]), node("QuantizeLinear", ["p", "s", "o"], ["q"]),
         node("DequantizeLinear", ["q", "s", "o"], ["logits"])], {**HEAD, **STEP}), WEIGHTS),
    "softmax of a map": (file_of(
        [INNER, node("Reshape", ["z", "k"], ["m"]), node("Softmax", ["m"], ["p"], axis=1),
         node("Flatten", ["p"], ["logits"])], {**HEAD, "k": np.array([-1, 4, 1, 1])}), WEIGHTS),
    "logits of a map": (file_of(
        [INNER, node("Reshape", ["z", "k"], ["logits"])], {**HEAD, "k": np.array([-1, 4, 1, 1])},
        outputs=[("logits", 4)]), WEIGHTS),
    "weights in blocks": (file_of(
        [node("DequantizeLinear", ["q", "s"], ["w"], axis=0, block_size=2), PRODUCT],
        {"q": LEVELS, "s": SCALES}, opset=21), LEVELS * SCALES[[0, 0, 1]]),
    "bytes": (file_of(
        [node("DequantizeLinear", ["image", "s", "o"], ["x"], name="d"), node("MatMul", ["x", "w"], ["logits"])],
        {**HEAD, "s": np.float32(0.5), "o": np.uint8(128)}, image=TensorProto.UINT8), WEIGHTS / 2),
    "bytes turned first": (file_of(
        [node("Reshape", ["image", "k"], ["i"]), node("DequantizeLinear", ["i", "s"], ["x"], name="d"),
         node("MatMul", ["x", "w"], ["logits"])],
        {**HEAD, "s": np.float32(0.5), "k": np.array([-1, 3])}, image=TensorProto.UINT8), WEIGHTS / 2),
    "a second output": (file_of(
        [PRODUCT, node("Softmax", ["logits"], ["odds"])], HEAD, outputs=[("odds", 2), ("logits", 2)]), WEIGHTS),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_the_gradient_of_a_linear_file_is_its_closed_form(name, run, tmp_path):
    model, weights = FILES[name]
    image, label = RNG.integers(0, 9, (5, 3)).astype(np.float32), np.arange(5) % 4
    found = run(gradient_model(model), image=image, label=label)
    z = (image - (128 if name == "bytes" else 0)).astype(np.float64) @ weights
    others = np.where(np.arange(4) == label[:, None], -np.inf, z)
    powers = np.exp(others - others.max(1, keepdims=True))
    slope = powers / powers.sum(1, keepdims=True) - np.eye(4)[label]
    np.testing.assert_allclose(found["gradient"], slope @ weights.T, rtol=2e-3, atol=1e-4)
    onnx.save(model, tmp_path / "file.onnx")
    assert "of 4 classes out" in gradient_file(tmp_path / "file.onnx", tmp_path / "g.onnx")


def test_a_quantiser_without_a_zero_point_says_its_type_itself(run):
    """Its range is that of int8 and not of uint8, at which every negative value would have saturated."""
    model = file_of(
        [INNER, node("QuantizeLinear", ["z", "s"], ["q"], output_dtype=TensorProto.INT8),
         node("DequantizeLinear", ["q", "s"], ["logits"])], {**HEAD, "s": np.float32(1)}, opset=21,
    )  # fmt: skip
    image = np.array([[-9, 4, 2], [400, -400, 100]], np.float32)
    direction = np.ones((2, 4), np.float32)
    found = run(gradient_model(model), image=image, label=np.array([0, 1]), direction=direction)
    levels = np.rint(image @ WEIGHTS)
    assert (levels < 0).any()
    assert (np.abs(levels) > 128).any()
    inside = (levels > -128) & (levels < 127)
    np.testing.assert_allclose(found["gradient"], inside @ WEIGHTS.T, rtol=1e-4, atol=1e-4)


REFUSED = {
    "domain": (
        [node("FusedMatMul", ["image", "w"], ["logits"], domain="com.microsoft", name="f")],
        "op 'FusedMatMul' (node 'f') of the domain 'com.microsoft' has no rule for its gradient",
    ),
    "domain of a known name": (
        [INNER, node("Relu", ["z"], ["logits"], domain="mine", name="f")],
        "op 'Relu' (node 'f') of the domain 'mine' has no rule",
    ),
    "shape unknown": (
        [INNER, node("SplitToSequence", ["z"], ["q"], name="f"),
         node("ConcatFromSequence", ["q"], ["logits"], axis=1, name="j")],
        "op 'ConcatFromSequence' (node 'j') has no rule",
    ),
    "random": (
        [INNER, node("Constant", [], ["yes"], value=numpy_helper.from_array(np.array(True))),
         node("Dropout", ["z", "", "yes"], ["logits"], name="f")],
        "op 'Dropout' (node 'f') has no gradient here: it leaves values out at random",
    ),
    "double": (
        [INNER, node("Cast", ["z"], ["d"], to=TensorProto.DOUBLE, name="f"),
         node("Cast", ["d"], ["logits"], to=TensorProto.FLOAT)],
        "op 'Cast' (node 'f') has no gradient here: it computes in DOUBLE",
    ),
    "sigmoid in bytes": (
        [INNER, node("Sigmoid", ["z"], ["p"]), node("QuantizeLinear", ["p", "s", "o"], ["q"]),
         node("DequantizeLinear", ["q", "s", "o"], ["logits"])],
        "output 'logits' comes out of a Sigmoid",
    ),
    "float8": (
        [INNER, node("QuantizeLinear", ["z", "s"], ["q"], output_dtype=TensorProto.FLOAT8E4M3FN, name="f"),
         node("DequantizeLinear", ["q", "s"], ["logits"])],
        "op 'QuantizeLinear' (node 'f') has no gradient here: it quantises to float8e4m3fn",
    ),
    "one logit": ([node("MatMul", ["image", "v"], ["logits"])], "'logits' has the shape (None, 1); the logits of"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_gradient_is_named_as_in_the_file(name):
    nodes, words = REFUSED[name]
    constants = {**HEAD, **STEP, "v": WEIGHTS[:, :1]}
    model = file_of(nodes, constants, opset=21, domains=("com.microsoft", "mine"))
    with pytest.raises(ExportError) as error:
        gradient_model(model)
    assert words in str(error.value)


ODDS = np.exp(RNG.normal(0, 2, (6, 4)))
ODDS /= ODDS.sum(1, keepdims=True)


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        (ODDS, True),
        (np.rint(ODDS * 255) / 255, True),
        (np.rint(ODDS * 256) / 256, True),
        (ODDS.astype(np.float16), True),
        (ODDS * 0.9, False),
        (np.log(ODDS), False),
        (np.zeros((2, 4)), False),
        (np.rint(ODDS * 64) / 64 + 0.1, False),
    ],
)
def test_probabilities_are_known_after_rounding_too(logits, expected):
    assert are_probabilities(logits) == expected
