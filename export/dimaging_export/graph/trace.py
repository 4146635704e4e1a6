"""A Keras functional model as a list of calls, in the order of execution, for any input shapes.

`keras.models.clone_model` walks the graph; the clone's operations are recorders that hand on shapes
and compute nothing. So the walk uses public Keras only, leaves the model as it was, and lets Keras
itself infer every shape anew for the sizes that are asked for.
"""

import inspect
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras

from dimaging_export.errors import ExportError
from dimaging_export.graph import masks

Shape = tuple[int | None, ...]
"""A shape as Keras has it; None where free."""


@dataclass(frozen=True)
class Call:
    """One application of a layer or operation; tensors are keras.KerasTensor, known by identity."""

    op: Any
    args: tuple
    kwargs: dict[str, Any]
    output: Any
    """Its tensors; of a model inside that hands masks out a list, with the masks behind the tensors."""
    inner: "Trace | None" = None
    """The walk of a functional model inside, for the shapes and masks that it is called with."""


@dataclass(frozen=True)
class Trace:
    """A model unrolled: its inputs, its calls in the order of execution, its outputs."""

    inputs: list[keras.KerasTensor]
    calls: list[Call]
    outputs: list[keras.KerasTensor]

    def only(self, outputs: list[keras.KerasTensor]) -> "Trace":
        """Return the walk that makes these tensors, without the calls that they do not need."""
        needed, calls = {id(tensor) for tensor in outputs}, []
        for call in reversed(self.calls):
            if needed.intersection(id(tensor) for tensor in keras.tree.flatten(call.output)):
                needed.update(id(x) for x in keras.tree.flatten((call.args, call.kwargs)))
                calls.append(call)
        return Trace(self.inputs, calls[::-1], outputs)

    def uses(self) -> Counter[int]:
        """Return id of a tensor -> number of calls and outputs that read it."""
        count = Counter(id(tensor) for tensor in self.outputs)
        for call in self.calls:
            values = keras.tree.flatten((call.args, call.kwargs))
            count.update(id(x) for x in values if isinstance(x, keras.KerasTensor))
        return count


class _Recorder(keras.Operation):
    def __init__(self, op: keras.Operation):
        super().__init__(name=op.name)
        self.op = op

    def compute_output_spec(self, *args, **kwargs):
        # New tensors: an operation that hands its input through would close a circle.
        spec = self.op.compute_output_spec(*args, **kwargs)
        return keras.tree.map_structure(lambda t: keras.KerasTensor(t.shape, dtype=t.dtype), spec)


def trains_unless_told(op: Any) -> bool:
    """Return whether training=True is only the default of the layer's call, as of Resizing and RandomFlip."""
    parameter = inspect.signature(op.call).parameters.get("training")
    return parameter is not None and parameter.default is True


def is_functional(op: Any) -> bool:
    """Return whether `op` is a functional model or a built Sequential whose `call` nobody has overridden."""
    if type(op) is keras.Sequential:
        return op.built
    return isinstance(op, keras.Function) and type(op).call is type(plain(op)).call


def plain(model: Any) -> keras.Model:
    """Return the same graph as a bare functional model, which takes and gives a list and is not compiled."""
    return keras.Model(list(model.inputs), list(model.outputs))


def trace(model: Any, shapes: Sequence[Shape] | None = None, masked: Sequence[bool] = ()) -> Trace:
    """Walk `model` with these input shapes, in the order of its inputs; by default with its own.

    A functional model inside is a call with a walk of its own.

    masked: which inputs carry a mask [B, T]; a walk of such a model has these as further inputs, at the end.
    ExportError names a layer that is called with training=True: a file only predicts.
    """
    shapes = shapes or [tuple(tensor.shape) for tensor in model.inputs]
    inputs = [
        keras.Input(batch_shape=shape, dtype=tensor.dtype)
        for shape, tensor in zip(shapes, model.inputs, strict=True)
    ]
    given = list(inputs)
    for tensor, carries in zip(given, masked, strict=False):
        if carries:
            inputs.append(keras.Input(batch_shape=tensor.shape[:2], dtype="bool"))
            tensor._keras_mask = inputs[-1]
    calls: list[Call] = []
    known = {id(tensor) for tensor in inputs}

    def record(recorder: _Recorder, *args: Any, **kwargs: Any) -> Any:
        op = recorder.op
        if kwargs.get("training") is True and not trains_unless_told(op):
            raise ExportError(
                f"layer {op.name!r} ({type(op).__name__}) is called with training=True, as "
                "for Monte Carlo dropout; a file only predicts, and no graph draws random numbers. Leave "
                "training=True out, or give the noise as an input: keras.layers.Multiply()([x, mask])"
            )
        output = recorder(*args, **kwargs)
        kwargs = masks.given(op, args, kwargs)
        for tensor in keras.tree.flatten(kwargs):
            if isinstance(tensor, keras.KerasTensor):
                calls.extend(Call(*made) for made in masks.operations(tensor, known))
        if is_functional(op) and set(kwargs) <= {"mask", "training"}:
            call = _inside(op, args, kwargs, output)
        else:
            masks.carry(op, args, kwargs, output)
            call = Call(op, args, kwargs, output)
        calls.append(call)
        known.update(id(tensor) for tensor in keras.tree.flatten(call.output))
        return output

    clone = keras.models.clone_model(
        plain(model), input_tensors=given, clone_function=_Recorder, call_function=record
    )
    return Trace(inputs, calls, list(clone.outputs))


def _inside(model: Any, args: tuple, kwargs: dict[str, Any], output: Any) -> Call:
    """Return the call of a functional model inside another, and give its outputs the masks they leave with.

    Keras hands a mask out of a model: what reads the output of an encoder with an Embedding that masks
    skips the padding too.
    """
    given, outputs = keras.tree.flatten(args), keras.tree.flatten(output)
    taken = keras.tree.flatten(kwargs.get("mask", [None] * len(given)))
    inner = trace(model, [tuple(x.shape) for x in given], [mask is not None for mask in taken])
    known = {id(tensor) for tensor in inner.inputs}
    known.update(id(t) for call in inner.calls for t in keras.tree.flatten(call.output))
    calls, left, carried = list(inner.calls), [], []
    for tensor, made in zip(outputs, inner.outputs, strict=True):
        mask = masks.of(made)
        if mask is None:
            continue
        calls.extend(Call(*one) for one in masks.operations(mask, known))
        left.append(mask)
        carried.append(keras.KerasTensor(mask.shape, dtype=mask.dtype))
        tensor._keras_mask = carried[-1]
    inner = replace(inner, calls=calls, outputs=[*inner.outputs, *left])
    return Call(model, args, kwargs, [*outputs, *carried] if carried else output, inner)
