"""Samplers of the belief network and of super-resolution: pixel for pixel what the model draws."""

import functools
from typing import Any

import numpy as np
import onnxruntime
import pytest
from dimaging_edge import open_bundle
from dimaging_edge.generate.density import sample
from dimaging_edge.generate.stepping import draw_by_steps
from dimaging_export import ExportError, export
from dimaging_export.convert.to_onnx import convert
from dimaging_export.samplers.build import LOOPS, shapes_of
from dimaging_export.samplers.dense import fvbn_sampler
from dimaging_export.samplers.dense_step import fvbn_step_graphs
from dimaging_export.samplers.loops import sampler
from dimaging_export.samplers.step import step_graphs

from dimaging_tf.models import fvbn
from dimaging_tf.models import super_resolution as sr

SMALL = {"filters": 6, "stages": 1, "blocks": 2, "entry": 3}
CONFIGS = {
    "binary": fvbn.Config((6, 5, 1), hidden=40),
    "hidden_alone": fvbn.Config((6, 5, 1), hidden=40, direct=False),
    "few_units": fvbn.Config((6, 5, 1), hidden=3),
    "softmax": fvbn.Config((6, 5, 1), levels=5, hidden=50),
    "colour": fvbn.Config((4, 3, 3), levels=4, hidden=60),
    "binary_colour": fvbn.Config((4, 3, 3), hidden=60),
    "told": fvbn.Config((5, 6, 1), hidden=40, classes=3),
    "told_hidden_alone": fvbn.Config((5, 6, 1), hidden=40, classes=3, direct=False),
    "enlarged_mixture": sr.Config((4, 8, 1), components=2, **SMALL),
    "enlarged_softmax": sr.Config((8, 4, 1), levels=6, components=0, **SMALL),
    "enlarged_binary": sr.Config((4, 4, 1), factor=2, levels=2, components=0, **SMALL),
}
configs = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


@functools.cache
def make(config) -> Any:
    model = fvbn.FVBN(config) if isinstance(config, fvbn.Config) else sr.SuperResolution(config)
    for i, weight in enumerate(model.network.weights):
        weight.assign(0.4 * np.random.default_rng(i).normal(size=weight.shape))
    return model


@functools.cache
def case(config, batch):
    """Inputs of the sampler, and what the model draws from them."""
    model, rng = make(config), np.random.default_rng(0)
    image = rng.random((batch, *config.shape), np.float32)
    canvas, told = model.prepared(image, np.arange(batch) % 3)
    noise = rng.integers(0, 1 << 23, (batch, *config.shape[:2], model.likelihood.noise))
    mask = (rng.random((batch, *config.shape[:2], 1)) < 0.3).astype(np.float32)
    inputs = {"noise": ((noise + 0.5) / (1 << 23)).astype("f"), "canvas": canvas, "mask": mask}
    drawn = model.sample(batch, condition=told, **inputs)
    return inputs | ({model.condition: told} if model.condition else {}), drawn


def write(model, inner):
    make = fvbn_sampler if isinstance(model, fvbn.FVBN) else sampler
    return make(model.network, model.likelihood, inner)


@configs
@pytest.mark.parametrize("inner", ["pixels", "rows"])
def test_the_sampler_draws_what_the_model_draws(config, inner, run):
    written = write(make(config), inner)
    for batch in (1, 4):
        inputs, drawn = case(config, batch)
        found = run(written, **inputs)["image"]
        np.testing.assert_allclose(found, drawn, atol=1e-6)
        assert len(np.unique(found)) > 1
        known = inputs["mask"][..., 0] > 0.5
        np.testing.assert_array_equal(found[known], inputs["canvas"][known])


@configs
def test_steps_of_the_host_draw_what_the_model_draws(config, run):
    model = make(config)
    write = fvbn_step_graphs if isinstance(model, fvbn.FVBN) else step_graphs
    files = write(model.network, model.likelihood)
    inputs = {name: shapes_of(file) for name, file in files.items()}
    sessions = {
        name: onnxruntime.InferenceSession(f.SerializeToString()) for name, f in files.items()
    }

    def step(name, **arrays):
        names = [tensor.name for tensor in sessions[name].get_outputs()]
        return dict(zip(names, sessions[name].run(names, arrays), strict=True))

    for batch in (1, 4):
        feed, drawn = case(config, batch)
        np.testing.assert_allclose(draw_by_steps(inputs, step, feed), drawn, atol=1e-6)


@configs
def test_the_density_graph_agrees(config, run):
    model, (inputs, drawn) = make(config), case(config, 4)
    graph = convert(model.graphs()["density"], None, "direct")
    told = {model.condition: inputs[model.condition]} if model.condition else {}
    found = run(graph, image=drawn, **told)["log_likelihood"]
    np.testing.assert_allclose(found, model(drawn, *told.values()), rtol=1e-4, atol=1e-4)


def test_a_phone_draws_what_others_draw(digits, tmp_path):
    """Without Loop: an export of its own graphs, the same images from the same seed."""
    model = make(fvbn.Config((8, 8, 1), hidden=50))
    orders = {"cpu": ("density", *LOOPS), "phone": ("density", "row", "pixel")}
    bundles = [open_bundle(export(model, tmp_path / t, target=t, data=digits)) for t in orders]
    assert [bundle.graphs for bundle in bundles] == list(orders.values())
    assert all(one.ok for graph in bundles[1].check().values() for one in graph.values())
    cpu, phone = (sample(bundle, 2, 3) for bundle in bundles)
    np.testing.assert_array_equal(cpu, phone)


def test_an_unknown_inner_loop_is_named():
    with pytest.raises(ExportError, match="inner must be one of pixels, rows; received 'columns'"):
        write(make(CONFIGS["binary"]), "columns")
