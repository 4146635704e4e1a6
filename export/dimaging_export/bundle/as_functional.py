"""Plain models as the export takes them: a functional graph of float32 layers whose batch is free."""

import inspect
import logging
from typing import Any

import keras
import numpy as np

from dimaging_export.errors import ExportError, first_line
from dimaging_export.graph.interface import names_of, refuse_kept_states
from dimaging_export.graph.quiet import silence

log = logging.getLogger(__name__)

_SHORT = ("float16", "bfloat16")
"""Types in which a model of mixed precision computes."""
_CLOSE = 1e-4
"""Largest difference of a rewritten model, on the scale of its largest value."""


def with_free_batch(model: keras.Sequential) -> keras.Model:
    """Return a Sequential as a graph of any batch: one that was built by a call has that of the call."""
    (x,) = model.inputs
    if x.shape[0] is None:
        return model
    refuse_kept_states(model)
    y = free = keras.Input(x.shape[1:], dtype=x.dtype, name=names_of(model)[0][0])
    for layer in model.layers:
        y = layer(y)
    return keras.Model(free, y, name=model.name)


def of_subclassed(model: Any) -> keras.Model:
    """Return the forward pass of a subclassed model as a functional graph of its own layers.

    `call` is run on symbolic inputs of the shapes that the model was built with, and what comes out is
    compared with the model. ExportError that says what to do for one that was never called, whose `call` is
    not made of layers and keras.ops, or that computes something else on numbers.
    """
    what = f"{type(model).__name__} {model.name!r} is a subclassed model without graphs()"
    mend = (
        "Write it as a functional one, x = keras.Input(shape); keras.Model(x, model.call(x)), or give a "
        "class whose graphs() returns such"
    )
    known = isinstance(
        model, keras.Function
    )  # a functional model whose class has a call() of its own
    shapes = (model.get_build_config() or {}).get("input_shape") if model.built else None
    if shapes is None and not known:
        raise ExportError(
            f"{what}, and nobody knows what it takes: call it once on an array of its one input, and export "
            f"it then. {mend}"
        )
    try:
        with silence():
            inputs = keras.tree.map_structure(_free, model.input) if known else _inputs(shapes)
            outputs = model.call(inputs, **_predicting(model))
            graph = keras.Model(inputs, outputs, name=model.name)
            same = _is_same(model, graph, inputs)
    except Exception as error:  # whatever its own code, Keras and TensorFlow stumble over
        said = f"its call() does not run on symbolic inputs: {first_line(error)}"
        raise ExportError(f"{what}, and {said}. {mend}") from error
    if not same:
        raise ExportError(
            f"{what}, and as a graph it answers otherwise: does it draw random numbers? {mend}"
        )
    return graph


def in_float32(model: Any) -> Any:
    """Return a plain model of mixed precision with the same weights in float32; any other as it is.

    Keras stores the weights of mixed_float16 and mixed_bfloat16 in float32, and a file of fp32 computes with
    them so; "fp16" is a precision of the export.
    """
    if not any(layer.compute_dtype in _SHORT for layer in model._flatten_layers()):
        return model

    def lengthen(op: Any) -> Any:
        config = op.get_config()
        if isinstance(op, keras.Layer):
            config["dtype"] = "float32"
        return type(op).from_config(config)

    whole = keras.models.clone_model(model, clone_function=lengthen, recursive=True)
    whole.set_weights(model.get_weights())
    log.info(
        "%s was trained in mixed precision; it is exported from its float32 weights", model.name
    )
    return whole


def _free(tensor: Any) -> Any:
    """Return a symbolic input like another one, of any batch."""
    return keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name)


def _inputs(shapes: Any) -> Any:
    """Return symbolic inputs of any batch in the structure of the shapes that a model was built with."""
    if isinstance(shapes, dict):
        return {name: _inputs(shape) for name, shape in shapes.items()}
    if any(isinstance(shape, tuple | list) for shape in shapes):
        return [_inputs(shape) for shape in shapes]
    return keras.Input(tuple(shapes)[1:])


def _predicting(model: Any) -> dict[str, bool]:
    """Return the argument of `call` that says that it predicts, where it takes it."""
    return {"training": False} if "training" in inspect.signature(model.call).parameters else {}


def _is_same(model: Any, graph: keras.Model, inputs: Any) -> bool:
    """Return whether the graph computes what the model does, on seeded numbers at batch 2."""
    rng = np.random.default_rng(0)

    def drawn(tensor: Any) -> np.ndarray:
        return rng.random((2, *(size or 32 for size in tensor.shape[1:])), np.float32)

    x = keras.tree.map_structure(drawn, inputs)
    expected, found = (
        [np.asarray(y, np.float64) for y in keras.tree.flatten(run(x, training=False))]
        for run in (model, graph)
    )
    return [y.shape for y in expected] == [y.shape for y in found] and all(
        np.allclose(y, z, rtol=0, atol=_CLOSE * np.abs(y).max(initial=1e-30), equal_nan=True)
        for y, z in zip(expected, found, strict=True)
    )
