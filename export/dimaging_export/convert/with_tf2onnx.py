"""Conversion by tf2onnx: for a graph with a layer outside our table, and as the oracle of the tests."""

from typing import Any

import keras
import onnx
import tensorflow as tf
from tf2onnx import tf_loader
from tf2onnx.convert import _convert_common

from dimaging_export.convert.tensorflow_ops import write_in_onnx
from dimaging_export.errors import ExportError, first_line
from dimaging_export.graph.interface import Interface
from dimaging_export.graph.quiet import silence


def tf2onnx_model(graph: keras.Model, interface: Interface, opset: int) -> onnx.ModelProto:
    """Convert through a concrete function; names and shapes are those of `interface`.

    An op that tf2onnx does not know is left in the file and not reported: check the result.
    """
    signature = [
        tf.TensorSpec(shape, tensor.dtype, name=f"input_{i}")
        for i, ((_, shape), tensor) in enumerate(zip(interface.inputs, graph.inputs, strict=True))
    ]
    plain = keras.Model(list(graph.inputs), list(graph.outputs))

    @tf.function(input_signature=signature, autograph=False)
    def run(*inputs):
        return [tf.identity(y) for y in keras.tree.flatten(plain(list(inputs), training=False))]

    try:
        ins, outs = ([name for name, _ in side] for side in (interface.inputs, interface.outputs))
        model = convert_function(run.get_concrete_function(), ins, outs, opset)
    except Exception as error:  # whatever Keras, TensorFlow or tf2onnx stumble over
        raise ExportError(f"tf2onnx cannot convert it: {first_line(error)}") from error
    model.producer_name = "tf2onnx"
    return model


def convert_function(function: Any, ins: list[str], outs: list[str], opset: int) -> onnx.ModelProto:
    """Convert a concrete function; its inputs and outputs get these names."""
    # tf2onnx's own from_function makes every tensor that a layer captured (a mask, the mean of a
    # Normalization) an input of the graph, without a word; here they stay constants.
    captured = {internal.name for _, internal in function.graph.captures}
    inputs = [tensor.name for tensor in function.inputs if tensor.name not in captured]
    outputs = [tensor.name for tensor in function.outputs]
    with tf.device("/cpu:0"), silence():
        frozen = tf_loader.from_function(function, inputs, outputs)
        model, _ = _convert_common(
            frozen, opset=opset, continue_on_error=True, input_names=inputs, output_names=outputs,
            tensors_to_rename=dict(zip(inputs + outputs, ins + outs, strict=True)),
        )  # fmt: skip
    write_in_onnx(model)
    return model
