"""A certificate is never below the truth and hardly above it: by known answers, by rule, by attack."""

import numpy as np
import onnx
import pytest
from dimaging_edge import attacks
from dimaging_edge.bundle.session import make_session
from dimaging_export.certificate.build import certificate_model
from dimaging_export.errors import ExportError
from helpers.small_classifiers import CLASSES, SHAPE, convolutional, onnx_oracle
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

RNG = np.random.default_rng(21)
IMAGES = RNG.random((12, *SHAPE), np.float32)
LABELS = RNG.integers(0, CLASSES, 12)
FLAT = int(np.prod(SHAPE))


def runner(model, limits=(0.0, 1.0)):
    """(x, y, eps) -> worst margins, and whether they are exact."""
    made, exact = certificate_model(model, limits)
    session = make_session(made.SerializeToString(), threads=1)

    def run(x, y, eps):
        radii = np.atleast_1d(np.float32(eps))
        return session.run(None, {"image": x, "label": y, "eps": radii})[0]

    return run, exact


def classifier(nodes, weights, source="flat"):
    """image -> Flatten "flat" -> nodes -> "hidden" -> Gemm -> logits."""
    nodes = [helper.make_node(op, i, o, **a) for op, i, o, a in nodes]
    first = helper.make_node("Flatten", ["image"], ["flat"])
    last = helper.make_node("Gemm", ["hidden", "w", "b"], ["logits"])
    graph = helper.make_graph(
        [first, *nodes, last], "classifier",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", *SHAPE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in weights.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def last(size, seed=1):
    rng = np.random.default_rng(seed)
    return {
        "w": rng.normal(0, 0.5, (size, CLASSES)).astype(np.float32),
        "b": rng.normal(0, 0.1, CLASSES).astype(np.float32),
    }


ONE, UNIT = np.float32(1), np.uint8(1)
HALF, THREE = np.full(FLAT, 0.5, np.float32), np.float32(3)
DENSE = np.random.default_rng(2).normal(0, 0.3, (FLAT, 7)).astype(np.float32)

RULES = {
    "Identity": ([("Identity", ["flat"], ["hidden"], {})], last(FLAT)),
    "Relu": (
        [("Gemm", ["flat", "k"], ["g"], {}), ("Relu", ["g"], ["hidden"], {})],
        {**last(7), "k": DENSE},
    ),
    "Gemm, turned": ([("Gemm", ["flat", "k"], ["hidden"], {"transB": 1})], {**last(7), "k": DENSE.T}),
    "MatMul": ([("MatMul", ["flat", "k"], ["hidden"], {})], {**last(7), "k": DENSE}),
    "Clip": (
        [("Clip", ["flat", "lo", "hi"], ["hidden"], {})],
        {**last(FLAT), "lo": np.float32(0.2), "hi": np.float32(0.7)},
    ),
    "Floor": (
        [("Mul", ["flat", "three"], ["m"], {}), ("Floor", ["m"], ["hidden"], {})],
        {**last(FLAT), "three": THREE},
    ),
    "Add": ([("Add", ["flat", "half"], ["hidden"], {})], {**last(FLAT), "half": HALF}),
    "Sub": ([("Sub", ["flat", "half"], ["hidden"], {})], {**last(FLAT), "half": HALF}),
    "Mul": ([("Mul", ["three", "flat"], ["hidden"], {})], {**last(FLAT), "three": THREE}),
    "a residual": (
        [
            ("Gemm", ["flat", "k"], ["g"], {}), ("Relu", ["g"], ["r"], {}),
            ("Add", ["g", "r"], ["hidden"], {}),
        ],
        {**last(7), "k": DENSE},
    ),
    "a difference": (
        [
            ("Gemm", ["flat", "k"], ["g"], {}), ("Relu", ["g"], ["r"], {}),
            ("Sub", ["r", "g"], ["hidden"], {}),
        ],
        {**last(7), "k": DENSE},
    ),
    "Concat": ([("Concat", ["flat", "flat"], ["hidden"], {"axis": 1})], last(2 * FLAT)),
    "Transpose": (
        [("Reshape", ["flat", "s"], ["q"], {}), ("Transpose", ["q"], ["t"], {"perm": [0, 2, 1]}),
         ("Flatten", ["t"], ["hidden"], {})],
        {**last(FLAT), "s": np.array([-1, 4, 9])},
    ),
    "MaxPool": (
        [("Reshape", ["flat", "s"], ["q"], {}),
         ("MaxPool", ["q"], ["p"], {"kernel_shape": [2, 2], "strides": [2, 2]}),
         ("Flatten", ["p"], ["hidden"], {})],
        {**last(9), "s": np.array([-1, 1, 6, 6])},
    ),
    "thresholds": (
        [("QuantizeLinear", ["flat", "one", "unit"], ["q"], {}),
         ("DequantizeLinear", ["q", "one", "unit"], ["hidden"], {})],
        {**last(FLAT), "one": ONE, "unit": UNIT},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_rule(name):
    model = classifier(*RULES[name])
    run, _ = runner(model)
    plain = make_session(model.SerializeToString(), threads=1)
    rng = np.random.default_rng(5)
    still = margins(plain, IMAGES)
    np.testing.assert_allclose(run(IMAGES, LABELS, 0.0), still, atol=5e-3)
    for eps in (0.01, 0.1, 0.4):
        bound = run(IMAGES, LABELS, eps)
        assert (bound >= still).all()
        for _ in range(20):
            step = rng.choice([-1.0, 0.3, 1.0], IMAGES.shape)
            moved = np.clip(IMAGES + (0.999 * eps * step).astype(np.float32), 0, 1)
            assert (margins(plain, moved) <= bound).all()
    assert (bound <= reach(RULES[name]) + 1e-3).all()


def reach(rule):
    """Nothing is wider than what all of the weights can do together."""
    product = 1.0
    for key in ("k", "w"):
        if key in rule[1]:
            product *= np.abs(rule[1][key]).sum()
    return 12 * product + 10


def margins(session, x, y=None):
    y = LABELS if y is None else y
    logits = session.run(None, {"image": x})[0].astype(np.float64)
    own = logits[np.arange(len(y)), y]
    logits[np.arange(len(y)), y] = -np.inf
    return logits.max(1) - own


def bounds64(model, x, y, eps):
    """Interval bounds of `convolutional` in numpy and float64, by hand: conv 3x3/2 'same', ReLU, dense."""
    w = {t.name: numpy_helper.to_array(t).astype(np.float64) for t in model.graph.initializer}
    low, high = np.maximum(x.astype(np.float64) - eps, 0), np.minimum(x.astype(np.float64) + eps, 1)

    def conv(image, kernel):
        padded = np.pad(image[..., 0], ((0, 0), (0, 1), (0, 1)))
        out = np.zeros((len(image), 8, 3, 3))
        for i in range(3):
            for j in range(3):
                patch = padded[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
                out[:, :, i, j] = np.einsum("nab,fab->nf", patch, kernel[:, 0])
        return out

    middle, half = (low + high) / 2, (high - low) / 2
    middle = conv(middle, w["k"]) + w["c"][None, :, None, None]
    half = conv(half, np.abs(w["k"]))
    low, high = (np.maximum(v, 0).reshape(len(x), -1) for v in (middle - half, middle + half))
    middle, half = (low + high) / 2, (high - low) / 2
    apart = w["w"].T[None] - w["w"].T[y][:, None]
    worst = np.einsum("nci,ni->nc", apart, middle) + np.einsum("nci,ni->nc", np.abs(apart), half)
    worst += w["b"][None] - w["b"][y][:, None]
    worst[np.arange(len(x)), y] = -np.inf
    return worst.max(1)


@pytest.mark.parametrize("eps", [0.0, 0.003, 0.05, 0.5])
def test_known_answers(eps):
    model = convolutional()
    run, exact = runner(model)
    found, truth = run(IMAGES, LABELS, eps), bounds64(model, IMAGES, LABELS, eps)
    assert not exact
    assert (found >= truth).all(), "a bound below the truth is a lie"
    np.testing.assert_allclose(found, truth, atol=5e-3, rtol=2e-4)


@pytest.mark.parametrize("order", ["as it is", "backwards", "by size", "all positive first"])
def test_a_device_that_adds_in_another_order_keeps_the_bound(order):
    """Sums of many terms that nearly cancel: what float32 makes of them depends on the order."""
    rng = np.random.default_rng(11)
    deep = rng.normal(0, 1, (FLAT, 4000)).astype(np.float32)
    weights = last(4000)
    given = [("Gemm", ["flat", "k"], ["g"], {}), ("Relu", ["g"], ["hidden"], {})]
    bound = runner(classifier(given, {**weights, "k": deep}))[0](IMAGES, LABELS, 0.0)

    def product(x, kernel, bias):
        terms = np.concatenate([x[:, :, None] * kernel, np.broadcast_to(bias, (len(x), 1, len(bias)))], 1)  # fmt: skip
        key = {"as it is": None, "backwards": np.arange(terms.shape[1], 0, -1)[None, :, None] + 0 * terms,
               "by size": np.abs(terms), "all positive first": -terms}[order]  # fmt: skip
        if key is not None:
            terms = np.take_along_axis(terms, key.argsort(1), 1)
        return np.cumsum(terms, 1, dtype=np.float32)[:, -1]  # one after the other

    hidden = np.maximum(product(IMAGES.reshape(12, -1), deep, np.zeros(4000, np.float32)), 0)
    logits = product(hidden, weights["w"], weights["b"]).astype(np.float64)
    own = logits[np.arange(12), LABELS]
    logits[np.arange(12), LABELS] = -np.inf
    assert (logits.max(1) - own <= bound).all()
    exactly = np.maximum(IMAGES.reshape(12, -1).astype(np.float64) @ deep, 0)
    truth = exactly @ weights["w"].astype(np.float64) + weights["b"]
    assert (logits != truth).any(), "this order rounds as real numbers would"
    truth[np.arange(12), LABELS], own = -np.inf, truth[np.arange(12), LABELS]
    # Two logits of the device and two sums of the certificate are off by 4,000 units in the last place at most.
    allowed = 4 * 4000 * 2.0**-24 * (exactly @ np.abs(weights["w"])).max(1)
    assert (bound - (truth.max(1) - own) <= allowed).all(), "no wider than rounding asks for"


def test_eps_of_each_image_and_labels_matter():
    run, _ = runner(convolutional())
    radii = np.linspace(0, 0.2, 12).astype(np.float32)
    each = run(IMAGES, LABELS, radii)
    alone = [run(IMAGES[i : i + 1], LABELS[i : i + 1], radii[i])[0] for i in range(12)]
    np.testing.assert_array_equal(each, alone)
    assert (run(IMAGES, (LABELS + 1) % 4, 0.1) != run(IMAGES, LABELS, 0.1)).all()


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 0.3), st.floats(0, 0.3), st.integers(0, 2**31))
def test_it_grows_with_eps_and_no_image_passes_it(one, other, seed):
    small, large = sorted((one, other))
    run, oracle = CASE
    bound = run(IMAGES, LABELS, small)
    assert (bound <= run(IMAGES, LABELS, large)).all()
    threat = attacks.Threat("linf", float(np.float32(small)))
    rng = np.random.default_rng(seed)
    drawn = threat.project(IMAGES + rng.uniform(-1, 1, IMAGES.shape).astype(np.float32), IMAGES)
    for x in (drawn, attacks.pgd(oracle, IMAGES, LABELS, threat, steps=5, seed=seed).x):
        z = oracle.score(x).astype(np.float64)
        own = z[np.arange(12), LABELS]
        z[np.arange(12), LABELS] = -np.inf
        assert (z.max(1) - own <= bound).all()


CASE = (runner(convolutional())[0], onnx_oracle(convolutional()))


def whole(seed):
    """Thresholds, then whole numbers of a power of two: nothing of it can be rounded."""
    rng = np.random.default_rng(seed)
    kernel = rng.integers(-40, 41, (FLAT, 6)).astype(np.float32) / 16
    weights = rng.integers(-90, 91, (6, CLASSES)).astype(np.float32) / 64
    nodes = [
        ("QuantizeLinear", ["flat", "one", "unit"], ["q"], {}),
        ("DequantizeLinear", ["q", "one", "unit"], ["d"], {}),
        ("Gemm", ["d", "k", "h"], ["g"], {}),
        ("Floor", ["g"], ["f"], {}),
        ("Clip", ["f", "lo", "hi"], ["hidden"], {}),
    ]
    values = {
        "w": weights, "b": np.array([1, 0, -1, 0.5], np.float32), "k": kernel, "h": np.full(6, 0.5, np.float32), "one": ONE,
        "unit": UNIT, "lo": np.float32(0), "hi": np.float32(31),
    }  # fmt: skip
    return classifier(nodes, values), values


@pytest.mark.parametrize("seed", range(5))
def test_whole_numbers_are_exact(seed):
    model, v = whole(seed)
    run, exact = runner(model)
    assert exact
    low, high = IMAGES.astype(np.float64) - 0.15, IMAGES.astype(np.float64) + 0.15
    low, high = (np.clip(np.rint(a), 0, 1).reshape(12, -1) for a in (low, high))
    plus, minus = np.maximum(v["k"], 0), np.minimum(v["k"], 0)
    ends = low @ plus + high @ minus + 0.5, high @ plus + low @ minus + 0.5
    low, high = (np.clip(np.floor(a.astype(np.float64)), 0, 31) for a in ends)
    apart = v["w"].T[None].astype(np.float64) - v["w"].T[LABELS][:, None]
    worst = np.einsum("nci,ni->nc", np.maximum(apart, 0), high)
    worst += np.einsum("nci,ni->nc", np.minimum(apart, 0), low)
    worst += v["b"][None] - v["b"][LABELS][:, None]
    worst[np.arange(12), LABELS] = -np.inf
    np.testing.assert_array_equal(run(IMAGES, LABELS, 0.15), worst.max(1))


@pytest.mark.parametrize(("grey", "free"), [(50, False), (51, True), (52, True), (203, True), (204, True), (205, False)])  # fmt: skip
def test_a_pixel_just_at_the_threshold_is_undecided(grey, free):
    """204/255 - .3 is the threshold: float32 rounds it to either side, so the bound may not rely on one."""
    model, _ = whole(0)
    run, _ = runner(model)
    x = np.zeros((1, *SHAPE), np.float32)
    x[0, 2, 2] = np.float32(grey / 255)
    still, moved = run(x, np.array([0]), 0.0), run(x, np.array([0]), 0.3)
    assert (moved != still).item() == free


def bare(op, **attributes):
    return [(op, ["flat"], ["hidden"], attributes)], last(FLAT)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (bare("Sigmoid"), "op 'Sigmoid' (node '') has no interval bounds; known: Add, Cast, Clip,"),
        (
            ([("Mul", ["flat", "k"], ["hidden"], {})], {**last(FLAT), "k": np.float32(-1)}),
            "has a factor that is computed or below 0",
        ),
        (
            ([("Mul", ["flat", "flat"], ["hidden"], {})], last(FLAT)),
            "multiplies two tensors that both follow from the image",
        ),
        (
            ([("Sub", ["k", "flat"], ["hidden"], {})], {**last(FLAT), "k": HALF}),
            "subtracts what follows from the image from a constant",
        ),
        (
            ([("QuantizeLinear", ["flat", "k", "unit"], ["q"], {}),
              ("DequantizeLinear", ["q", "k", "unit"], ["hidden"], {})],
             {**last(FLAT), "k": np.float32(0.01), "unit": UNIT}),
            "divides by a scale that is no power of two, and how a device rounds that nobody knows",
        ),
    ],
)  # fmt: skip
def test_refusals(given, words):
    with pytest.raises(ExportError) as error:
        certificate_model(classifier(*given), (0.0, 1.0))
    assert words in str(error.value)


def test_logits_that_no_matrix_makes():
    model = classifier(*RULES["Relu"])
    model.graph.node[-1].output[0] = "z"
    model.graph.node.append(helper.make_node("Relu", ["z"], ["logits"]))
    onnx.checker.check_model(model)
    run, exact = runner(model)
    plain = make_session(model.SerializeToString(), threads=1)
    assert not exact
    np.testing.assert_allclose(run(IMAGES, LABELS, 0.0), margins(plain, IMAGES), atol=1e-3)
    moved = np.clip(IMAGES + RNG.uniform(-0.1, 0.1, IMAGES.shape).astype(np.float32), 0, 1)
    assert (margins(plain, moved) <= run(IMAGES, LABELS, 0.1)).all()
