"""One way to run a graph, in Keras or in onnxruntime: arrays in by name, arrays out by name."""

from collections.abc import Callable

import keras
import numpy as np
import onnx

from dimaging_export.graph.interface import interface_of
from dimaging_export.graph.trace import plain
from dimaging_export.precision.image_bytes import from_bytes, to_bytes
from dimaging_tf.deployable import Arrays

Graph = Callable[[Arrays], Arrays]

_CHUNK = 32
"""Images at once, so that memory does not grow with the data."""


def keras_graph(graph: keras.Model) -> Graph:
    """The reference: Keras, eager, in inference mode."""
    interface, bare = interface_of(graph), plain(graph)

    def run(arrays: Arrays) -> Arrays:
        outputs = keras.tree.flatten(bare([arrays[n] for n, _ in interface.inputs], training=False))
        return {n: np.asarray(y) for (n, _), y in zip(interface.outputs, outputs, strict=True)}

    return lambda arrays: _in_chunks(run, arrays, _CHUNK)


def onnx_graph(model: onnx.ModelProto, whole: bool = False) -> Graph:
    """The file itself on the CPU, as users will run it; image by image where its batch is 1.

    whole: arrays go in as they are, for a graph whose first axis is not the batch.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors: its warnings are about its own optimiser
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    outputs = [tensor.name for tensor in session.get_outputs()]
    batch = session.get_inputs()[0].shape[0]

    def run(arrays: Arrays) -> Arrays:
        values = [np.asarray(y) for y in session.run(outputs, arrays)]
        return dict(zip(outputs, values, strict=True))

    if whole:
        return run
    return lambda arrays: _in_chunks(run, arrays, batch if isinstance(batch, int) else _CHUNK)


def as_bytes_like(graph: Graph, byte_names: frozenset[str]) -> Graph:
    """A float graph as the file is: these tensors as bytes, rounded as the file rounds them."""

    def run(arrays: Arrays) -> Arrays:
        floats = {k: from_bytes(v) if k in byte_names else v for k, v in arrays.items()}
        return {k: to_bytes(v) if k in byte_names else v for k, v in graph(floats).items()}

    return run


def _in_chunks(run: Graph, arrays: Arrays, size: int) -> Arrays:
    total = len(next(iter(arrays.values())))
    parts = [run({k: v[i : i + size] for k, v in arrays.items()}) for i in range(0, total, size)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
