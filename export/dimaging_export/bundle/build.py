"""Build the graphs of a model as proven ONNX files: convert, change precision, prove, carry bytes.

`build_plain` is all that a model without a family of its own needs; a family that adds graphs starts from
`build_graphs` (see `samplers/build.py`).
"""

import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from dimaging_edge.bundle import schema

from dimaging_export.bundle import targets
from dimaging_export.bundle.real_images import RealData
from dimaging_export.bundle.subject import Subject
from dimaging_export.convert.to_onnx import DIRECT, MIXED, OPSET, convert
from dimaging_export.errors import ExportError, ParityError, PrecisionError
from dimaging_export.graph import passes
from dimaging_export.graph.interface import input_shapes, refuse_kept_states
from dimaging_export.graph.masks import left_out
from dimaging_export.graph.weights import join
from dimaging_export.precision import image_bytes
from dimaging_export.precision.reduced import CALIBRATION_IMAGES, change_precision, is_calibrated
from dimaging_export.prove import parity
from dimaging_export.prove.half_range import beyond_half
from dimaging_export.prove.inputs import (
    BATCHES,
    STATIC_BATCHES,
    Inputs,
    Ranges,
    example_shapes,
    one_by_one,
)
from dimaging_export.prove.runners import Arrays, Graph, as_bytes_like, keras_graph, onnx_graph

log = logging.getLogger(__name__)

_LAYOUTS = {2: "NC", 3: "NTC", 4: "NHWC", 5: "NTHWC"}
"""Number of a tensor's axes -> its layout, as the manifest names it."""


@dataclass(frozen=True)
class BuildSpec:
    """The settings of an export, the same for all graphs of a bundle."""

    precision: str
    target: targets.Target
    uint8: bool
    size: tuple[int, int]
    converter: str
    by_score: bool
    """True where the model's figure of merit judges the precision; else the SQNR of each graph does."""
    float_tail: int = 1
    """Number of the last products of an int8 graph that stay float32."""


@dataclass(frozen=True)
class Built:
    """A finished graph, and what the manifest, the card and the score need to know of it."""

    model: onnx.ModelProto
    entry: schema.Graph
    """The graph's entry in bundle.json."""
    examples: Arrays
    """Inputs and Keras' outputs at batch 1, by tensor name, in the types of the file."""
    reference: Graph
    """A run of the graph in Keras."""
    floats: Graph
    """A run of the file before its images became bytes, for the figure of merit."""
    verdict: dict[str, str]
    """Verdicts of onnxruntime's mobile checker, for a target that asks it."""
    converter: str
    float_tail: int = 0
    """Number of the last products that stay float32 in a graph calibrated for int8; 0 for any other graph."""
    sizes: tuple[tuple[int, ...], ...] = ()
    """Sizes it was proven at, where they are free: (height, width) of images, (steps,) of anything else."""
    files: dict[str, bytes] = field(default_factory=dict)
    """Name -> content of raw tables that lie beside the graph in the bundle."""
    stands_for: dict[str, tuple[Graph, Graph]] = field(default_factory=dict)
    """Graph of the model that this bundle has in parts -> (run in Keras, run of the parts), for the score."""


def build_plain(subject: Subject, spec: BuildSpec, real: RealData | None) -> dict[str, Built]:
    """Build and prove every graph of `subject`, by name; ExportError or ParityError where that fails."""
    return build_graphs(subject, spec, *real_inputs(subject, spec, real))


def real_inputs(
    subject: Subject, spec: BuildSpec, real: RealData | None
) -> tuple[dict[str, Arrays], dict[str, Arrays]]:
    """Return two dicts, graph -> input -> real values: to calibrate on, and to prove with.

    Both are empty without data. The first is made for int8 alone, which is the only one to calibrate.
    """
    if real is None:
        return {}, {}
    calibration = {}
    if spec.precision == "int8":
        calibration = subject.examples(real.calibration.x, real.calibration.label)
    return calibration, subject.examples(real.judging.x, real.judging.label)


def build_graphs(
    subject: Subject,
    spec: BuildSpec,
    calibration: dict[str, Arrays],
    judging: dict[str, Arrays],
) -> dict[str, Built]:
    """Build and prove every graph of `subject`; the model's own files lie beside the first.

    calibration, judging: graph -> real inputs by name, batch first, to calibrate on and to prove with.
    """
    built = {}
    for name in subject.graphs:
        log.info("building graph %s", name)
        built[name] = build_graph(
            subject, name, spec, calibration.get(name, {}), judging.get(name, {})
        )
    next(iter(built.values())).files.update(getattr(subject.model, "files", dict)())
    return built


def build_graph(
    subject: Subject, name: str, spec: BuildSpec, calibration: Arrays, real: Arrays
) -> Built:
    """Build and prove one graph of `subject`; ExportError or ParityError where that fails.

    calibration, real: real inputs by name, batch first, to calibrate on and to prove with.
    """
    for arrays in (calibration, real):
        _check_ranges(name, arrays, subject.ranges)
    keras_model = subject.graphs[name]
    example = example_shapes(input_shapes(keras_model), real, spec.size)
    refuse_kept_states(keras_model)
    static = spec.target.static
    if not static:
        _refuse_fixed_batch(name, keras_model)
    base = convert(keras_model, list(example.values()) if static else None, spec.converter)
    batches = STATIC_BATCHES if static else BATCHES
    reference = keras_graph(keras_model)
    inputs = Inputs(
        example, _proof_ranges(subject, real), real, _free(base), batches,
        types=_types(base), **left_out(keras_model),
    ).accepted(reference)  # fmt: skip
    feeds = inputs.feeds()
    answers = [reference(feed) for feed in feeds]
    exact = spec.precision in parity.EXACT
    floats, runs = base, onnx_graph(base)
    try:
        report = parity.prove(name, runs, feeds, answers, spec.precision if exact else "fp32")
    except ParityError as error:
        why = _of_changes(reference, feeds[0], answers[0]) or _of_masks(inputs)
        raise type(error)(f"{error}{why}") from error
    kept = beyond_half(base, feeds) if spec.precision == "fp16" else frozenset()
    if not exact:
        calibrating = one_by_one(calibration, CALIBRATION_IMAGES)
        floats = change_precision(base, spec.precision, calibrating, spec.float_tail, kept)
        runs = onnx_graph(floats)
        try:
            report = parity.prove(
                name, runs, feeds, answers, spec.precision,
                typical=inputs.typical, by_signal=not spec.by_score,
            )  # fmt: skip
        except PrecisionError as error:
            error.by_tail = is_calibrated(base)
            raise

    floats.graph.name = name
    byte_names = _images(floats, subject.ranges) if spec.uint8 else {}
    model = floats
    if byte_names:
        model = image_bytes.wrap(floats, byte_names)
        feeds = inputs.feeds(byte_names)
        answers = [as_bytes_like(reference, byte_names)(feed) for feed in feeds]
        report = _prove_bytes(
            model, byte_names, runs, feeds, answers, spec.precision, inputs.typical
        )
    model = join(model)
    verdict = targets.check(model, spec.target, spec.precision)

    arrays = feeds[0] | answers[0]
    ins, outs = (
        tuple(describe(info, arrays, subject.ranges, byte_names) for info in side)
        for side in (model.graph.input, model.graph.output)
    )
    work = _macs(base, keras_model, example)
    entry = schema.Graph(name, f"{name}.onnx", ins, outs, OPSET, work, passes.count(model), report)
    tail = spec.float_tail if spec.precision == "int8" and is_calibrated(base) else 0
    return Built(
        model, entry, arrays, reference, runs, verdict, base.producer_name, tail,
        tuple(inputs.sizes),
    )  # fmt: skip


def _of_changes(reference: Graph, feed: Arrays, answer: Arrays) -> str:
    """Return what is wrong where Keras answers the same inputs otherwise the second time; else ""."""
    again = reference(feed)
    if all(np.array_equal(again[name], y, equal_nan=True) for name, y in answer.items()):
        return ""
    return (
        ". Keras itself answers the same inputs otherwise at a second run: a layer counts its calls or keeps "
        "something from one to the next. Make that an input and an output"
    )


def _of_masks(inputs: Inputs) -> str:
    """Return what may be wrong where a model skips steps; "" for one that does not."""
    if inputs.skipped is None and not inputs.padded:
        return ""
    return (
        ". It skips steps by a mask: a layer of one's own, or a Lambda, that hands a mask on needs a "
        "compute_mask(inputs, mask=None) that returns it"
    )


def _refuse_fixed_batch(name: str, graph: Any) -> None:
    """Raise ExportError for inputs of a fixed batch: a bundle is proven at several, and runs at any."""
    for tensor, (said, shape) in zip(graph.inputs, input_shapes(graph), strict=True):
        if shape[0] is not None:
            raise ExportError(
                f"graph {name!r}: the batch of input {said!r} is fixed, {list(shape)}. Leave it free, "
                f"keras.Input({tuple(tensor.shape[1:])}), or export for a target of batch 1: target='phone'"
            )


def _proof_ranges(subject: Subject, real: Arrays) -> Ranges:
    """Return the ranges from which the proof draws inputs.

    A plain model declares none; its real inputs say what it is made for, such as numbers above 0.
    """
    if subject.model is not None:
        return subject.ranges
    seen = {k: (float(x.min()), float(x.max())) for k, x in real.items() if x.size}
    return {**seen, **subject.ranges}


def _check_ranges(name: str, arrays: Arrays, ranges: Ranges) -> None:
    """Raise ExportError for an example outside its declared range, for a device would refuse it."""
    for tensor, array in arrays.items():
        low, high = ranges.get(tensor) or (-np.inf, np.inf)
        if array.size and not (low <= array.min() and array.max() <= high):
            raise ExportError(
                f"graph {name!r}: the examples of {tensor!r} reach from {array.min():g} to "
                f"{array.max():g}, outside of its range {low:g} to {high:g}. Mend the model's "
                "examples() or its ranges"
            )


def _prove_bytes(
    model: onnx.ModelProto,
    names: image_bytes.Bytes,
    floats: Graph,
    feeds: list[Arrays],
    answers: list[Arrays],
    precision: str,
    typical: int | None,
) -> parity.Report:
    """Prove that bytes change the scale and nothing else; returns how far the file lies from Keras.

    feeds, answers: inputs and Keras' outputs with the images `names` as bytes; floats: the file before.
    """
    name, file = model.graph.name, onnx_graph(model)
    alike = [as_bytes_like(floats, names)(feed) for feed in feeds]
    parity.prove(name, file, feeds, alike, byte_names=names)
    return parity.prove(name, file, feeds, answers, precision, typical=typical, byte_names=names)


def _images(model: onnx.ModelProto, ranges: Ranges) -> dict[str, tuple[float, float]]:
    """Return the images that are float32 so far: name -> its values of black and white."""
    ins, outs = (
        [
            info.name
            for info in side
            if info.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
            and image_bytes.is_image(_shape(info), ranges.get(info.name), as_input=as_input)
        ]
        for side, as_input in ((model.graph.input, True), (model.graph.output, False))
    )
    return image_bytes.bytes_of({name: ranges.get(name) for name in ins}, outs)


def _types(model: onnx.ModelProto) -> dict[str, str]:
    """Return input -> numpy's name of its type, where that is not float32."""
    kinds = {x.name: x.type.tensor_type.elem_type for x in model.graph.input}
    names = {k: onnx.helper.tensor_dtype_to_np_dtype(v).name for k, v in kinds.items()}
    return {k: name for k, name in names.items() if name != "float32"}


def _free(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    shapes = {info.name: _shape(info) for info in model.graph.input}
    free = {
        name: tuple(axis for axis, size in enumerate(shape) if axis and isinstance(size, str))
        for name, shape in shapes.items()
    }
    return {name: axes for name, axes in free.items() if axes}


def _macs(model: onnx.ModelProto, keras_model: Any, example: dict[str, tuple]) -> int | None:
    found = passes.macs(passes.with_shapes(model, example))
    if found is None and model.producer_name.startswith((DIRECT, MIXED)):
        # A size computed inside the graph stops shape inference; written for one it is known.
        found = passes.macs(convert(keras_model, list(example.values())))
    return found


def describe(
    info: onnx.ValueInfoProto,
    arrays: Arrays,
    ranges: Ranges,
    byte_names: image_bytes.Bytes = (),
) -> schema.Tensor:
    """Return the manifest's entry of an input or output; `arrays` holds an example of it."""
    legal = (0, 255) if info.name in byte_names else ranges.get(info.name)
    array = arrays[info.name]
    return schema.Tensor(
        name=info.name,
        dtype=array.dtype.name,
        shape=_shape(info),
        range=None if legal is None else (float(legal[0]), float(legal[1])),
        layout="NT"
        if array.ndim == 2 and array.dtype.kind == "i"
        else _LAYOUTS.get(array.ndim, ""),
        example=tuple(array.shape),
    )


def _shape(info: onnx.ValueInfoProto) -> tuple[int | str, ...]:
    return tuple(d.dim_param or d.dim_value for d in info.type.tensor_type.shape.dim)
