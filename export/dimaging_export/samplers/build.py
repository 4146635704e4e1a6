"""The samplers of an explicit density, proven and described like every other graph of a bundle.

    sampler        Loop in Loop: for batches
    sampler_rows   fixed point of a row: for a few images

A sampler needs no reference sampler to be proven: every pixel of its image must be what Keras draws there
from that same image and noise. Only the one sequential sample has this property.
"""

from typing import Any

import numpy as np
import tensorflow as tf
from dimaging_edge import schema

from dimaging_export import graph as graphs
from dimaging_export import targets
from dimaging_export.build import Built, Order, describe
from dimaging_export.errors import ParityError
from dimaging_export.runner import Arrays, onnx_graph
from dimaging_export.samplers.loops import sampler
from dimaging_export.subject import Subject
from dimaging_export.to_onnx import DIRECT, OPSET
from dimaging_tf.density import uniform

GRAPHS = {"sampler": "pixels", "sampler_rows": "rows"}
MARGINS = (1e-4, 1e-5, 1e-6)
"""Of the noise: where float32 may tip a pixel, either value passes."""


def build_samplers(subject: Subject, order: Order, real: Arrays) -> dict[str, Built]:
    """Write and prove the samplers of `subject`; real: inputs of its density graph, batch first.

    Raises ExportError for a layer that no sampler knows, ParityError where a pixel is not the one
    that Keras draws.
    """
    return {name: _build(subject, order, name, real) for name in GRAPHS}


def _build(subject: Subject, order: Order, name: str, real: Arrays) -> Built:
    model = subject.model
    file = sampler(model.network, model.likelihood, GRAPHS[name])
    file.graph.name = name
    if order.target.static:
        for tensor in (*file.graph.input, *file.graph.output):
            tensor.type.tensor_type.shape.dim[0].dim_value = 1
    run = onnx_graph(file)
    report = {"image": _prove(model, name, run, real, (1, 3) if order.target.static else (1, 3, 8))}
    examples = _example(model, run, real)
    ins, outs = (
        tuple(describe(info, examples, subject.ranges) for info in side)
        for side in (file.graph.input, file.graph.output)
    )
    verdict = targets.check(file, order.target)
    spec = schema.Graph(name, f"{name}.onnx", ins, outs, OPSET, None, graphs.count(file), report)
    return Built(file, spec, examples, run, run, verdict, DIRECT)


def _prove(model: Any, name: str, run: Any, real: Arrays, batches: tuple) -> dict[str, float]:
    """Draw with and without a canvas; how far the image may lie from the one that Keras draws."""
    step = 1 / (model.likelihood.levels - 1)
    worst = 0.0
    for batch in batches:
        for occluded in (False, True):
            feed = _feed(model, real, batch, seed=batch, occluded=occluded)
            image = run(feed)["image"]
            drawn = [_again(model, image, feed, shift) for shift in (0, -1e-5, 1e-5)]
            apart = np.min([np.abs(image - x) for x in drawn], 0)
            if wrong := int((apart > step / 2).sum()):
                raise ParityError(
                    f"graph {name!r}: {wrong} of {image.size} values are not what Keras draws from the "
                    "same image and noise. Nothing was written"
                )
            worst = max(worst, float(apart.max()))
    return {"max_abs": worst, "allowed": step / 2}


def _again(model: Any, image: np.ndarray, feed: Arrays, shift: float) -> np.ndarray:
    """What Keras draws at every pixel, given the image before it."""
    noise = np.clip(feed["noise"] + np.float32(shift), 1e-9, 1 - 1e-7).astype(np.float32)
    parameters = model.parameters(image, feed.get(model.condition))
    drawn = model.likelihood.draw(parameters, tf.constant(noise)).numpy()
    return np.where(feed["mask"] > 0.5, feed["canvas"], drawn)


def _feed(model: Any, real: Arrays, batch: int, seed: int, occluded: bool = False) -> Arrays:
    """Noise, a canvas (of which a third is kept, or nothing) and the conditions of real images."""
    rng = np.random.default_rng(seed)
    size = (batch, *model.config.shape[:2])
    index = np.arange(batch) % max(1, len(real.get("image", ())))
    feed = {
        "noise": uniform(rng, (*size, model.likelihood.noise)),
        "canvas": np.zeros((*size, model.config.shape[2]), np.float32),
        "mask": np.zeros((*size, 1), np.float32),
    }
    if "image" in real and occluded:
        feed["canvas"] = real["image"][index]
        feed["mask"] = (rng.random((*size, 1)) < 1 / 3).astype(np.float32)
    if model.condition:
        known = real.get(model.condition)
        feed[model.condition] = model.default_condition(batch) if known is None else known[index]
    return feed


def _example(model: Any, run: Any, real: Arrays) -> Arrays:
    """One image drawn with noise that stays clear of every edge, so that all devices must agree."""
    for margin in MARGINS:
        for seed in range(20):
            feed = _feed(model, real, 1, seed)
            image = run(feed)["image"]
            drawn = [_again(model, image, feed, shift) for shift in (-margin, margin)]
            if all(np.abs(image - x).max() < 1e-6 for x in drawn):
                return {**feed, "image": image}
    return {**feed, "image": image}

