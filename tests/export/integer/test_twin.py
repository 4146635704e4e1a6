"""The integer-valued twin of a PixelCNN: near the float model, and the same bits however it is computed."""

from typing import Any

import keras
import numpy as np
import onnxruntime
import pytest
from dimaging_export.convert.to_onnx import convert
from dimaging_export.errors import ExportError
from dimaging_export.integer.scales import TRUNK
from dimaging_export.integer.twin import SumTooLargeError, integer_twin
from dimaging_export.samplers.build import LOOPS
from dimaging_export.samplers.loops import sampler
from helpers.densities import ROWS, drawn_by_keras, feed_of, random_model, run_file

from dimaging_tf.density.likelihoods_integer import REACH, STEPS
from dimaging_tf.layers.integer import FloorClip, IntegerGate
from dimaging_tf.layers.masked import MaskedConv2D
from dimaging_tf.models.pixelcnn import Config, PixelCNN


def twin_of(name: str) -> tuple[PixelCNN, PixelCNN]:
    model = random_model(ROWS[name])
    canvas, told = model.prepared(
        np.random.default_rng(0).random((64, *model.config.shape), np.float32), np.arange(64) % 3
    )
    return model, integer_twin(model, canvas, told)


@pytest.mark.parametrize("name", ROWS)
def test_integer_twin_is_close_and_exact(name):
    """Float64 gives the same numbers: no sum was ever rounded. Draws and weights are equal in ONNX."""
    model, twin = twin_of(name)
    feed = feed_of(model, 8)
    told = feed.get(model.condition)
    expected = model.parameters(feed["canvas"], told).numpy()
    steps, reach = twin.likelihood.steps, twin.likelihood.reach
    found = twin.parameters(feed["canvas"], told).numpy()
    assert np.abs(found - (expected * steps).clip(-reach, reach)).mean(axis=(0, 1, 2)).max() < 4
    exact = float64_parameters(twin, feed)
    np.testing.assert_array_equal(twin.parameters(feed["canvas"], told), exact)
    for inner in LOOPS.values():
        image = run_file(sampler(twin.network, twin.likelihood, inner), feed)
        np.testing.assert_allclose(image, drawn_by_keras(twin, feed), atol=1e-6)
    density = convert(twin.graphs()["density"], None, "direct")
    image_feed: Any = {"image": feed["canvas"]} | (
        {model.condition: told} if model.condition else {}
    )
    weights = twin.run("density", **image_feed)["weights"]
    np.testing.assert_array_equal(run_file(density, image_feed, "weights"), weights)


def growing_trunk(factor: float) -> PixelCNN:
    """A network whose trunk ends `factor` times as large as it begins, as after a long training."""
    config = Config(shape=(8, 8, 1), filters=16, blocks=3, middle=8, head=8, entry=3)
    model = random_model(config)
    *_, last, head, parameters = [x for x in model.network.layers if isinstance(x, MaskedConv2D)]
    for weight in last.weights:
        weight.assign(weight * factor)
    head.kernel.assign(head.kernel / factor)
    parameters.kernel.assign(parameters.kernel * 3 / np.std(model.parameters(bits(64), None)))
    return model


def bits(count: int) -> np.ndarray:
    """Black and white images [count, 8, 8, 1]."""
    return np.random.default_rng(0).integers(0, 2, (count, 8, 8, 1)).astype(np.float32)


def test_a_trunk_that_grows_keeps_the_values_of_its_first_blocks(monkeypatch):
    """One scale for the whole trunk cost a trained network .7 nats: the first values were below its unit."""
    model, image = growing_trunk(30), bits(64)
    expected = (model.parameters(image, None).numpy() * STEPS).clip(-REACH, REACH)

    def error() -> float:
        twin = integer_twin(model, image[:32], None)
        np.testing.assert_array_equal(
            twin.parameters(image, None), float64_parameters(twin, {"canvas": image})
        )
        return float(np.abs(twin.parameters(image, None) - expected).mean())

    assert error() < 4
    monkeypatch.setattr("dimaging_export.integer.twin.TRUNK", 0)
    assert error() > 6


def float64_parameters(twin: PixelCNN, feed: dict[str, np.ndarray]) -> np.ndarray:
    """The twin's network in float64, and a proof that its weights are multiples of a power of two."""

    def as_double(layer):
        config = layer.get_config()
        config["dtype"] = "float64"
        return type(layer).from_config(config)

    double = keras.models.clone_model(twin.network, clone_function=as_double)
    double.set_weights(twin.network.get_weights())
    for layer in twin.network.layers:
        if isinstance(layer, MaskedConv2D):
            scaled = np.asarray(layer.masked_kernel(), np.float64) * 2**16
            np.testing.assert_array_equal(scaled, np.rint(scaled))
        assert not isinstance(layer, keras.layers.Activation)
    assert any(isinstance(layer, FloorClip | IntegerGate) for layer in twin.network.layers)
    symbols = np.asarray(twin.likelihood.encode(feed["canvas"]), np.float64)
    told = feed.get(twin.condition)
    inputs = (
        symbols if told is None else {"image": symbols, twin.condition: told.astype(np.float64)}
    )
    return np.asarray(double(inputs)["parameters"])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_ALL"])
def test_integer_weights_are_the_same_bits_however_they_are_computed(threads, level):
    _, twin = twin_of("gated")
    file = convert(twin.graphs()["density"], None, "direct")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    session = onnxruntime.InferenceSession(file.SerializeToString(), options)
    image = feed_of(twin, 64)["canvas"]
    (found,) = session.run(None, {"image": image})
    np.testing.assert_array_equal(found, twin.run("density", image=image)["weights"])


@pytest.mark.parametrize(("error", "tried"), [(SumTooLargeError, TRUNK + 1), (ExportError, 1)])
def test_only_a_sum_that_is_too_large_is_tried_again(error, tried, monkeypatch):
    made = []

    class Refusing:
        def __init__(self, ranges, likelihood, more):
            made.append(more)

        def network(self):
            raise error("refused")

    monkeypatch.setattr("dimaging_export.integer.twin._Quantiser", Refusing)
    with pytest.raises(error, match="refused"):
        integer_twin(growing_trunk(1), bits(4), None)
    assert made == list(range(TRUNK, TRUNK - tried, -1))
