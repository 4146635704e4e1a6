"""One way to run a graph, in Keras or in onnxruntime: arrays in by name, arrays out by name."""

from collections.abc import Callable, Mapping

import keras
import numpy as np
import onnx

from dimaging_export.interface import interface
from dimaging_export.uint8 import from_bytes, to_bytes

Arrays = Mapping[str, np.ndarray]
Graph = Callable[[Arrays], dict[str, np.ndarray]]

_CHUNK = 32


def keras_graph(graph: keras.Model) -> Graph:
    """The reference: Keras, eager, in inference mode."""
    plain = keras.Model(list(graph.inputs), list(graph.outputs))
    face = interface(graph)

    def run(arrays: Arrays) -> dict[str, np.ndarray]:
        inputs = [arrays[name] for name, _ in face.inputs]
        outputs = plain(inputs, training=False)
        values = [np.asarray(y) for y in keras.tree.flatten(outputs)]
        return {name: value for (name, _), value in zip(face.outputs, values, strict=True)}

    return lambda arrays: _in_chunks(run, arrays, _CHUNK)


def onnx_graph(model: onnx.ModelProto) -> Graph:
    """The file itself, on the CPU with the default optimisations; one image at a time if it is static."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    outputs = [tensor.name for tensor in session.get_outputs()]
    batch = session.get_inputs()[0].shape[0]

    def run(arrays: Arrays) -> dict[str, np.ndarray]:
        return dict(zip(outputs, session.run(outputs, dict(arrays)), strict=True))

    return lambda arrays: _in_chunks(run, arrays, batch if isinstance(batch, int) else _CHUNK)


def like_file(graph: Graph, byte_names: frozenset[str]) -> Graph:
    """Keras as the file is: bytes in and out for these tensors, rounded as the file rounds."""

    def run(arrays: Arrays) -> dict[str, np.ndarray]:
        floats = {k: from_bytes(v) if k in byte_names else v for k, v in arrays.items()}
        return {k: to_bytes(v) if k in byte_names else v for k, v in graph(floats).items()}

    return run


def _in_chunks(run: Graph, arrays: Arrays, size: int) -> dict[str, np.ndarray]:
    total = len(next(iter(arrays.values())))
    parts = [run({k: v[i : i + size] for k, v in arrays.items()}) for i in range(0, total, size)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
