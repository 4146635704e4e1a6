"""The integer-valued mixture in ONNX: the same bits as in Keras, however they are computed; coding with it."""

import functools
from typing import Any

import keras
import numpy as np
import onnxruntime
import pytest
from dimaging_edge import open_bundle
from dimaging_edge.generate.density import sample
from dimaging_edge.generate.stepping import draw_by_steps
from dimaging_edge.lossless import pack, unpack
from dimaging_edge.lossless.bundle_predictor import BundlePredictor
from dimaging_export import export
from dimaging_export.integer.twin import integer_twin
from dimaging_export.samplers.build import LOOPS, shapes_of
from dimaging_export.samplers.loops import sampler
from dimaging_export.samplers.step import step_graphs
from helpers.densities import ROWS, random_model

from dimaging_tf.density.base import uniform
from dimaging_tf.models.pixelcnn import Config, PixelCNN

MIXTURES = [name for name, config in ROWS.items() if config.components]
mixtures = pytest.mark.parametrize("name", MIXTURES)


@functools.cache
def case(name: str) -> tuple[Any, dict[str, np.ndarray], np.ndarray]:
    """The twin, inputs of its sampler with a third of the pixels known, what it draws in Keras."""
    model, rng = random_model(ROWS[name]), np.random.default_rng(0)
    canvas, _ = model.prepared(rng.random((16, *model.config.shape), np.float32))
    twin = integer_twin(model, canvas, None)
    mask = (rng.random((16, *canvas.shape[1:3], 1)) < 1 / 3).astype(np.float32)
    noise = uniform(rng, (*canvas.shape[:3], twin.likelihood.noise))
    feed = {"noise": noise, "canvas": canvas, "mask": mask}
    return twin, feed, twin.sample(16, **feed)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_ALL"])
@mixtures
def test_draws_are_the_same_bits_however_they_are_computed(name, level, threads):
    twin, feed, drawn = case(name)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    for inner in LOOPS.values():
        file = sampler(twin.network, twin.likelihood, inner).SerializeToString()
        (found,) = onnxruntime.InferenceSession(file, options).run(None, feed)
        np.testing.assert_array_equal(found, drawn)


@mixtures
def test_steps_give_the_weights_of_the_parallel_pass(name):
    """Pixel after pixel: the same image, and for each colour the weights that the coder reads."""
    twin, feed, drawn = case(name)
    files = step_graphs(twin.network, twin.likelihood)
    sessions = {k: onnxruntime.InferenceSession(f.SerializeToString()) for k, f in files.items()}
    weights = []

    def step(name, **arrays):
        names = [tensor.name for tensor in sessions[name].get_outputs()]
        found = dict(zip(names, sessions[name].run(names, arrays), strict=True))
        weights.append(found["weights"]) if name == "pixel" else None
        return found

    inputs = {name: shapes_of(file) for name, file in files.items()}
    np.testing.assert_array_equal(draw_by_steps(inputs, step, feed), drawn)
    expected = twin.likelihood.weights(twin.parameters(drawn), twin.likelihood.encode(drawn))
    found = np.stack(weights, 1).reshape(expected.shape)
    np.testing.assert_array_equal(found, expected)


def test_a_trained_mixture_packs_grey_images(digits, tmp_path):
    """256 levels: the export's own judgement of the loss, and a stream of the promised size."""
    keras.utils.set_random_seed(0)
    config = Config((8, 8, 1), levels=256, components=4, blocks=1, filters=8, middle=8, head=8)
    model = PixelCNN(config)
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    model.fit(model.prepared(digits / np.float32(255))[0], epochs=10, batch_size=16, verbose=0)
    bundle = open_bundle(export(model, tmp_path / "b", precision="integer", data=digits))
    quality: Any = bundle.manifest.quality
    assert quality["unit"] == "bits/dim"
    assert quality["loss"] <= quality["allowed"] == 0.01
    drawn = [sample(bundle, 3, 1, graph=graph) for graph in (*LOOPS, "pixel")]
    assert all((image == drawn[0]).all() for image in drawn)
    predictor, model_id = BundlePredictor(bundle), bundle.manifest.model_id
    symbols = digits[..., 0]
    stream = pack(predictor, symbols, model_id)
    np.testing.assert_array_equal(unpack(predictor, stream, model_id), symbols)
    assert 8 * len(stream) / symbols.size < quality["onnx"] + 0.3
