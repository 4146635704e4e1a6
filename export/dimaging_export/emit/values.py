"""The value of a tensor: the Keras tensor, and the forms in which the ONNX file has it so far.

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
"""The layout with the channels last: the tensor as Keras sees it."""
FIRST = "first"
"""The layout with the channels first: [N, C, H, W], [N, C, D, H, W] or [N, C, T].

A flattened map [N, C*H*W] is in that order too.
"""
TIME = "time"
"""The layout with the time first, [T, N, C], in which ONNX's recurrent operators read and write."""

_AXES = {
    (FIRST, 3): (0, 2, 1),
    (FIRST, 4): (0, 3, 1, 2),
    (FIRST, 5): (0, 4, 1, 2, 3),
    (TIME, 3): (1, 0, 2),
}
"""(Layout, number of axes) -> the Keras axis of each axis."""


@dataclass(eq=False)
class Value:
    """A tensor; `shape` is the one that Keras sees, channels last, None where free."""

    shape: Shape
    forms: dict[str, str] = field(default_factory=dict)
    """Layout -> name of the ONNX tensor that holds this form already."""
    makers: dict[str, Callable[[], str]] = field(default_factory=dict)
    """Layout -> what writes this form without a Transpose, once somebody needs it."""
    order: np.ndarray | None = None
    """Order of a flattened map: element i of the channels-first form is element order[i] of Keras'."""
    affine: "Affine | None" = None
    """The product that made this tensor, as long as nothing has happened to it since."""
    reordered: "Callable[[np.ndarray], Value] | None" = None
    """Returns the vector [N, D] with its elements in another order, at no cost (see `Affine`)."""
    dtype: str = "float32"
    """Type of the Keras tensor."""
    uses: int = 0
    """Number of layers and outputs that read the tensor."""
    frames: "tuple[Value, Value] | None" = None
    """The frames of a movie [B, T, ...] that a layer made frame by frame, as one batch [B T, ...], and
    the movie they were cut from, which knows B and T."""

    @property
    def rank(self) -> int:
        """Number of dimensions, batch included."""
        return len(self.shape)

    @property
    def layout(self) -> str:
        """Layout of the form that is there for free; channels first where several are."""
        return next((x for x in (FIRST, LAST, TIME) if x in self.forms or x in self.makers), LAST)

    @property
    def working(self) -> str:
        """Layout in which elementwise layers compute: the free one, and for a vector that of Keras."""
        return self.layout if self.rank > 2 else LAST


@dataclass(frozen=True)
class Affine:
    """A convolution or matrix product that can be written again with other weights.

    What follows it (a normalisation, a change of order) goes into the weights instead of a node;
    the product that nobody reads any more is swept away with the other dead nodes.
    """

    kernel: np.ndarray
    """Weights [..., channels of the output]."""
    bias: np.ndarray
    """Offsets [channels of the output]."""
    emit: Callable[[np.ndarray, np.ndarray], Value]

    def scaled(self, scale: np.ndarray, shift: np.ndarray) -> Value:
        """Return `scale * y + shift` per output channel, folded into the weights."""
        return self.emit(self.kernel * scale, self.bias * scale + shift)

    def reordered(self, order: np.ndarray) -> Value:
        """Return the output channels in another order: y[:, order]."""
        return self.emit(self.kernel[..., order], self.bias[order])


def first_value(name: str, shape: Sequence[int | None]) -> Value:
    """Return a value that exists with its channels first."""
    return Value(tuple(shape), {FIRST: name})


def last_value(name: str, shape: Sequence[int | None]) -> Value:
    """Return a value that exists as Keras sees it."""
    return Value(tuple(shape), {LAST: name})


def permuted(shape: Shape, layout: str) -> Shape:
    """Return a Keras shape as the ONNX tensor of this layout has it."""
    return tuple(shape[axis] for axis in axes(len(shape), layout))


def axes(rank: int, layout: str) -> tuple[int, ...]:
    """Return the Keras axis of each axis of a tensor in this layout."""
    return _AXES.get((layout, rank), tuple(range(rank)))


def axis_of(axis: int, rank: int, layout: str) -> int:
    """Return where a Keras axis lies in a tensor of this layout; a negative one counts from the end."""
    return axes(rank, layout).index(axis % rank)


def per_channel(vector: np.ndarray, rank: int, layout: str) -> np.ndarray:
    """Return a vector [C] (or [1]) so that it broadcasts over the channels of a tensor of this layout.

    It has as many dimensions as the tensor: onnxruntime takes 70 times as long for [N, H, W, 1] times [1].
    """
    channels = axis_of(-1, rank, layout)
    return np.asarray(vector, np.float32).reshape([-1 if i == channels else 1 for i in range(rank)])
