"""A Keras functional model as a list of calls, in the order of execution, for any input shapes.

`keras.models.clone_model` walks the graph; the clone's operations are recorders that hand on shapes
and compute nothing. So the walk uses public Keras only, leaves the model as it was, and lets Keras
itself infer every shape anew for the sizes that are asked for.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import keras

from dimaging_export.emit.values import Shape


@dataclass(frozen=True)
class Call:
    """One layer or operation applied once; tensors are keras.KerasTensor, known by identity."""

    op: keras.Operation
    args: tuple
    kwargs: dict[str, Any]
    output: Any


@dataclass(frozen=True)
class Trace:
    """The model unrolled: what comes in, what is called, what goes out."""

    inputs: list[keras.KerasTensor]
    calls: list[Call]
    outputs: list[keras.KerasTensor]

    def uses(self) -> Counter:
        """Id of a tensor -> number of calls and outputs that read it."""
        count = Counter(id(tensor) for tensor in self.outputs)
        for call in self.calls:
            count.update(
                id(t) for t in keras.tree.flatten((call.args, call.kwargs)) if _is_tensor(t)
            )
        return count


class _Recorder(keras.Operation):
    def __init__(self, op: keras.Operation):
        super().__init__(name=op.name)
        self.op = op

    def compute_output_spec(self, *args, **kwargs):
        # New tensors: an operation that hands its input through would make the clone's graph cyclic.
        spec = self.op.compute_output_spec(*args, **kwargs)
        return keras.tree.map_structure(lambda t: keras.KerasTensor(t.shape, dtype=t.dtype), spec)


def is_functional(op: Any) -> bool:
    """True for a functional model or a built Sequential whose `call` nobody has overridden."""
    if type(op) is keras.Sequential:
        return op.built
    return isinstance(op, keras.Function) and type(op).call is type(_plain(op)).call


def trace(model: keras.Model, shapes: list[Shape] | None = None) -> Trace:
    """Walk `model` with these input shapes (in the order of `model.inputs`; None: the model's own)."""
    shapes = shapes or [tuple(tensor.shape) for tensor in model.inputs]
    inputs = [
        keras.Input(batch_shape=shape, dtype=tensor.dtype)
        for shape, tensor in zip(shapes, model.inputs, strict=True)
    ]
    calls: list[Call] = []

    def record(recorder, *args, **kwargs):
        output = recorder(*args, **kwargs)
        calls.append(Call(recorder.op, args, kwargs, output))
        return output

    clone = keras.models.clone_model(
        _plain(model), input_tensors=inputs, clone_function=_Recorder, call_function=record
    )
    return Trace(inputs, calls, list(clone.outputs))


def _plain(model: Any) -> keras.Model:
    """The same graph as a bare functional model: no compile state, no subclass, no dict of outputs."""
    return keras.Model(list(model.inputs), list(model.outputs))


def _is_tensor(x: Any) -> bool:
    return isinstance(x, keras.KerasTensor)
