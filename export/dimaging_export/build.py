"""One graph from Keras to a proven ONNX file: convert, change precision, prove, carry bytes, prove again."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np
import onnx

from dimaging_edge import schema
from dimaging_export import graph as graphs
from dimaging_export import parity, targets, uint8
from dimaging_export.inputs import BATCHES, STATIC_BATCHES, Arrays, Inputs, example_shapes
from dimaging_export.interface import interface
from dimaging_export.precision import CALIBRATION_IMAGES, change_precision
from dimaging_export.runner import Graph, keras_graph, like_file, onnx_graph
from dimaging_export.subject import Subject
from dimaging_export.to_onnx import DIRECT, OPSET, convert

_LAYOUTS = {2: "NC", 3: "NTC", 4: "NHWC"}
Report = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Order:
    """What is to be built."""

    precision: str
    target: targets.Target
    uint8: bool
    size: tuple[int, int]
    converter: str


@dataclass(frozen=True)
class Built:
    """A finished graph, with what the manifest, the card and the score need to know."""

    model: onnx.ModelProto
    spec: schema.Graph
    examples: Arrays
    """Inputs and Keras' outputs at batch 1, by tensor name, as the file takes and gives them."""
    reference: Graph
    """Keras."""
    floats: Graph
    """The file before its images became bytes: what the figure of merit is computed with."""
    verdict: dict[str, str]
    converter: str


def build(subject: Subject, name: str, order: Order, calibration: Arrays, judging: Arrays) -> Built:
    """Build and prove one graph of `subject`; ExportError or ParityError where that fails.

    calibration, judging: real inputs by name, batch first; empty where there are none.
    """
    keras_model = subject.graphs[name]
    example = example_shapes(interface(keras_model).inputs, judging, order.size)
    shapes = list(example.values()) if order.target.static else None
    base = convert(keras_model, shapes, order.converter)
    free = frozenset(
        t.name for t in base.graph.input if len(_dims(t)) == 4 and isinstance(_dims(t)[1], str)
    )
    batches = STATIC_BATCHES if order.target.static else BATCHES
    inputs = Inputs(example, subject.ranges, judging, free, batches)
    calibrating = Inputs(example, subject.ranges, calibration, free).singles(CALIBRATION_IMAGES)
    floats = change_precision(base, order.precision, calibrating)
    floats.graph.name = name

    reference, runs = keras_graph(keras_model), onnx_graph(floats)
    seen = parity.compare(name, runs, reference, inputs.feeds())
    report = parity.judge(name, seen, order.precision, by_signal=subject.quality is None)
    byte_names = _byte_names(floats, subject.ranges) if order.uint8 else frozenset()
    model = uint8.wrap(floats, byte_names)
    if byte_names:
        report = _prove_bytes(model, byte_names, runs, reference, inputs, order.precision)
    verdict = targets.check(model, order.target)
    feed = inputs.feeds(byte_names)[0]
    arrays = {**feed, **like_file(reference, byte_names)(feed)}
    spec = _spec(
        model, arrays, subject.ranges, byte_names, _macs(base, keras_model, example), report
    )
    return Built(model, spec, arrays, reference, runs, verdict, base.producer_name)


def _prove_bytes(
    model: onnx.ModelProto,
    names: frozenset[str],
    floats: Graph,
    reference: Graph,
    inputs: Inputs,
    precision: str,
) -> Report:
    """Bytes change nothing but the scale (to one grey level); and how far the file is from Keras."""
    name, file, feeds = model.graph.name, onnx_graph(model), inputs.feeds(names)
    parity.judge(name, parity.compare(name, file, like_file(floats, names), feeds), "fp32", names)
    seen = parity.compare(name, file, like_file(reference, names), feeds)
    return parity.judge(name, seen, precision, names)


def _byte_names(model: onnx.ModelProto, ranges: Mapping) -> frozenset[str]:
    sides = [(tensor, True) for tensor in model.graph.input] + [
        (t, False) for t in model.graph.output
    ]
    return frozenset(
        tensor.name
        for tensor, as_input in sides
        if uint8.is_image(_dims(tensor), ranges.get(tensor.name), as_input=as_input)
    )


def _macs(
    model: onnx.ModelProto, keras_model: keras.Model, example: dict[str, tuple[int, ...]]
) -> int | None:
    found = graphs.macs(graphs.with_shapes(model, example))
    if found is None and model.producer_name == DIRECT:
        # A size computed inside the graph stops shape inference; written for one size it is known.
        found = graphs.macs(convert(keras_model, list(example.values()), "direct"))
    return found


def _spec(
    model: onnx.ModelProto,
    arrays: Arrays,
    ranges: Mapping,
    byte_names: frozenset[str],
    macs: int | None,
    report: Report,
) -> schema.Graph:
    def tensor(info: onnx.ValueInfoProto) -> schema.Tensor:
        legal = (0.0, 255.0) if info.name in byte_names else ranges.get(info.name)
        array: np.ndarray = arrays[info.name]
        return schema.Tensor(
            info.name, array.dtype.name, _dims(info), None if legal is None else (float(legal[0]), float(legal[1])),
            _LAYOUTS.get(array.ndim, ""), tuple(array.shape),
        )  # fmt: skip

    graph = model.graph
    return schema.Graph(
        graph.name, f"{graph.name}.onnx", tuple(tensor(t) for t in graph.input),
        tuple(tensor(t) for t in graph.output), OPSET, macs, graphs.count(model), report,
    )  # fmt: skip


def _dims(info: onnx.ValueInfoProto) -> tuple[int | str, ...]:
    return tuple(d.dim_param or d.dim_value for d in info.type.tensor_type.shape.dim)
