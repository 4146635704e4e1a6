"""A tensor of the Keras graph and the forms in which the ONNX file has it so far.

Keras keeps the channels last, onnxruntime computes convolutions with the channels first and
recurrent layers with the time first. A value knows its forms and makes the one that is asked for
only then, once. So a chain of convolutions, or of recurrent layers, carries one Transpose at either
end and none inside, however the graph branches.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from dimaging_export.graph.trace import Shape

LAST = "last"
"""Channels last: the tensor as Keras sees it."""
FIRST = "first"
"""Channels first: [N, C, H, W] or [N, C, T]; for a flattened map [N, C*H*W], its elements in that order."""
TIME = "time"
"""Time first, [T, N, C], as the recurrent operators of ONNX read and write a sequence."""

_AXES = {(FIRST, 3): (0, 2, 1), (FIRST, 4): (0, 3, 1, 2), (TIME, 3): (1, 0, 2)}


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
    frames: "tuple[Value, Value] | None" = None
    """Where a layer made this movie [B, T, ...] frame by frame: its frames as one batch [B T, ...], and
    the movie they were cut from, which knows B and T."""

    @property
    def rank(self) -> int:
        """Number of dimensions, batch included."""
        return len(self.shape)

    @property
    def layout(self) -> str:
        """The form that is there for free; channels first where several are."""
        return next((x for x in (FIRST, LAST, TIME) if x in self.forms or x in self.makers), LAST)

    @property
    def working(self) -> str:
        """The layout in which elementwise layers compute: the free one; of a vector the order of Keras."""
        return self.layout if self.rank > 2 else LAST


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
    return tuple(shape[axis] for axis in axes(len(shape), layout))


def axes(rank: int, layout: str) -> tuple[int, ...]:
    """The Keras axis that each axis of the tensor in this layout is."""
    return _AXES.get((layout, rank), tuple(range(rank)))


def axis_of(axis: int, rank: int, layout: str) -> int:
    """Where a Keras axis (negative counts from the end) lies in the tensor of this layout."""
    return axes(rank, layout).index(axis % rank)


def per_channel(vector: np.ndarray, rank: int, layout: str) -> np.ndarray:
    """A vector [C] (or [1]) that broadcasts over the channels of a tensor of this layout.

    As many dimensions as the tensor: onnxruntime takes 70 times as long for [N, H, W, 1] times [1].
    """
    channels = axis_of(-1, rank, layout)
    return np.asarray(vector, np.float32).reshape([-1 if i == channels else 1 for i in range(rank)])
