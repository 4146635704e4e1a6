"""Interval bounds: how far a classifier's logits can move while every pixel moves by up to eps.

Gowal et al. 2018, "On the effectiveness of interval bound propagation" (arXiv 1810.12715).

    box of the image [x - eps, x + eps] ── layer ── box ── layer ── box ── worst logits, z_j - z_y at most

Each layer takes a box, a least and a largest value for every number, to a box that holds whatever the layer
can make of it: W x + b of a box with the middle m and the half width r has the middle W m + b and the half
width |W| r. The box of the last layer is not that of the logits but of their differences to the right one,
which is tighter.
"""

from typing import Any

import keras
import tensorflow as tf
from keras import layers

from dimaging_tf.layers.integer import FloorClip
from dimaging_tf.layers.thermometer import Thermometer


class Box:
    """The least and the largest values of a tensor, and its middle and half width.

    Layers that keep the order of numbers take the ends, linear ones the middle and the half width. Each is
    computed when it is asked for, so nothing is converted between two layers of one kind.
    """

    def __init__(
        self, *, ends: tuple[Any, Any] | None = None, centred: tuple[Any, Any] | None = None
    ):
        self._ends, self._centred = ends, centred

    @property
    def ends(self) -> tuple[Any, Any]:
        """The least and the largest values."""
        if self._ends is None:
            middle, half = self.centred
            self._ends = middle - half, middle + half
        return self._ends

    @property
    def centred(self) -> tuple[Any, Any]:
        """The middle and the half width."""
        if self._centred is None:
            low, high = self._ends  # type: ignore[misc]
            self._centred = (low + high) / 2, (high - low) / 2
        return self._centred


_ORDERED = (
    layers.Flatten,
    layers.Reshape,
    layers.ReLU,
    layers.MaxPooling2D,
    Thermometer,
    FloorClip,
)
"""Layers that keep the order of numbers, so that the ends of a box go through them as they are."""


def worst_logits(
    network: keras.Model, image: Any, label: Any, eps: Any, training: bool = False
) -> Any:
    """Return upper bounds of z_j - z_y [B, classes] over all images within eps; 0 at y.

    network  layers in a row, the last a Dense without activation: image [B, ...] in [0, 1] -> logits
    label    int [B]: y
    eps      scalar, or [B, 1, ...] for each image: largest change of a pixel (linf)
    training batch norms take mean and variance from the middles of this batch's boxes, and keep them

    An image is certified where all bounds but the own are below 0. TypeError names a layer without bounds.
    """
    box = Box(ends=(tf.maximum(image - eps, 0.0), tf.minimum(image + eps, 1.0)))
    *hidden, last = [x for x in network.layers if not isinstance(x, layers.InputLayer)]
    if not isinstance(last, layers.Dense) or last.activation is not keras.activations.linear:
        raise TypeError(f"the last layer must be Dense without activation. Received: {last.name!r}")
    for layer in hidden:
        box = _through(layer, box, training)
    middle, half = box.centred
    kernel, bias = tf.transpose(last.kernel), tf.convert_to_tensor(last.bias)
    apart = kernel[None] - tf.gather(kernel, label)[:, None]  # [B, classes, units]
    moved = tf.linalg.matvec(apart, middle) + tf.linalg.matvec(tf.abs(apart), half)
    return moved + bias[None] - tf.gather(bias, label)[:, None]


def _through(layer: Any, box: Box, training: bool) -> Box:
    """Return the box behind one layer."""
    if isinstance(layer, layers.Conv2D | layers.Dense):
        middle, half = box.centred
        kernel = tf.convert_to_tensor(layer.kernel)
        middle, half = _linear(layer, middle, kernel), _linear(layer, half, tf.abs(kernel))
        if layer.bias is not None:
            middle = middle + layer.bias
        box = Box(centred=(middle, half))
        if layer.activation is keras.activations.linear:
            return box
        return Box(ends=(layer.activation(box.ends[0]), layer.activation(box.ends[1])))
    if isinstance(layer, layers.BatchNormalization):
        return _normalised(layer, box, training)
    if isinstance(layer, _ORDERED):
        return Box(ends=(layer(box.ends[0]), layer(box.ends[1])))
    if isinstance(layer, layers.Dropout):
        return box
    raise TypeError(f"layer {layer.name!r} ({type(layer).__name__}) has no interval bounds")


def _normalised(layer: Any, box: Box, training: bool) -> Box:
    """Return the box behind a batch norm, which multiplies its half width by the size of the factor."""
    middle, half = box.centred
    mean, variance = (tf.convert_to_tensor(v) for v in (layer.moving_mean, layer.moving_variance))
    if training:
        mean, variance = tf.nn.moments(middle, list(range(len(middle.shape) - 1)))
        for kept, found in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
            kept.assign(kept * layer.momentum + found * (1 - layer.momentum))
    factor = layer.gamma * tf.math.rsqrt(variance + layer.epsilon)
    return Box(centred=(middle * factor + (layer.beta - mean * factor), half * tf.abs(factor)))


def _linear(layer: Any, x: Any, kernel: Any) -> Any:
    if isinstance(layer, layers.Dense):
        return tf.matmul(x, kernel)
    return tf.nn.conv2d(x, kernel, layer.strides, layer.padding.upper())
