"""A tensor of the Keras graph and the forms in which the ONNX file has it so far.

Keras keeps the channels last, onnxruntime computes convolutions with the channels first. A value
knows both forms and makes the one that is asked for only then, once. So a chain of convolutions
carries one Transpose at either end and none inside, however the graph branches.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from dimaging_export.graph.trace import Shape

LAST = "last"
"""Channels last: the tensor as Keras sees it."""
FIRST = "first"
"""Channels first: [N, C, H, W]; for a flattened map [N, C*H*W], its elements in that order."""


@dataclass(eq=False)
class Value:
    """One tensor: `shape` as Keras sees it (channels last, None where free)."""

    shape: Shape
    forms: dict[str, str] = field(default_factory=dict)
    """Layout -> name of the ONNX tensor that holds this form already."""
    makers: dict[str, Callable[[], str]] = field(default_factory=dict)
    """Layout -> how to write this form without a Transpose, for when somebody needs it."""
    order: np.ndarray | None = None
    """Of a flattened map: element i of the channels-first form is element order[i] of Keras'."""
    affine: "Affine | None" = None
    """The product that made it, while nothing has happened to it since."""
    reordered: "Callable[[np.ndarray], Value] | None" = None
    """The same vector [N, D] with its elements in another order, at no cost (see `Affine`)."""
    uses: int = 0
    """How many layers and outputs read it."""

    @property
    def rank(self) -> int:
        """Number of dimensions, batch included."""
        return len(self.shape)

    @property
    def layout(self) -> str:
        """The form that is there for free; channels first where both are."""
        return FIRST if FIRST in self.forms or FIRST in self.makers else LAST


@dataclass(frozen=True)
class Affine:
    """A convolution or matrix product that can be written again with other weights.

    What follows it (a normalisation, a change of order) goes into the weights instead of a node;
    the product that nobody reads any more is swept away with the other dead nodes.
    """

    kernel: np.ndarray
    """[..., channels of the output]"""
    bias: np.ndarray
    """[channels of the output]"""
    emit: Callable[[np.ndarray, np.ndarray], Value]

    def scaled(self, scale: np.ndarray, shift: np.ndarray) -> Value:
        """`scale * y + shift` per output channel, folded into the weights."""
        return self.emit(self.kernel * scale, self.bias * scale + shift)

    def reordered(self, order: np.ndarray) -> Value:
        """The output channels in another order: y[:, order]."""
        return self.emit(self.kernel[..., order], self.bias[order])


def first_value(name: str, shape: Sequence[int | None]) -> Value:
    """A value that exists with its channels first."""
    return Value(tuple(shape), {FIRST: name})


def last_value(name: str, shape: Sequence[int | None]) -> Value:
    """A value that exists as Keras sees it."""
    return Value(tuple(shape), {LAST: name})


def permuted(shape: Shape, layout: str) -> Shape:
    """A Keras shape as the ONNX tensor of this layout has it."""
    if layout == LAST or len(shape) != 4:
        return shape
    batch, height, width, channels = shape
    return (batch, channels, height, width)


def axis_of(axis: int, rank: int, layout: str) -> int:
    """Where a Keras axis (negative counts from the end) lies in the tensor of this layout."""
    axis %= rank
    return (0, 2, 3, 1)[axis] if layout == FIRST and rank == 4 else axis


def per_channel(vector: np.ndarray, rank: int, layout: str) -> np.ndarray:
    """A vector [C] (or [1]) that broadcasts over the channels of a tensor of this layout.

    As many dimensions as the tensor: onnxruntime takes 70 times as long for [N, H, W, 1] times [1].
    """
    vector = np.asarray(vector, np.float32).reshape(-1)
    channels_first = layout == FIRST and rank == 4
    return vector.reshape((1, -1, 1, 1) if channels_first else (*[1] * (rank - 1), -1))
