"""The integer-valued form of a trained classifier whose pixels are compared with thresholds.

    0 or 1 ── conv, whole sums ── floor, clip: `BITS` bits ── dense, whole sums ── floor, clip ── logits

Weights become multiples of a power of two, as fine as the bound lets them be, and activations whole numbers
at a power-of-two scale each. No sum of absolute terms, doubled as interval bounds double it, reaches 2^24 of
its smallest steps, so float32 makes no error in it, whatever the order: the classifier gives the same bits on
every device, and its certificate holds without any argument about rounding.
"""

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from dimaging_export.errors import ExportError
from dimaging_tf.layers.integer import FloorClip
from dimaging_tf.layers.thermometer import Thermometer

BITS = 10
"""Bits of an activation."""
LIMIT = 1 << 24
"""Bound up to which float32 holds every whole number."""
_FINEST = 24
"""Most binary digits after the point of a weight."""


@dataclass(frozen=True)
class _Signal:
    """A tensor of whole numbers: real value = number * 2^-exponent, 0 <= number <= reach."""

    tensor: Any
    exponent: int
    reach: float


def integer_classifier(network: keras.Model, image: np.ndarray) -> keras.Model:
    """Return an integer-valued network like `network`, image [B, H, W, C] -> {"logits"}.

    image: real images [N, H, W, C], whose activations set the scales. Raises ExportError for layers without
    such a form: it has Thermometer, Conv2D, Dense, Flatten and Dropout, the hidden ones with a ReLU.
    """
    hidden = [x for x in network.layers if not isinstance(x, layers.InputLayer)]
    if not isinstance(hidden[0], Thermometer):
        raise ExportError(
            f"precision 'integer': {network.name} takes pixels as they are, and their products are no whole "
            "numbers. Train one that compares them with thresholds: dimaging train interval_training"
        )
    seen = keras.Model(network.inputs, [x.output for x in hidden])([image], training=False)
    tops = [float(np.abs(np.asarray(y)).max()) for y in keras.tree.flatten(seen)]
    source = keras.Input(network.inputs[0].shape[1:], name=network.inputs[0].name)
    signal = _Signal(source, 0, 1.0)
    for layer, top in zip(hidden[:-1], tops, strict=False):
        signal = _layer(layer, signal, max(top, 1e-3))
    logits = _sum(hidden[-1], signal, 0, 4.0, 0.0)
    return keras.Model(source, {"logits": logits}, name="integer")


def _layer(layer: Any, signal: _Signal, top: float) -> _Signal:
    """Return what a hidden layer makes of a signal; top: its largest real value."""
    if isinstance(layer, Thermometer):
        return _Signal(Thermometer(layer.thresholds)(signal.tensor), 0, 1.0)
    if isinstance(layer, layers.Flatten):
        return _Signal(layers.Flatten()(signal.tensor), signal.exponent, signal.reach)
    if isinstance(layer, layers.Dropout):
        return signal
    if not isinstance(layer, layers.Conv2D | layers.Dense) or layer.activation.__name__ != "relu":
        raise ExportError(
            f"layer {layer.name!r} ({type(layer).__name__}) has no integer form; export with precision='fp32'"
        )
    exponent = math.floor(math.log2((2**BITS - 1) / top))
    total = _sum(layer, signal, exponent, 2.0, 0.5)
    reach = math.ceil(1.25 * top * 2.0**exponent)
    return _Signal(FloorClip(0, reach)(total), exponent, float(reach))


def _sum(layer: Any, signal: _Signal, exponent: int, room: float, half: float) -> Any:
    """Return the products of a layer with whole numbers, in units of 2^-exponent.

    room: how often the largest sum has to fit below 2^24. half: makes the floor behind it round.
    """
    if not isinstance(layer, layers.Conv2D | layers.Dense):
        raise ExportError(f"layer {layer.name!r}: the logits come out of a {type(layer).__name__}")
    twin = type(layer).from_config({**layer.get_config(), "activation": None, "use_bias": True})
    tensor = twin(signal.tensor)
    kernel = np.asarray(layer.kernel, np.float64) * 2.0 ** (exponent - signal.exponent)
    bias = np.zeros(kernel.shape[-1]) if layer.bias is None else np.asarray(layer.bias, np.float64)
    axes = tuple(range(kernel.ndim - 1))
    for steps in range(_FINEST, -1, -1):
        whole, offset = (
            np.rint(a * 2.0**steps) / 2.0**steps for a in (kernel, bias * 2.0**exponent)
        )
        offset = offset + half
        fits = np.abs(whole).sum(axes) * signal.reach + np.abs(offset)
        if room * fits.max() * 2.0 ** max(steps, 1) < LIMIT:
            twin.set_weights([whole, offset])
            return tensor
    raise ExportError(
        f"layer {layer.name!r}: its sums could reach 2^24 at any precision of the weights; export with "
        "precision='fp32'"
    )
