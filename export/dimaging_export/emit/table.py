"""The table from layer classes to emitters, and the walk that applies it.

An emitter is a function `(builder, layer, *values) -> Value`, or a list of them for a layer of several
outputs. A custom layer joins by one decorated function (see `emit/ours.py`); a layer outside the table
is `Unsupported`, which names it.
"""

from collections.abc import Callable
from typing import Any

import keras

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.values import Value
from dimaging_export.errors import Unsupported
from dimaging_export.graph.trace import Call, Trace, is_functional, trace

Emitter = Callable[..., Any]
_LAYERS: dict[type, tuple[Emitter, tuple[str, ...]]] = {}
"""Layer class -> its emitter, and the keywords of the layer's call that the emitter takes."""
_OPERATIONS: dict[str, tuple[Emitter, tuple[str, ...]]] = {}


def emits(*classes: type, keywords: tuple[str, ...] = ()) -> Callable[[Emitter], Emitter]:
    """Register an emitter for exactly these layer classes: a subclass may compute otherwise.

    keywords: arguments of the layer's call, such as `mask`, that the emitter takes under these names.
    """

    def register(emitter: Emitter) -> Emitter:
        _LAYERS.update(dict.fromkeys(classes, (emitter, keywords)))
        return emitter

    return register


def emits_operation(*names: str) -> Callable[[Emitter], Emitter]:
    """Register an emitter for `keras.ops` functions, by the class names of their operations."""

    def register(emitter: Emitter) -> Emitter:
        _OPERATIONS.update(dict.fromkeys(names, (emitter, ())))
        return emitter

    return register


def emit_model(builder: Builder, walk: Trace, values: list[Value]) -> list[Value]:
    """Write every call of a functional model, nested models inlined; returns the outputs.

    walk: the model unrolled for the shapes of `values`, its inputs.
    """
    uses = walk.uses()
    known = {id(t): value for t, value in zip(walk.inputs, values, strict=True)}
    for call in walk.calls:
        with builder.named(call.op.name):
            results = _emit_call(builder, call, known)
        for tensor, value in zip(keras.tree.flatten(call.output), results, strict=True):
            value.uses = max(value.uses, uses[id(tensor)])
            known[id(tensor)] = value
    return [known[id(tensor)] for tensor in walk.outputs]


def emit_layer(builder: Builder, layer: Any, *args: Any, **keywords: Any) -> Any:
    """Write one layer or operation by its row of the table, a functional model by its own layers."""
    if is_functional(layer) and not keywords:
        values = keras.tree.flatten(args)
        return emit_model(builder, trace(layer, [x.shape for x in values]), values)
    if isinstance(layer, keras.layers.Layer):
        row = _LAYERS.get(type(layer))
        if layer.compute_dtype != "float32":
            raise unsupported(layer, f"computes in {layer.compute_dtype}, not float32")
    else:
        row = _OPERATIONS.get(type(layer).__name__)
    if row is None:
        raise unsupported(layer, "has no emitter in dimaging_export/emit")
    emitter, taken = row
    for name in keywords:
        if name not in taken:
            raise unsupported(layer, "is masked" if name == "mask" else f"is called with {name!r}")
    return emitter(builder, layer, *args, **keywords)


def unsupported(layer: Any, why: str) -> Unsupported:
    """Return the error that says which layer cannot be written and why."""
    return Unsupported(f"layer {layer.name!r} ({type(layer).__name__}) {why}")


def _emit_call(builder: Builder, call: Call, known: dict[int, Value]) -> list[Value]:
    kwargs = dict(call.kwargs)
    if kwargs.pop("training", None):
        raise unsupported(call.op, "is called with training=True")
    given = {k: v for k, v in kwargs.items() if any(x is not None for x in keras.tree.flatten(v))}
    args, keywords = keras.tree.map_structure(
        lambda x: known[id(x)] if isinstance(x, keras.KerasTensor) else x, (call.args, given)
    )
    emitted = emit_layer(builder, call.op, *args, **keywords)
    values = emitted if isinstance(emitted, list) else [emitted]
    expected = [tuple(tensor.shape) for tensor in keras.tree.flatten(call.output)]
    found = [value.shape for value in values]
    if expected != found:
        raise unsupported(call.op, f"gives {expected} in Keras, {found} as emitted")
    return values
