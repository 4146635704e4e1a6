"""The table from layer classes to emitters, and the walk that applies it.

An emitter is a function `(builder, layer, *values) -> Value`, or a list of them for a layer of several
outputs. A custom layer joins by one decorated function (see `emit/ours.py`); a layer outside the table
goes to the builder's `other_road`, alone, and is `Unsupported`, which names it, where there is none.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import compress
from typing import Any, NamedTuple

import keras

from dimaging_export.emit.builder import ONNX_TYPES, Builder
from dimaging_export.emit.values import LAST, Value
from dimaging_export.errors import Unsupported
from dimaging_export.graph.trace import Call, Trace, is_functional, trace, trains_unless_told

Emitter = Callable[..., Any]
FLOATS = ("float32",)
"""What most emitters read."""
WHOLE = ("int32", "int64", "int16", "int8", "uint8", "uint16", "uint32")
"""Types of whole numbers."""
ANY = (*FLOATS, *WHOLE, "bool")
"""What an emitter reads that moves elements and does not compute with them."""


class _Row(NamedTuple):
    emitter: Emitter
    keywords: tuple[str, ...]
    """Arguments of the layer's call, other than tensors in their places, that the emitter takes."""
    reads: tuple[str, ...]
    """Types of the tensors that it reads."""


_LAYERS: dict[type, _Row] = {}
"""Layer class -> its row."""
_NAMED: dict[str, _Row] = {}
"""Class name of a layer of Keras' own applications -> its row."""
_OPERATIONS: dict[str, _Row] = {}
"""Class name of an operation of `keras.ops` -> its row."""


def emits(
    *classes: type, keywords: tuple[str, ...] = (), reads: tuple[str, ...] = FLOATS
) -> Callable[[Emitter], Emitter]:
    """Register an emitter for exactly these layer classes: a subclass may compute otherwise.

    keywords: arguments of the layer's call, such as `mask`, that the emitter takes under these names.
    reads: types of the tensors that it can read.
    """

    def register(emitter: Emitter) -> Emitter:
        _LAYERS.update(dict.fromkeys(classes, _Row(emitter, keywords, reads)))
        return emitter

    return register


def emits_named(*names: str) -> Callable[[Emitter], Emitter]:
    """Register an emitter for layers that Keras defines beside its applications and does not export."""

    def register(emitter: Emitter) -> Emitter:
        _NAMED.update(dict.fromkeys(names, _Row(emitter, (), FLOATS)))
        return emitter

    return register


def emits_operation(
    *names: str, keywords: tuple[str, ...] = (), reads: tuple[str, ...] = FLOATS
) -> Callable[[Emitter], Emitter]:
    """Register an emitter for `keras.ops` functions, by the class names of their operations."""

    def register(emitter: Emitter) -> Emitter:
        _OPERATIONS.update(dict.fromkeys(names, _Row(emitter, keywords, reads)))
        return emitter

    return register


def emit_model(builder: Builder, walk: Trace, values: list[Value]) -> list[Value]:
    """Write every call of a functional model, nested models inlined; returns the outputs.

    walk: the model unrolled for the shapes of `values`, its inputs.
    """
    uses = walk.uses()
    known = {id(t): value for t, value in zip(walk.inputs, values, strict=True)}
    for tensor, value in zip(walk.inputs, values, strict=True):
        value.dtype = tensor.dtype
    for call in walk.calls:
        outputs = keras.tree.flatten(call.output)
        if call.inner is not None:  # of a model inside nothing is written that nobody reads
            read = [bool(uses[id(tensor)]) for tensor in outputs]
            inner = call.inner.only(list(compress(call.inner.outputs, read)))
            call, outputs = replace(call, inner=inner), list(compress(outputs, read))
        with builder.named(call.op.name):
            results = _emit_call(builder, call, known, outputs)
        for tensor, value in zip(outputs, results, strict=True):
            value.uses = max(value.uses, uses[id(tensor)])
            known[id(tensor)] = value
    return [known[id(tensor)] for tensor in walk.outputs]


def _emit_inside(builder: Builder, walk: Trace, values: list[Value]) -> list[Value]:
    """Write a model inside another, which casts what it is given to the types of its own inputs."""
    taken = []
    for tensor, value in zip(walk.inputs, values, strict=True):
        if value.dtype != tensor.dtype:
            value = as_type(builder, value, tensor.dtype)
        taken.append(value)
    return emit_model(builder, walk, taken)


def emit_layer(builder: Builder, layer: Any, *args: Any, **keywords: Any) -> Any:
    """Write one layer or operation by its row of the table, a functional model by its own layers."""
    if is_functional(layer) and set(keywords) <= {"mask"}:
        values = keras.tree.flatten(args)
        masks = keras.tree.flatten(keywords.get("mask", [None] * len(values)))
        walk = trace(layer, [x.shape for x in values], [mask is not None for mask in masks])
        return _emit_inside(builder, walk, [*values, *(m for m in masks if m is not None)])
    if isinstance(layer, keras.layers.Layer):
        row = _LAYERS.get(type(layer))
        if type(layer).__module__.startswith("keras.") and row is None:
            row = _NAMED.get(type(layer).__name__)
        if mode := getattr(layer, "quantization_mode", None):
            raise unsupported(layer, f"was quantised by Keras ({mode})")
        if layer.compute_dtype != "float32" and (row is None or "float32" in row.reads):
            raise unsupported(layer, f"computes in {layer.compute_dtype}, not float32")
    else:
        row = _OPERATIONS.get(type(layer).__name__)
    if row is None:
        raise unsupported(layer, "has no emitter in dimaging_export/emit")
    for name in keywords:
        if name not in row.keywords:
            raise unsupported(layer, "is masked" if name == "mask" else f"is called with {name!r}")
    for value in keras.tree.flatten(args):
        if isinstance(value, Value) and value.dtype not in row.reads:
            raise unsupported(
                layer, f"reads {value.dtype}; its emitter knows {', '.join(row.reads)}"
            )
    return row.emitter(builder, layer, *args, **keywords)


def _hands_on(op: Any) -> bool:
    """Return whether a layer's emitter keeps the type of what it reads, whatever Keras says of the result.

    Keras calls the output of a padding, a crop or an augmentation of bytes float32.
    """
    row = _LAYERS.get(type(op))
    return row is not None and row.reads == ANY


def as_type(b: Builder, x: Value, dtype: str) -> Value:
    """Return the same numbers in another type."""
    return Value(x.shape, {LAST: b.node("Cast", b.last(x), to=ONNX_TYPES[dtype])}, dtype=dtype)


def unsupported(layer: Any, why: str) -> Unsupported:
    """Return the error that says which layer cannot be written and why."""
    return Unsupported(f"layer {layer.name!r} ({type(layer).__name__}) {why}")


def _emit_call(
    builder: Builder, call: Call, known: dict[int, Value], outputs: list[keras.KerasTensor]
) -> list[Value]:
    def value_of(x: Any) -> Any:
        return known[id(x)] if isinstance(x, keras.KerasTensor) else x

    try:
        values = _emitted(builder, call, value_of, outputs)
    except Unsupported as error:
        if builder.other_road is None:
            raise
        return builder.other_road(builder, call, value_of, str(error))
    if call.inner is None:  # whose own calls have said it
        for value, tensor in zip(values, outputs, strict=True):
            # Emitters compute in float32 where Keras goes on in float64 for a constant such as np.sqrt(8).
            value.dtype = "float32" if tensor.dtype == "float64" else tensor.dtype
    return values


def _emitted(
    builder: Builder,
    call: Call,
    value_of: Callable[[Any], Any],
    outputs: list[keras.KerasTensor],
) -> list[Value]:
    kwargs = dict(call.kwargs)
    if kwargs.pop("training", None) and not trains_unless_told(call.op):
        raise unsupported(call.op, "is called with training=True")
    given = {k: v for k, v in kwargs.items() if any(x is not None for x in keras.tree.flatten(v))}
    args, keywords = keras.tree.map_structure(value_of, (call.args, given))
    if call.inner is not None:
        taken = [x for x in keras.tree.flatten(keywords) if x is not None]
        emitted = _emit_inside(builder, call.inner, [*keras.tree.flatten(args), *taken])
    else:
        emitted = emit_layer(builder, call.op, *args, **keywords)
    values = emitted if isinstance(emitted, list) else [emitted]
    if _hands_on(call.op):
        kinds = {x.dtype for x in keras.tree.flatten(args) if isinstance(x, Value)}
        values = [
            value if tensor.dtype in (*kinds, "float64") else as_type(builder, value, tensor.dtype)
            for value, tensor in zip(values, outputs, strict=True)
        ]
    expected = [tuple(tensor.shape) for tensor in outputs]
    found = [value.shape for value in values]
    if expected != found:
        raise unsupported(call.op, f"gives {expected} in Keras, {found} as emitted")
    return values
