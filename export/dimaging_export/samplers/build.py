"""The samplers of an explicit density, proven and described like every other graph of a bundle.

    sampler        Loop in Loop: for batches
    sampler_rows   fixed point of a row: for a few images
    row, pixel     the same without loops, stepped by the host: where Loop is forbidden, and to decode

A sampler needs no reference sampler to be proven: every pixel of its image must be what Keras draws there
from that same image and noise. Only the one sequential sample has this property.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
from dimaging_edge.bundle import schema
from dimaging_edge.generate.stepping import draw_by_steps

from dimaging_export.bundle import targets
from dimaging_export.bundle.build import Built, Order, describe
from dimaging_export.bundle.real_images import RealData
from dimaging_export.bundle.subject import Subject
from dimaging_export.convert.to_onnx import DIRECT, OPSET
from dimaging_export.errors import ExportError, ParityError
from dimaging_export.graph import passes as graphs
from dimaging_export.integer.twin import integer_twin
from dimaging_export.prove import parity
from dimaging_export.prove.inputs import BATCHES
from dimaging_export.prove.runners import Arrays, Graph, onnx_graph
from dimaging_export.samplers.dense import fvbn_sampler
from dimaging_export.samplers.dense_step import fvbn_step_graphs
from dimaging_export.samplers.loops import sampler
from dimaging_export.samplers.plan import plan
from dimaging_export.samplers.step import step_graphs
from dimaging_tf.density.base import ExplicitDensity, uniform
from dimaging_tf.models.fvbn import FVBN

LOOPS = {"sampler": "pixels", "sampler_rows": "rows"}
PRECISIONS = ("fp32", "integer")
MARGINS = (1e-4, 1e-5, 1e-6)
"""Of the noise: where float32 may tip a pixel, either value passes."""


def prepared(subject: Subject, precision: str, real: RealData | None) -> Subject:
    """The subject in this precision: an explicit density becomes its integer-valued twin.

    Raises ExportError where subject and precision do not go together.
    """
    density = isinstance(subject.model, ExplicitDensity)
    if density and precision not in PRECISIONS:
        raise ExportError(
            f"precision {precision!r}: a sampler reads its own pixels again, so {subject.name} is exported "
            "as fp32, or as integer: the same bits on every device"
        )
    if precision != "integer":
        return subject
    if not density or real is None:
        raise ExportError(
            f"precision 'integer' is for explicit densities with data to calibrate on; {subject.name} "
            "is none: choose fp32, fp16 or int8"
        )
    images = real.calibration
    inputs = subject.examples(images.image, images.label)["density"]
    twin = integer_twin(subject.model, inputs["image"], inputs.get(subject.model.condition))
    return replace(subject, model=twin, graphs=twin.graphs(), original=subject.model)


def build_samplers(subject: Subject, order: Order, real: Arrays) -> dict[str, Built]:
    """Write and prove the samplers of `subject`; real: inputs of its density graph, batch first.

    Raises ExportError for a layer that no sampler knows, ParityError where a pixel is not the one
    that Keras draws.
    """
    model = subject.model
    files = sampler_files(model)
    built = {}
    for name, file in files.items():
        file.graph.name = name
        run = onnx_graph(file)
        report = {"image": _prove(model, name, run, real, order.precision)}
        if "Loop" not in order.target.forbidden:
            built[name] = _describe(subject, order, file, run, _example(model, run, real), report)
    if order.precision == "integer" or not built:
        built |= _steps(subject, order, onnx_graph(files["sampler"]), real)
    return built


def sampler_files(model: ExplicitDensity) -> dict[str, onnx.ModelProto]:
    """The samplers with loops."""
    if isinstance(model, FVBN):
        write, kinds = fvbn_sampler, LOOPS
    else:  # a state that runs along the row cannot be drawn for all columns at once
        along = bool(plan(model.network).before)
        write, kinds = sampler, {k: v for k, v in LOOPS.items() if v == "pixels" or not along}
    return {name: write(model.network, model.likelihood, inner) for name, inner in kinds.items()}


def _steps(subject: Subject, order: Order, drawn: Graph, real: Arrays) -> dict[str, Built]:
    """The two graphs of the host's loop; a whole image drawn with them must equal that of `drawn`."""
    model = subject.model
    write = fvbn_step_graphs if isinstance(model, FVBN) else step_graphs
    files = write(model.network, model.likelihood)
    feed = _example(model, drawn, real)
    seen: dict[str, Arrays] = {}
    runs = {name: onnx_graph(file, whole=True) for name, file in files.items()}

    def run(name: str, **arrays: np.ndarray) -> Arrays:
        found = runs[name](arrays)
        seen[name] = {**arrays, **found}  # those of the last row and pixel become the examples
        return found

    inputs = {name: shapes_of(file) for name, file in files.items()}
    image = draw_by_steps(inputs, run, {k: v for k, v in feed.items() if k != "image"})
    if wrong := int((np.abs(image - feed["image"]) > 1e-6).sum()):
        raise ParityError(
            f"graphs 'row' and 'pixel' draw {wrong} of {image.size} values otherwise than 'sampler'. "
            "Nothing was written"
        )
    return {
        name: _describe(subject, order, file, runs[name], seen[name], {})
        for name, file in files.items()
    }


def _describe(
    subject: Subject,
    order: Order,
    file: onnx.ModelProto,
    run: Graph,
    examples: Arrays,
    report: parity.Report,
) -> Built:
    if order.target.static:
        for tensor in (*file.graph.input, *file.graph.output):
            for dim in tensor.type.tensor_type.shape.dim:
                if dim.dim_param == "batch":
                    dim.dim_value = 1
    ins, outs = (
        tuple(describe(info, examples, subject.ranges) for info in side)
        for side in (file.graph.input, file.graph.output)
    )
    name = file.graph.name
    verdict = targets.check(file, order.target)
    spec = schema.Graph(name, f"{name}.onnx", ins, outs, OPSET, None, graphs.count(file), report)
    return Built(file, spec, examples, run, run, verdict, DIRECT)


def shapes_of(file: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Input -> its shape at batch 1."""
    dims = {tensor.name: tensor.type.tensor_type.shape.dim for tensor in file.graph.input}
    return {name: tuple(dim.dim_value or 1 for dim in shape) for name, shape in dims.items()}


def _prove(model: Any, name: str, run: Graph, real: Arrays, precision: str) -> dict[str, float]:
    """Draw with and without a canvas; how far the image may lie from the one that Keras draws."""
    step = 1 / (model.likelihood.levels - 1)
    worst = 0.0
    shifts = (0, -1e-5, 1e-5) if precision == "fp32" else (0,)
    for batch in BATCHES:
        for occluded in (False, True):
            feed = _feed(model, real, batch, seed=batch, occluded=occluded)
            image = run(feed)["image"]
            drawn = [_again(model, image, feed, shift) for shift in shifts]
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
