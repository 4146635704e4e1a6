"""The sampler of a fully visible belief network without loops: two graphs with the contract of `step`.

    row      row [1], above_image_1 [W, B, C], above_state_1 [1, B, K + O], label   -> context, row_state
    pixel    context [B, S], left_image [B, C], left_near [B, near (+ W C)], noise, canvas, mask
                                                                            -> image, parameters, own_near

state: what the rows above add to hidden units and parameters. near: what the pixels of the own row add to
the units in the window `near` (see `dense`), without the last pixel: that is left_image, for only the host
knows what became of it. The context of a pixel ends with its number, by which it finds its weights.
"""

from typing import Any

import keras
import numpy as np
import onnx

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.likelihoods import draw, prepare
from dimaging_export.samplers.dense_weights import Weights, weights_of
from dimaging_export.samplers.file import whole_model

Tensors = dict[str, tuple[int | str, ...]]


def fvbn_step_graphs(network: keras.Model, likelihood: Any) -> dict[str, onnx.ModelProto]:
    """Write the graphs {"row", "pixel"} of `dimaging_tf.models.fvbn`'s network."""
    shapes = {tensor.name: tuple(tensor.shape) for tensor in network.inputs}
    size = shapes.pop("image")[1:]
    conditions: Tensors = {name: ("batch", *shape[1:]) for name, shape in shapes.items()}
    w = weights_of(network, *size)
    return {"row": _row(w, likelihood, size, conditions), "pixel": _pixel(w, likelihood, size)}


def _row(
    w: Weights, likelihood: Any, size: tuple[int, ...], conditions: Tensors
) -> onnx.ModelProto:
    b, (height, width, channels) = Builder(), size
    states, outputs, units = w.row.shape[2], len(w.first) - w.units, w.near.shape[1]
    index = b.node("Squeeze", "row")
    image = b.node("Transpose", "above_image_1", perm=[1, 0, 2])
    image = b.node("Reshape", image, b.constant([0, width * channels], "shape"))
    row = np.concatenate([np.zeros_like(w.row[:1]), w.row[:-1]])  # nothing lies above the first
    row = b.node("Gather", b.constant(row, "kernel"), index, axis=0)
    state = b.node("Gemm", image, row, b.node("Squeeze", "above_state_1", b.constant([0])))
    known = state if w.direct else _padded(b, state, outputs)
    known = b.node("Add", known, b.constant(w.first, "first"))
    if w.label is not None:
        known = b.node("Gemm", "label", b.constant(w.label, "told"), known)
    parts = b.constant([w.units, outputs], "parts")
    hidden, said = b.nodes_of("Split", [known, parts], 2, axis=1)
    said = b.node("Reshape", said, b.constant([0, height, -1], "shape"))
    said = b.node("Gather", said, index, axis=1)
    far = b.node("Gather", b.constant(w.far, "far"), index, axis=0)
    said = b.node("Gemm", b.node("Relu", hidden), far, said)
    said = b.node("Reshape", said, b.constant([0, width, likelihood.count], "shape"))
    said = b.node("Transpose", said, perm=[1, 0, 2])
    window = b.constant(w.start[:, None] + np.arange(w.window), "window")
    near = b.node("Gather", hidden, b.node("Gather", window, index, axis=0), axis=1)
    if units > w.window:  # the pixels of the row are units that speak for themselves
        near = _padded(b, near, units - w.window)
    number = np.arange(height * width, dtype=np.float32).reshape(height, width, 1, 1)
    number = b.node("Gather", b.constant(number, "number"), index, axis=0)
    places = b.node("Concat", b.node("Shape", said, start=0, end=2), b.constant([1]), axis=0)
    context = [said, *(b.node("Expand", x, places) for x in (near, number))]
    results = {
        "context": b.node("Concat", *context, axis=2),
        "row_state": b.node("Unsqueeze", state, b.constant([0])),
    }
    history: Tensors = {
        "above_image_1": (width, "batch", channels),
        "above_state_1": (1, "batch", states),
    }
    found: Tensors = {
        "context": (width, "batch", likelihood.count + units + 1),
        "row_state": history["above_state_1"],
    }
    return whole_model(b, "row", history | conditions, found, results, {"row": (1,)})


def _pixel(w: Weights, likelihood: Any, size: tuple[int, ...]) -> onnx.ModelProto:
    b, (_, width, channels) = Builder(), size
    units, count = w.near.shape[1], likelihood.count
    own = np.stack([row[:, s : s + w.window] for row, s in zip(w.row, w.start, strict=True)])
    if units > w.window:
        itself = np.broadcast_to(
            np.eye(width * channels, dtype=own.dtype), (len(own), *2 * (width * channels,))
        )
        own = np.concatenate([own, itself], 2)
    sizes = b.constant([count, units, 1], "sizes")
    said, near, number = b.nodes_of("Split", ["context", sizes], 3, axis=1)
    for _ in range(2):  # [B, 1], the same for the whole batch -> []
        number = b.node("Gather", number, b.constant(0), axis=0)
    before = b.node("Max", b.node("Sub", number, b.constant(1.0)), b.constant(0.0))
    index, before = (b.node("Cast", x, to=7) for x in (number, before))
    inputs = b.constant(own.reshape(-1, channels, units), "inputs")
    speech = b.constant(w.near.transpose(0, 2, 1, 3).reshape(-1, units, count), "speech")
    inputs, last, speech = (
        b.node("Gather", x, i, axis=0)
        for x, i in ((inputs, index), (inputs, before), (speech, index))
    )
    learned = b.node("Gemm", "left_image", last, "left_near")
    known = now = b.node("Add", near, learned)
    prepared = [name for name, _ in prepare(b, likelihood, "noise", "canvas", "mask")]
    parameters = pixel = ""
    for _ in range(channels):  # a later pass knows one colour more
        parameters = b.node("Gemm", b.node("Relu", now), speech, said)
        pixel = draw(b, likelihood, parameters, prepared)
        now = b.node("Gemm", pixel, inputs, known)
    given: Tensors = {
        "context": ("batch", count + units + 1),
        "left_image": ("batch", channels),
        "left_near": ("batch", units),
        "noise": ("batch", likelihood.noise),
        "canvas": ("batch", channels),
        "mask": ("batch", 1),
    }
    found: Tensors = {
        "image": ("batch", channels),
        "parameters": ("batch", count),
        "own_near": ("batch", units),
    }
    results = {"image": pixel, "parameters": parameters, "own_near": learned}
    return whole_model(b, "pixel", given, found, results)


def _padded(b: Builder, x: str, zeros: int) -> str:
    """Write [B, n] with zeros behind it: [B, n + zeros]."""
    return b.node("Pad", x, b.constant([0, 0, 0, zeros], "pads"))
