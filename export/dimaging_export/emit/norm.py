"""Emitters of normalisations and fixed scalings; one factor and one offset a channel fold into a product."""

from typing import Any

import numpy as np
from keras import layers

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.table import emits, unsupported
from dimaging_export.emit.values import LAST, TIME, Value, per_channel


@emits(layers.BatchNormalization, keywords=("mask",))
def batch_normalization(b: Builder, layer: Any, x: Value, mask: Value | None = None) -> Value:
    """Write (y - mean) / sqrt(variance + epsilon) * gamma + beta with the moving statistics.

    A mask tells training which steps to take statistics of, and changes nothing here.
    """
    _check_axis(layer, layer.axis, x)
    scale = 1 / np.sqrt(np.asarray(layer.moving_variance, np.float64) + layer.epsilon)
    if layer.scale:
        scale = scale * np.asarray(layer.gamma, np.float64)
    shift = -np.asarray(layer.moving_mean, np.float64) * scale
    if layer.center:
        shift = shift + np.asarray(layer.beta, np.float64)
    return _scale_shift(b, x, scale, shift)


@emits(layers.Rescaling)
def rescaling(b: Builder, layer: Any, x: Value) -> Value:
    """Write a product with a scale and the addition of an offset; each is one number or one a channel."""
    return _scale_shift(b, x, np.asarray(layer.scale, float), np.asarray(layer.offset, float))


@emits(layers.Normalization)
def normalization(b: Builder, layer: Any, x: Value) -> Value:
    """Write (y - mean) / sqrt(variance), with Keras' guard against a variance of 0; or its inverse."""
    mean, variance = (np.asarray(a, np.float64) for a in (layer.mean, layer.variance))
    if mean.size != 1:
        _check_axis(layer, layer.axis, x)
    deviation = np.maximum(np.sqrt(variance), 1e-7).reshape(-1)
    if layer.invert:
        return _scale_shift(b, x, deviation, mean.reshape(-1))
    return _scale_shift(b, x, 1 / deviation, -mean.reshape(-1) / deviation)


@emits(layers.LayerNormalization)
def layer_normalization(b: Builder, layer: Any, x: Value) -> Value:
    """Write a normalisation over the last axis, with the channels last."""
    _check_axis(layer, layer.axis, x)
    if getattr(layer, "rms_scaling", False):
        raise unsupported(layer, "scales by the root mean square")
    ones = np.ones([x.shape[-1] or 0])
    gamma = np.asarray(layer.gamma) if layer.scale else ones
    beta = np.asarray(layer.beta) if layer.center else 0 * ones
    layout = TIME if x.working == TIME else LAST
    name = b.node(
        "LayerNormalization", b.form(x, layout), b.constant(gamma, "gamma"), b.constant(beta, "beta"),
        axis=-1, epsilon=float(layer.epsilon),
    )  # fmt: skip
    return Value(x.shape, {layout: name})


def _scale_shift(b: Builder, x: Value, scale: np.ndarray, shift: np.ndarray) -> Value:
    if x.affine is not None and x.uses == 1:
        return x.affine.scaled(scale, shift)
    layout = x.working
    name = b.form(x, layout)
    if np.any(scale != 1):
        name = b.node("Mul", name, b.constant(per_channel(scale, x.rank, layout), "scale"))
    if np.any(shift != 0):
        name = b.node("Add", name, b.constant(per_channel(shift, x.rank, layout), "shift"))
    return Value(x.shape, {layout: name})


def _check_axis(layer: Any, axis: Any, x: Value) -> None:
    axes = [axis] if isinstance(axis, int) else list(axis or ())
    if [a % x.rank for a in axes] != [x.rank - 1]:
        raise unsupported(layer, f"normalises axis {axis}, not the last one")
