"""Emitters of our own layers, those of dimaging_tf/layers: how a custom layer gets into the table."""

from typing import Any

import numpy as np

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.cells import Cell, lstm_of, reads_cell
from dimaging_export.emit.linear import conv, dense
from dimaging_export.emit.sequence import recurrent
from dimaging_export.emit.shape import crop
from dimaging_export.emit.table import emits
from dimaging_export.emit.values import TIME, Value, axis_of, first_value, last_value
from dimaging_tf.layers.lstm import SlideLSTM
from dimaging_tf.layers.padding import CropLike, PadToMultiple
from dimaging_tf.layers.rejection import UP, Rejection
from dimaging_tf.layers.spectral import SpectralConv2D, SpectralDense
from dimaging_tf.layers.thermometer import Thermometer

# Their `kernel` is the normalised one, a constant after training.
emits(SpectralConv2D)(conv)
emits(SpectralDense)(dense)


@emits(PadToMultiple)
def pad_to_multiple(b: Builder, layer: Any, x: Value) -> Value:
    """Write one Pad that repeats the border; where the size is free, the pads are -size mod multiple.

    Its channels are first even at the entry: a residual network reads the same image once more at its end.
    """
    shape = tuple(layer.compute_output_shape(x.shape))
    if shape == x.shape and None not in shape[1:3]:
        return x
    source = b.first(x)
    # Pads of all four dimensions: onnxruntime's OpenVINO provider (1.24) knows no `axes` of Pad.
    before = [0] * 6
    if None in shape[1:3]:
        size = b.node("Shape", source, start=2, end=4)
        missing = b.node("Mod", b.node("Neg", size), b.constant([layer.multiple]))
        pads = b.node("Concat", b.constant(before), missing, axis=0)
    else:
        pads = b.constant([*before, *(np.array(shape[1:3]) - np.array(x.shape[1:3]))], "pads")
    return first_value(b.node("Pad", source, pads, mode="edge"), shape)


@emits(CropLike)
def crop_like(b: Builder, layer: Any, x: Value, like: Value) -> Value:
    """Write one Slice at the top left; where the size is free, it is read from the other tensor."""
    shape = tuple(layer.compute_output_shape(x.shape, like.shape))
    if None not in shape[1:3]:
        return x if shape == x.shape else crop(b, x, shape, [0, 0], b.constant(shape[1:3], "ends"))
    first = axis_of(1, 4, like.layout)
    size = b.node("Shape", b.form(like, like.layout), start=first, end=first + 2)
    return crop(b, x, shape, [0, 0], size)


@reads_cell(SlideLSTM)
def slide_cell(layer: SlideLSTM) -> Cell:
    """Read an LSTM whose gates take sigmoids and whose output tanh; its candidate takes either."""
    return lstm_of(layer, ("sigmoid", layer.candidate, "tanh"))


@emits(SlideLSTM, keywords=("initial_state",), reads=("float32", "int32"))
def slide_lstm(b: Builder, layer: SlideLSTM, x: Value, initial_state: Any = None) -> Any:
    """Write one LSTM operator; a token enters it as its one-hot vector, a row of the unit matrix."""
    if layer.tokens:
        unit = b.constant(np.eye(layer.tokens, dtype=np.float32), "one_hot")
        steps_first = b.node("Transpose", b.last(x), perm=[1, 0])
        x = Value((*x.shape, layer.tokens), {TIME: b.node("Gather", unit, steps_first)})
    return recurrent(b, layer, x, initial_state)


@emits(Thermometer)
def thermometer(b: Builder, layer: Thermometer, x: Value) -> Value:
    """Write the comparison with thresholds as a quantiser to whole numbers.

    It rounds as the layer does, and its gradient, like that of every quantiser, passes straight through. The
    zero point of 1 keeps both numbers, 0 and 1, away from the ends of a byte, where a quantiser saturates.
    """
    offsets = np.repeat(np.array(layer.offsets(), np.float32), x.shape[-1] or 1)
    source = b.first(x)
    if len(layer.thresholds) > 1:
        source = b.node("Concat", *[source] * len(layer.thresholds), axis=1)
    moved = b.node("Add", source, b.constant(offsets.reshape(1, -1, *[1] * (x.rank - 2))))
    one, zero = b.constant(1.0), b.constant(np.uint8(1))
    whole = b.node("DequantizeLinear", b.node("QuantizeLinear", moved, one, zero), one, zero)
    return first_value(whole, tuple(layer.compute_output_shape(x.shape)))


@emits(Rejection)
def rejection(b: Builder, layer: Rejection, h: Value, logits: Value) -> Value:
    """Write a support vector machine over codes; the codes are a quantiser, as thresholds are."""
    vectors = np.asarray(layer.vectors, np.float64)
    scaled = b.node("Mul", b.last(h), b.constant(np.float32(layer.scale)))
    cut = b.node("Clip", scaled, b.constant(0.0), b.constant(float(layer.levels - 1)))
    cut = b.node("Add", cut, b.constant(UP))
    one, zero = b.constant(1.0), b.constant(np.uint8(1))
    code = b.node("DequantizeLinear", b.node("QuantizeLinear", cut, one, zero), one, zero)
    kernel = b.constant(2 * layer.gamma * vectors.T)
    inner = b.node("Gemm", code, kernel, b.constant(-layer.gamma * (vectors**2).sum(-1)))
    ones = b.constant(np.full((vectors.shape[1], 1), -layer.gamma))
    length = b.node("MatMul", b.node("Mul", code, code), ones)
    near = b.node("Exp", b.node("Add", inner, length))
    decision = b.node(
        "Gemm", near, b.constant(np.asarray(layer.coefficients)), b.constant(np.asarray(layer.offset))
    )  # fmt: skip
    z = b.last(logits)
    largest = b.node("ReduceMax", z, b.constant(np.array([1])), keepdims=1)
    joined = b.node("Concat", z, b.node("Add", largest, decision), axis=1)
    return last_value(joined, tuple(layer.compute_output_shape(h.shape, logits.shape)))
