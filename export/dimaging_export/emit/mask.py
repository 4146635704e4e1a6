"""Emitters of masks: which steps of a sequence count, [B, T], as recurrent layers and averages take them.

ONNX knows the length of each sequence (`sequence_lens`), so padding at the end alone; Keras skips any
step. The steps that count are therefore moved to the front in their order, the operator runs over that
many, and its answers are handed back to the steps they belong to. A mask of any shape computes what
Keras computes, with one recurrent operator and no loop.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers
from onnx import TensorProto

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.table import FLOATS, WHOLE, emits, emits_operation, unsupported
from dimaging_export.emit.values import Value, last_value


@emits_operation("NotEqual", reads=(*FLOATS, *WHOLE))
def not_equal(b: Builder, op: Any, x: Value, number: Any) -> Value:
    """Write which tokens are not the padding, or which values do not mark a missing step."""
    if isinstance(number, Value) or np.size(number) != 1:
        raise unsupported(op, "compares two tensors; its emitter knows a tensor and a number")
    source = b.last(x)
    if x.dtype != "float32":  # tokens: constants of a file are float32 or int64
        source = b.node("Cast", source, to=TensorProto.FLOAT)
    return last_value(_differs(b, source, number), x.shape)


@emits_operation("Any", reads=("bool",))
def any_of(b: Builder, op: Any, x: Value) -> Value:
    """Write True where any value of the step is True: bool [B, T, C] -> [B, T]."""
    shape = tuple(op.compute_output_spec(keras.KerasTensor(x.shape, dtype="bool")).shape)
    return last_value(_any(b, b.last(x), op.axis, bool(op.keepdims)), shape)


@emits(layers.Masking)
def masking(b: Builder, layer: Any, x: Value) -> Value:
    """Write zeros at the steps that do not count; the mask itself goes a way of its own."""
    counts = _any(b, _differs(b, b.last(x), layer.mask_value), -1, True)
    return last_value(b.node("Where", counts, b.last(x), b.constant(0.0)), x.shape)


def lengths(b: Builder, mask: Value) -> str:
    """Write how many steps of each sequence count, int32 [B], as the recurrent operators want it."""

    def emit() -> str:
        return b.node(
            "Squeeze", b.node("Cast", _total(b, mask), to=TensorProto.INT32), b.constant([1])
        )

    return _once(mask, "lengths", emit)


def any_counts(b: Builder, mask: Value) -> str:
    """Write whether a sequence has a step that counts, bool [B, 1]; one without keeps its first state."""
    return _once(mask, "any", lambda: b.node("Cast", _total(b, mask), to=TensorProto.BOOL))


def packed(b: Builder, mask: Value, x: Value) -> str:
    """Write the steps that count, moved to the front in their order, [B, T, C]."""

    def emit() -> str:
        steps = b.node("Shape", b.last(mask), start=1, end=2)
        # Equal values keep their order, says the standard: first what counts, then what does not.
        order = b.nodes_of("TopK", [_numbers(b, mask), steps], 2, axis=1)[1]
        return b.node("Unsqueeze", order, b.constant([2]))

    return b.node("GatherND", b.last(x), _once(mask, "order", emit), batch_dims=1)


def unpacked(b: Builder, mask: Value, y: str, *, backwards: bool, zeros: bool) -> str:
    """Write the answers [B, T, C] to the packed steps at the steps they belong to, as Keras hands them out.

    A step that does not count repeats the answer before it (after it, for a layer that runs
    backwards), or is 0 where there is none, or with `zeros`.
    """
    seen = _once(mask, "seen", lambda: b.node("CumSum", _numbers(b, mask), b.constant(1)))
    own = b.node("Max", b.node("Sub", seen, b.constant([1])), b.constant([0]))
    counts = b.last(mask)
    if (
        backwards and not zeros
    ):  # the next step that counts has as its place the number of those so far
        own = b.node("Where", counts, own, seen)
        counts = b.node("Less", own, _total(b, mask))
        own = b.node("Where", counts, own, b.constant([0]))
    elif not zeros:
        counts = b.node("Cast", seen, to=TensorProto.BOOL)
    answers = b.node("GatherND", y, b.node("Unsqueeze", own, b.constant([2])), batch_dims=1)
    return b.node("Where", b.node("Unsqueeze", counts, b.constant([2])), answers, b.constant(0.0))


def pooled(b: Builder, x: Value, mask: Value, keepdims: bool) -> str:
    """Write the mean of the steps that count: [B, T, C] -> [B, C], or [B, 1, C]."""
    weights = b.node("Cast", b.last(mask), to=TensorProto.FLOAT)
    weights = b.node("Unsqueeze", weights, b.constant([2]))
    kept = b.node(
        "Where", b.node("Unsqueeze", b.last(mask), b.constant([2])), b.last(x), b.constant(0.0)
    )
    total, number = (
        b.node("ReduceSum", part, b.constant([1]), keepdims=int(keepdims))
        for part in (kept, weights)
    )
    return b.node("Div", total, number)


def _numbers(b: Builder, mask: Value) -> str:
    """Write 1 where a step counts, and 0 where not, int64 [B, T]."""
    return _once(mask, "numbers", lambda: b.node("Cast", b.last(mask), to=TensorProto.INT64))


def _total(b: Builder, mask: Value) -> str:
    """Write how many steps count, int64 [B, 1]."""
    return _once(mask, "total", lambda: b.node("ReduceSum", _numbers(b, mask), b.constant([1])))


def _once(mask: Value, kind: str, emit: Callable[[], str]) -> str:
    """Write what several layers ask of one mask only once; it is kept beside the mask's layouts."""
    if kind not in mask.forms:
        mask.forms[kind] = emit()
    return mask.forms[kind]


def _differs(b: Builder, source: str, number: Any) -> str:
    return b.node("Not", b.node("Equal", source, b.constant(float(number))))


def _any(b: Builder, source: str, axis: Any, keepdims: bool) -> str:
    """Write whether any value is True along an axis, as int32: ReduceMax takes booleans from opset 20."""
    axes = b.constant(np.atleast_1d(np.asarray(axis)))
    largest = b.node("Cast", source, to=TensorProto.INT32)
    largest = b.node("ReduceMax", largest, axes, keepdims=int(keepdims))
    return b.node("Cast", largest, to=TensorProto.BOOL)
