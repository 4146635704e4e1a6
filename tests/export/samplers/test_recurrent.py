"""Samplers of the PixelRNN: pixel for pixel what the model draws; its density graph agrees with Keras."""

from typing import Any

import keras
import numpy as np
import pytest
from dimaging_export.convert.to_onnx import convert
from dimaging_export.errors import ExportError
from dimaging_export.samplers.loops import sampler

from dimaging_tf.density.likelihoods import Bernoulli
from dimaging_tf.layers.masked import MaskedConv2D
from dimaging_tf.layers.recurrent2d import DiagonalLSTM, RowLSTM
from dimaging_tf.models.pixelrnn import Config, PixelRNN

SMALL: dict[str, Any] = {"filters": 6, "head": 6, "entry": 3}
CONFIGS = {
    "row": Config((6, 5, 1), **SMALL),
    "row_one": Config((5, 6, 1), layers=1, kernel=1, position=False, **SMALL),
    "row_wide": Config((4, 7, 1), kernel=5, filters=4, entry=7),
    "row_softmax": Config((5, 4, 1), levels=5, **SMALL),
    "row_colour": Config((4, 3, 3), levels=4, **SMALL),
    "row_mixture": Config((4, 3, 3), levels=256, components=2, layers=1, **SMALL),
    "row_told": Config((5, 4, 1), classes=3, **SMALL),
    "diagonal": Config((6, 5, 1), kind="diagonal", **SMALL),
    "diagonal_one": Config((4, 7, 1), kind="diagonal", layers=1, position=False, **SMALL),
    "diagonal_colour": Config((4, 3, 3), levels=4, kind="diagonal", **SMALL),
    "diagonal_told": Config((5, 4, 1), classes=3, kind="diagonal", **SMALL),
}
SAMPLERS = [(n, i) for n, c in CONFIGS.items() for i in ("pixels", "rows")[: 1 + (c.kind == "row")]]


@pytest.fixture(scope="module")
def model():
    """model(config), with the same random weights every time."""
    known = {}

    def model(config):
        if config not in known:
            known[config] = PixelRNN(config)
            for i, weight in enumerate(known[config].network.weights):
                weight.assign(0.4 * np.random.default_rng(i).normal(size=weight.shape))
        return known[config]

    return model


def inputs_of(model, batch):
    """Inputs of the sampler: a third of the pixels is known."""
    config, rng = model.config, np.random.default_rng(batch)
    image = rng.random((batch, *config.shape), np.float32)
    canvas, told = model.prepared(image, np.arange(batch) % 3)
    noise = rng.integers(0, 1 << 23, (batch, *config.shape[:2], model.likelihood.noise))
    mask = (rng.random((batch, *config.shape[:2], 1)) < 0.3).astype(np.float32)
    inputs = {"noise": ((noise + 0.5) / (1 << 23)).astype("f"), "canvas": canvas, "mask": mask}
    return inputs, {} if told is None else {"label": told}


@pytest.mark.parametrize(("name", "inner"), SAMPLERS)
def test_the_sampler_draws_what_the_model_draws(name, inner, model, run):
    net = model(CONFIGS[name])
    written = sampler(net.network, net.likelihood, inner)
    for batch in (1, 4):
        inputs, told = inputs_of(net, batch)
        found = run(written, **inputs, **told)["image"]
        drawn = net.sample(batch, condition=told.get("label"), **inputs)
        np.testing.assert_allclose(found, drawn, atol=1e-6)
        assert len(np.unique(found)) > 1
        known = inputs["mask"][..., 0] > 0.5
        np.testing.assert_array_equal(found[known], inputs["canvas"][known])


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_the_density_graph_agrees(config, model, run):
    net = model(config)
    graph = convert(net.graphs()["density"], None, "direct")
    tolerance = 1e-4 if config.components else 1e-5  # narrow logistics magnify
    for batch in (1, 3):
        inputs, told = inputs_of(net, batch)
        found = run(graph, image=inputs["canvas"], **told)["log_likelihood"]
        expected = net(inputs["canvas"], *told.values())
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def network(*layers):
    image = keras.Input((4, 5, 1), name="image")
    x = image
    for layer in layers:
        x = layer(x)
    return keras.Model(image, {"parameters": MaskedConv2D(1, (1, 1), "B")(x)})


@pytest.mark.parametrize("inner", ["pixels", "rows"])
def test_an_lstm_may_read_the_image_and_be_read_by_a_convolution(inner, model, run):
    net = network(RowLSTM(4, 3, "A"), MaskedConv2D(4, (5, 5), "B"), RowLSTM(4, 5))
    for i, weight in enumerate(net.weights):
        weight.assign(0.4 * np.random.default_rng(i).normal(size=weight.shape))
    noise = np.random.default_rng(0).random((2, 4, 5, 1), np.float32)
    zeros = np.zeros_like(noise)
    found = run(sampler(net, Bernoulli(1), inner), noise=noise, canvas=zeros, mask=zeros)["image"]
    again = Bernoulli(1).draw(net(found)["parameters"], noise)
    np.testing.assert_array_equal(found, again)  # a fixed point is the sample


def test_a_convolution_reads_further_to_the_left_than_the_state(run):
    net = network(MaskedConv2D(4, (3, 3), "A"), DiagonalLSTM(4), MaskedConv2D(4, (3, 5), "B"))
    noise = np.random.default_rng(0).random((2, 4, 5, 1), np.float32)
    zeros = np.zeros_like(noise)
    found = run(sampler(net, Bernoulli(1), "pixels"), noise=noise, canvas=zeros, mask=zeros)
    again = Bernoulli(1).draw(net(found["image"])["parameters"], noise)
    np.testing.assert_array_equal(found["image"], again)


def test_what_cannot_be_drawn_is_named(model):
    net = model(CONFIGS["diagonal"])
    with pytest.raises(ExportError, match="received inner='rows', use inner='pixels'"):
        sampler(net.network, net.likelihood, "rows")
    above = network(MaskedConv2D(4, (3, 3), "above"), RowLSTM(4))
    with pytest.raises(ExportError, match="an LSTM in a sampler reads values of the own row"):
        sampler(above, Bernoulli(1), "pixels")
    with pytest.raises(ExportError, match="the image enters through mask 'A'"):
        sampler(network(RowLSTM(4)), Bernoulli(1), "pixels")
