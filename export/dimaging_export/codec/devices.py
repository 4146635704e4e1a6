"""A codec's graphs as a browser or a phone takes them: the same model, so that files interchange.

    web      encoder, prior_0, prior_1, decoder    no If; quality is int32, because int64 is BigInt there
    phone    the same, encoder and decoder for windows of one size, with which the edge covers a picture

The prior takes any size and stays on the CPU: its whole numbers must come out exactly.
"""

from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import TensorProto, helper

from dimaging_export.bundle.targets import Target
from dimaging_export.codec.file import prior_file
from dimaging_export.codec.integer_io import whole_ends
from dimaging_export.codec.program import Program
from dimaging_export.convert.to_onnx import convert
from dimaging_export.precision.weight_storage import store_in_bytes, store_in_half
from dimaging_export.prove.runners import Arrays
from dimaging_tf.compression.base import LearnedCodec

DEVICES = ("phone", "web")
"""The targets that get these graphs."""


@dataclass(frozen=True)
class DeviceGraph:
    """A graph for a device: `part_of` is the model's graph, `number` the pass of a prior's part."""

    file: onnx.ModelProto
    part_of: str
    target: Target
    number: int | None = None


def device_graphs(
    model: LearnedCodec, graphs: dict, program: Program, target: Target, size: tuple[int, int]
) -> dict[str, DeviceGraph]:
    """Return the graphs of a codec for a device, by name; size: that of a static target's windows, in pixels.

    graphs: the model's Keras graphs with the weights that files store.
    """
    z, y = (model.latents[name][1] for name in "zy")
    on_cpu = replace(target, static=False, mobile_check=False)
    found = {
        f"prior_{number}": DeviceGraph(prior_file(program, z, y, number), "prior", on_cpu, number)
        for number in (0, 1)
    }
    for name in ("encoder", "decoder"):
        shapes = None
        if target.static:
            shapes = [_shape(tensor, size) for tensor in graphs[name].inputs]
        file = convert(graphs[name], shapes, "direct")
        file = whole_ends(file, model.config.bits, TensorProto.INT32)
        if target.static:
            file = onnx.shape_inference.infer_shapes(file)
        found[name] = DeviceGraph(file, name, target)
    for graph in found.values():
        store_in_bytes(graph.file.graph)
        store_in_half(graph.file.graph)
    return found


def _shape(tensor, size: tuple[int, int]) -> tuple[int, ...]:
    """Return the shape of a Keras input at batch 1 for a window."""
    step = {"z": 32, "y": 8, "image": 1}
    if len(tensor.shape) < 4:
        return (1,)
    by = step[tensor.name]
    return (1, size[0] // by, size[1] // by, tensor.shape[-1])


def window(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a window [1, *size, C] of images [N, H, W, C]; a smaller image is repeated."""
    _, height, width, _ = image.shape
    more = [max(0, wanted - have) for wanted, have in zip(size, (height, width), strict=True)]
    around = np.pad(image[:1], ((0, 0), (0, more[0]), (0, more[1]), (0, 0)), mode="wrap")
    return around[:, : size[0], : size[1]]


def as_the_file_takes(file: onnx.ModelProto, feed: Arrays) -> Arrays:
    """Return the inputs of a file out of `feed`, in its types."""
    kinds = {
        info.name: helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)
        for info in file.graph.input
    }
    return {name: feed[name].astype(kind) for name, kind in kinds.items()}
