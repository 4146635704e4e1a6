"""Emitters that apply one layer to every step of a sequence, or repeat one vector for all of them.

    [B, T, ...] -> [B T, ...] -> the layer -> [B T, ...] -> [B, T, ...]

A movie is one batch of frames while it goes through layers that know no time; frames that go from one
TimeDistributed into the next stay such a batch, with the channels first.
"""

from typing import Any

from keras import layers

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.linear import dense
from dimaging_export.emit.table import ANY, emit_layer, emits, unsupported
from dimaging_export.emit.values import LAST, TIME, Value


@emits(layers.TimeDistributed, keywords=("mask",), reads=ANY)
def time_distributed(b: Builder, layer: Any, x: Value, mask: Value | None = None) -> Value:
    """Write a layer, or a whole functional model, applied to each frame alone."""
    inner = layer.layer
    if mask is not None and getattr(inner, "_call_has_mask_arg", True):
        raise unsupported(layer, f"hands a mask to {type(inner).__name__}")
    if x.frames is None and x.rank == 3 and type(inner) is layers.Dense:
        return dense(b, inner, x)  # a product over the last axis needs no frames
    frames, movie = x.frames or (_folded(b, x), x)
    frames.uses = x.uses
    emitted = emit_layer(b, inner, frames)
    values = emitted if isinstance(emitted, list) else [emitted]
    if len(values) != 1:
        raise unsupported(layer, f"applies {type(inner).__name__}, which has {len(values)} outputs")
    return _unfolded(b, values[0], movie)


@emits(layers.RepeatVector, reads=ANY)
def repeat_vector(b: Builder, layer: Any, x: Value) -> Value:
    """Write a vector n times, [B, C] -> [B, n, C], in either layout."""

    def emit(axis: int) -> str:
        sizes = [layer.n if i == axis else 1 for i in range(3)]
        wide = b.node("Unsqueeze", b.last(x), b.constant([axis]))
        return b.node("Expand", wide, b.constant(sizes, "shape"))

    value = Value((x.shape[0], layer.n, x.shape[1]))
    value.makers = {LAST: b.later(lambda: emit(1)), TIME: b.later(lambda: emit(0))}
    return value


def _folded(b: Builder, x: Value) -> Value:
    """Write all frames as one batch."""
    value = Value((None, *x.shape[2:]), dtype=x.dtype)

    def emit() -> str:
        source = b.last(x)
        if None not in x.shape[2:]:
            return b.node("Reshape", source, b.constant([-1, *x.shape[2:]], "shape"))
        sizes = b.node("Shape", source, start=2)
        return b.node("Reshape", source, b.node("Concat", b.constant([-1]), sizes, axis=0))

    value.makers[LAST] = b.later(emit)
    return value


def _unfolded(b: Builder, frames: Value, movie: Value) -> Value:
    """Return the movie that these frames are; it is written as such for a reader that takes no frames."""
    value = Value((*movie.shape[:2], *frames.shape[1:]), frames=(frames, movie))

    def emit() -> str:
        source, steps = b.last(frames), movie.shape[1]
        if steps is not None and None not in frames.shape[1:]:
            return b.node("Reshape", source, b.constant([-1, steps, *frames.shape[1:]], "shape"))
        sizes = b.node("Shape", b.last(movie), end=2)
        inner = b.node("Shape", source, start=1)
        return b.node("Reshape", source, b.node("Concat", sizes, inner, axis=0))

    value.makers[LAST] = b.later(emit)
    return value
