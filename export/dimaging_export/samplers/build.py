"""Build the samplers of an explicit density, proven and described like every other graph of a bundle.

sampler        a loop over rows, inside it one over pixels: for batches
sampler_rows   a loop over rows, inside it a fixed point of the row: for a few images
row, pixel     the same without loops, called by the host: where Loop is forbidden, and to decode
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import onnx
from dimaging_edge.bundle import schema
from dimaging_edge.generate.stepping import draw_by_steps

from dimaging_export.bundle import targets
from dimaging_export.bundle.build import BuildSpec, Built, build_graphs, describe, real_inputs
from dimaging_export.bundle.real_images import RealData
from dimaging_export.bundle.subject import Subject
from dimaging_export.convert.to_onnx import DIRECT, OPSET
from dimaging_export.errors import ExportError, ParityError
from dimaging_export.graph import passes
from dimaging_export.integer.twin import integer_twin
from dimaging_export.prove import parity
from dimaging_export.prove.runners import Arrays, Graph, onnx_graph
from dimaging_export.samplers import proof
from dimaging_export.samplers.dense import fvbn_samplers
from dimaging_export.samplers.dense_step import fvbn_step_graphs
from dimaging_export.samplers.dense_weights import is_dense
from dimaging_export.samplers.loops import samplers
from dimaging_export.samplers.step import step_graphs
from dimaging_tf.density.base import ExplicitDensity

LOOPS = {"sampler": "pixels", "sampler_rows": "rows"}
"""Name of a sampler with loops -> how its inner loop goes through a row."""
PRECISIONS = ("fp32", "integer")
"""Precisions in which a density is exported."""


def build_density(subject: Subject, spec: BuildSpec, real: RealData | None) -> dict[str, Built]:
    """Build and prove the graphs of an `ExplicitDensity`, and its samplers behind them, by name.

    Raises ExportError for a layer that no sampler knows, ParityError where a file computes something else
    than Keras.
    """
    calibration, judging = real_inputs(subject, spec, real)
    built = build_graphs(subject, spec, calibration, judging)
    return built | _samplers(subject, spec, judging.get("density", {}))


def prepare_density(subject: Subject, spec: BuildSpec, real: RealData | None) -> Subject:
    """Return the subject in this precision, which for "integer" is its integer-valued twin.

    Raises ExportError for another precision than `PRECISIONS`, and for "integer" without data.
    """
    if spec.precision not in PRECISIONS:
        raise ExportError(
            f"precision {spec.precision!r}: a sampler reads its own pixels again, so {subject.name} is "
            "exported as fp32, or as integer: the same bits on every device"
        )
    if spec.precision != "integer":
        return subject
    if real is None:
        raise ExportError(
            f"precision 'integer' needs images to calibrate {subject.name} on, and none were given. Pass "
            "data=: an array [N, H, W, C] or a name such as 'mnist5k' (dimaging export --data mnist5k)"
        )
    images = real.calibration
    inputs = subject.examples(images.x, images.label)["density"]
    twin = integer_twin(subject.model, inputs["image"], inputs.get(subject.model.condition))
    return replace(subject, model=twin, graphs=twin.graphs(), original=subject.model)


@dataclass(frozen=True)
class _Writers:
    """The functions that write the samplers of a kind of network."""

    loops: Callable[[keras.Model, Any], dict[str, onnx.ModelProto]]
    """Writes the samplers with loops, by their inner loop."""
    steps: Callable[[keras.Model, Any], dict[str, onnx.ModelProto]]
    """Writes the graphs "row" and "pixel"."""


def _writers(network: keras.Model) -> _Writers:
    """Choose by the network's layers: masked dense ones, or causal convolutions."""
    if is_dense(network):
        return _Writers(fvbn_samplers, fvbn_step_graphs)
    return _Writers(samplers, step_graphs)


def sampler_files(model: ExplicitDensity) -> dict[str, onnx.ModelProto]:
    """Write the samplers with loops that the network can have, by name."""
    files = _writers(model.network).loops(model.network, model.likelihood)
    return {name: files[inner] for name, inner in LOOPS.items() if inner in files}


def _samplers(subject: Subject, spec: BuildSpec, real: Arrays) -> dict[str, Built]:
    """Write and prove the samplers of `subject`; real: inputs of its density graph, batch first."""
    model = subject.model
    files = sampler_files(model)
    reference = proof.Reference(model)
    built = {}
    for name, file in files.items():
        file.graph.name = name
        run = onnx_graph(file)
        report = {"image": proof.prove_sampler(reference, name, run, real, spec.precision)}
        if "Loop" not in spec.target.forbidden:
            example = proof.example(reference, run, real)
            built[name] = describe_sampler(subject, spec, file, run, example, report)
    if spec.precision == "integer" or not built:
        built |= _steps(subject, spec, onnx_graph(files["sampler"]), real)
    return built


def _steps(subject: Subject, spec: BuildSpec, drawn: Graph, real: Arrays) -> dict[str, Built]:
    """Write the two graphs of the host's loop, and draw an image with them.

    Raises ParityError where it is not the image that `drawn`, the sampler with loops, draws.
    """
    model = subject.model
    files = _writers(model.network).steps(model.network, model.likelihood)
    feed = proof.example(proof.Reference(model), drawn, real)
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
        name: describe_sampler(subject, spec, file, runs[name], seen[name], {})
        for name, file in files.items()
    }


def describe_sampler(
    subject: Subject,
    spec: BuildSpec,
    file: onnx.ModelProto,
    run: Graph,
    examples: Arrays,
    report: parity.Report,
) -> Built:
    """Describe a finished sampler; examples: arrays of all its inputs and outputs, at batch 1."""
    if spec.target.static:
        for tensor in (*file.graph.input, *file.graph.output):
            for dim in tensor.type.tensor_type.shape.dim:
                if dim.dim_param == "batch":
                    dim.dim_value = 1
    ins, outs = (
        tuple(describe(info, examples, subject.ranges) for info in side)
        for side in (file.graph.input, file.graph.output)
    )
    name = file.graph.name
    verdict = targets.check(file, spec.target)
    entry = schema.Graph(name, f"{name}.onnx", ins, outs, OPSET, None, passes.count(file), report)
    return Built(file, entry, examples, run, run, verdict, DIRECT)


def shapes_of(file: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Return input -> its shape at batch 1."""
    dims = {tensor.name: tensor.type.tensor_type.shape.dim for tensor in file.graph.input}
    return {name: tuple(dim.dim_value or 1 for dim in shape) for name, shape in dims.items()}
