"""Runs of a graph in Keras and in onnxruntime, with one signature: arrays by name in and out."""

from collections.abc import Callable

import keras
import numpy as np
import onnx

from dimaging_export.errors import ExportError, first_line
from dimaging_export.graph.interface import names_of
from dimaging_export.graph.quiet import silence
from dimaging_export.graph.trace import plain
from dimaging_export.graph.weights import outside
from dimaging_export.precision.image_bytes import Bytes, from_bytes, limits, to_bytes
from dimaging_tf.deployable import Arrays

Graph = Callable[[Arrays], Arrays]
"""A run of a graph: input name -> array becomes output name -> array."""

_FEWEST, _MOST = 32, 256
"""Bounds of the number of images that run at once, so that memory does not grow with the data."""
_VALUES = 2**18
"""Values of the largest input that run at once, within these bounds."""


def keras_graph(graph: keras.Model) -> Graph:
    """Return the reference: a run in Keras, in inference mode; ExportError where Keras refuses.

    It is eager, except where bytes meet a layer that prepares data: run eagerly, Resizing rounds its result
    to bytes again, and in a graph, as predict() and a file run it, it does not.
    """
    (ins, outs), bare = names_of(graph), plain(graph)
    model = _as_a_graph(bare) if _prepares_bytes(bare) else bare

    def run(arrays: Arrays) -> Arrays:
        try:
            with silence():
                outputs = keras.tree.flatten(model([arrays[name] for name in ins], training=False))
        except Exception as error:  # its layers and TensorFlow raise unrelated types
            given = ", ".join(
                f"{name} {list(x.shape)} from {x.min():g} to {x.max():g}"
                for name, x in ((name, arrays[name]) for name in ins)
            )
            raise ExportError(
                f"Keras itself does not run graph {graph.name!r} on {given}: {first_line(error)}. Give other "
                "values (data=, --data), or another range (ranges=, --range)"
            ) from error
        return {name: np.asarray(y) for name, y in zip(outs, outputs, strict=True)}

    return lambda arrays: _in_chunks(run, arrays, _chunk(arrays))


def _prepares_bytes(model: keras.Model) -> bool:
    """Return whether whole numbers come in and a layer has a backend of its own, as those for data have."""
    whole = any("int" in tensor.dtype for tensor in model.inputs)
    return whole and any(hasattr(layer, "backend") for layer in model._flatten_layers())


def _as_a_graph(model: keras.Model) -> Callable[..., list]:
    """Return a model's run as a function of TensorFlow, traced once for all sizes."""
    import tensorflow as tf

    specs = [tf.TensorSpec(x.shape, x.dtype) for x in model.inputs]
    traced = tf.function(lambda *x: model(list(x), training=False), input_signature=specs)
    return lambda arrays, training: traced(*arrays)


def onnx_graph(model: onnx.ModelProto, whole: bool = False) -> Graph:
    """Return a run of the file itself on the CPU, as users will run it; image by image where its batch is 1.

    whole: arrays go in as they are, for a graph whose first axis is not the batch.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Fatal ones alone: its warnings are about its own optimiser, and its errors are raised.
    options.log_severity_level = 4
    # A thread that waits sleeps: half of the processor time of a sampler went into waiting.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if held := outside(model):
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in held.values()]
        options.add_external_initializers(list(held), values)
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime raises a dozen unrelated types
        said = str(error).splitlines()[0]
        double = any(x.data_type == onnx.TensorProto.DOUBLE for x in model.graph.initializer)
        mend = "replace the layer that it names"
        if "NOT_IMPLEMENTED" in said and double:
            mend = "it has no such kernel for float64: build the layers with dtype='float32'"
        raise ExportError(
            f"onnxruntime cannot open graph {model.graph.name!r}: {said}. Nothing was written; {mend}"
        ) from error
    outputs = [tensor.name for tensor in session.get_outputs()]
    batch = session.get_inputs()[0].shape[0]

    def run(arrays: Arrays) -> Arrays:
        values = [np.asarray(y) for y in session.run(outputs, arrays)]
        return dict(zip(outputs, values, strict=True))

    if whole:
        return run
    static = batch if isinstance(batch, int) else None
    return lambda arrays: _in_chunks(run, arrays, static or _chunk(arrays))


def as_bytes_like(graph: Graph, byte_names: Bytes) -> Graph:
    """Return a run of a float graph that takes and gives these tensors as bytes, rounded as the file does."""

    def run(arrays: Arrays) -> Arrays:
        floats = _converted(from_bytes, byte_names, arrays)
        return _converted(to_bytes, byte_names, graph(floats))

    return run


def _converted(convert: Callable[..., np.ndarray], names: Bytes, arrays: Arrays) -> Arrays:
    return {k: convert(v, limits(names, k)) if k in names else v for k, v in arrays.items()}


def _chunk(arrays: Arrays) -> int:
    """Return how many images run at once: many small ones, for any run in Keras takes 10 ms."""
    largest = max(array[0].size for array in arrays.values())
    return max(_FEWEST, min(_MOST, _VALUES // max(largest, 1)))


def _in_chunks(run: Graph, arrays: Arrays, size: int) -> Arrays:
    total = len(next(iter(arrays.values())))
    parts = [run({k: v[i : i + size] for k, v in arrays.items()}) for i in range(0, total, size)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
