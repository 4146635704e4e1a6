"""Every layer of the table: our ONNX against Keras at two batch sizes, and against tf2onnx.

A new emitter gets a row: a name, the shape of one input (without batch), and a function of it.
"""

import functools

import keras
import numpy as np
import pytest
from dimaging_export.convert.to_onnx import convert
from dimaging_export.errors import ExportError
from keras import layers as L

MAP, VECTOR, TOKENS, SERIES = (6, 7, 3), (6,), (5, 6), (9, 3)
gelu_tanh = functools.partial(keras.activations.gelu, approximate=True)


def conv(x):
    return L.Conv2D(4, 3, padding="same")(x)


def twice(x):
    shared = L.Conv2D(3, 3, padding="same", name="shared")
    return shared(shared(x))


def nested(x):
    i = keras.Input((None, None, 3))
    inner = keras.Model(i, L.Conv2D(3, 3, padding="same", activation="relu")(i))
    return inner(inner(x))


def branches(x):
    y = conv(x)
    return L.Concatenate()([L.BatchNormalization()(y), L.ReLU()(y), x])


ROWS = {
    "conv_valid": (MAP, L.Conv2D(4, 3)),
    "conv_same": (MAP, L.Conv2D(4, (3, 2), padding="same", activation="relu")),
    "conv_stride_same": (MAP, L.Conv2D(4, 3, strides=2, padding="same")),
    "conv_stride_wide": (MAP, L.Conv2D(4, 5, strides=3, padding="same", use_bias=False)),
    "conv_stride_valid": (MAP, L.Conv2D(4, 2, strides=2)),
    "conv_dilated": (MAP, L.Conv2D(4, 3, dilation_rate=2, padding="same")),
    "conv_1x1_sigmoid": (MAP, L.Conv2D(1, 1, activation="sigmoid")),
    "conv_groups": ((6, 7, 4), L.Conv2D(6, 3, groups=2)),
    "convt_k2s2": (MAP, L.Conv2DTranspose(4, 2, 2)),
    "convt_k3s2_same": (MAP, L.Conv2DTranspose(4, 3, 2, padding="same", activation="relu")),
    "convt_k5s2_same": (MAP, L.Conv2DTranspose(4, 5, 2, padding="same")),
    "convt_k4s2_same": (MAP, L.Conv2DTranspose(4, 4, 2, padding="same")),
    "convt_k3s2_valid": (MAP, L.Conv2DTranspose(4, 3, 2)),
    "convt_k3s1_same": (MAP, L.Conv2DTranspose(4, 3, 1, padding="same")),
    "convt_k2s3": (MAP, L.Conv2DTranspose(4, 2, 3)),
    "convt_k2s3_same": (MAP, L.Conv2DTranspose(4, (2, 3), (3, 2), padding="same")),
    "convt_padding": (MAP, L.Conv2DTranspose(4, 3, 2, padding="same", output_padding=1)),
    "depthwise": (MAP, L.DepthwiseConv2D(3, padding="same", depth_multiplier=2)),
    "depthwise_stride": (MAP, L.DepthwiseConv2D(3, strides=2, padding="same")),
    "separable": (MAP, L.SeparableConv2D(5, 3, padding="same", depth_multiplier=2)),
    "conv1d": (SERIES, L.Conv1D(4, 3, activation="relu")),
    "conv1d_same": (SERIES, L.Conv1D(4, 4, strides=2, padding="same", use_bias=False)),
    "conv1d_causal": (SERIES, L.Conv1D(4, 3, dilation_rate=2, padding="causal")),
    "conv1d_groups": ((9, 4), L.Conv1D(6, 3, groups=2)),
    "conv1d_norm": (SERIES, lambda x: L.PReLU()(L.BatchNormalization()(L.Conv1D(4, 3)(x)))),
    "conv1d_prelu": (SERIES, lambda x: L.PReLU("uniform", shared_axes=[1])(L.Conv1D(4, 3)(x))),
    "conv1d_chain": (SERIES, lambda x: L.Dense(2)(L.MaxPooling1D(2)(L.Conv1D(4, 3)(x)))),
    "conv1d_softmax": (SERIES, L.Conv1D(4, 3, activation="softmax")),
    "conv1d_residual": (SERIES, lambda x: L.Add()([x, L.Conv1D(3, 3, padding="same")(x)])),
    "conv1d_flatten": (SERIES, lambda x: L.Dense(2)(L.Flatten()(L.Conv1D(4, 3)(x)))),
    "convt1d": (SERIES, L.Conv1DTranspose(4, 3, 2, padding="same")),
    "convt1d_valid": (SERIES, L.Conv1DTranspose(4, 3, 2)),
    "depthwise1d": (SERIES, L.DepthwiseConv1D(3, padding="same", depth_multiplier=2)),
    "separable1d": (SERIES, L.SeparableConv1D(5, 3, padding="same")),
    "max_pool1d": (SERIES, L.MaxPooling1D(3, 2, padding="same")),
    "average_pool1d": (SERIES, L.AveragePooling1D(2)),
    "global_average1d": (SERIES, L.GlobalAveragePooling1D()),
    "global_average1d_kept": (SERIES, L.GlobalAveragePooling1D(keepdims=True)),
    "global_max1d": (SERIES, lambda x: L.GlobalMaxPooling1D()(L.Conv1D(4, 3)(x))),
    "up1d": (SERIES, L.UpSampling1D(3)),
    "cropping1d": (SERIES, L.Cropping1D((2, 1))),
    "zero_padding1d": (SERIES, lambda x: L.ZeroPadding1D((2, 1))(L.Conv1D(4, 3)(x))),
    "dropout1d": (SERIES, L.SpatialDropout1D(0.5)),
    "repeat": (VECTOR, L.RepeatVector(4)),
    "repeat_conv1d": (VECTOR, lambda x: L.Conv1D(2, 3)(L.RepeatVector(4)(x))),
    "each_step": (SERIES, L.TimeDistributed(L.Dense(4, activation="relu"))),
    "each_frame": ((4, 6, 7, 3), L.TimeDistributed(L.Conv2D(2, 3))),
    "dense": (VECTOR, L.Dense(4, activation="tanh")),
    "dense_tokens": (TOKENS, L.Dense(4, activation="relu")),
    "dense_map": (MAP, L.Dense(4, use_bias=False)),
    "max_pool": (MAP, L.MaxPooling2D()),
    "max_pool_same": (MAP, L.MaxPooling2D(3, 2, padding="same")),
    "average_pool": (MAP, L.AveragePooling2D(2)),
    "average_pool_same": (MAP, L.AveragePooling2D(3, 2, padding="same")),
    "global_average": (MAP, L.GlobalAveragePooling2D()),
    "global_average_map": (MAP, L.GlobalAveragePooling2D(keepdims=True)),
    "global_max": (MAP, L.GlobalMaxPooling2D()),
    "up_nearest": (MAP, L.UpSampling2D((2, 3))),
    "up_bilinear": (MAP, L.UpSampling2D(2, interpolation="bilinear")),
    "concatenate": (MAP, lambda x: L.Concatenate()([x, conv(x), x])),
    "concatenate_rows": (MAP, lambda x: L.Concatenate(axis=1)([x, L.Conv2D(3, 1)(x)])),
    "concatenate_vectors": (VECTOR, lambda x: L.Concatenate()([x, L.Dense(2)(x)])),
    "add": (MAP, lambda x: L.Add()([x, L.Conv2D(3, 1)(x), x])),
    "subtract": (MAP, lambda x: L.Subtract()([x, L.Conv2D(3, 1)(x)])),
    "multiply_gate": (MAP, lambda x: L.Multiply()([x, L.GlobalAveragePooling2D(keepdims=True)(x)])),
    "average": (VECTOR, lambda x: L.Average()([x, L.Dense(6)(x)])),
    "maximum": (MAP, lambda x: L.Maximum()([x, L.Conv2D(3, 1)(x)])),
    "minimum": (VECTOR, lambda x: L.Minimum()([x, L.Dense(6)(x)])),
    "operators": (MAP, lambda x: 1.0 - keras.ops.sigmoid(L.Conv2D(3, 1)(x)) * x / 2.0),
    "exp": (VECTOR, lambda x: keras.ops.exp(x) + keras.ops.sqrt(keras.ops.absolute(x))),
    "relu_ceiling": (MAP, L.ReLU(max_value=0.5)),
    "relu_slope": (MAP, L.ReLU(negative_slope=0.1)),
    "leaky": (MAP, L.LeakyReLU(0.3)),
    "elu_layer": (VECTOR, L.ELU(0.5)),
    "prelu": (MAP, lambda x: L.PReLU(alpha_initializer="uniform")(conv(x))),
    "prelu_shared": (MAP, L.PReLU(alpha_initializer="uniform", shared_axes=[1, 2])),
    "softmax_map": (MAP, lambda x: L.Softmax()(conv(x))),
    "softmax_axis": (TOKENS, L.Softmax(axis=1)),
    "softmax_function": (MAP, L.Conv2D(4, 1, activation="softmax")),
    "activation_layer": (MAP, L.Conv2D(4, 1, activation=L.LeakyReLU(0.2))),
    "gelu_tanh": (VECTOR, L.Activation(gelu_tanh)),
    "batch_norm": (MAP, L.BatchNormalization()),
    "batch_norm_vector": (VECTOR, L.BatchNormalization(scale=False)),
    "conv_batch_norm": (MAP, lambda x: L.ReLU()(L.BatchNormalization()(conv(x)))),
    "convt_batch_norm": (MAP, lambda x: L.BatchNormalization()(L.Conv2DTranspose(4, 3, 2)(x))),
    "depthwise_batch_norm": (MAP, lambda x: L.BatchNormalization()(L.DepthwiseConv2D(3)(x))),
    "dense_batch_norm": (VECTOR, lambda x: L.BatchNormalization(center=False)(L.Dense(4)(x))),
    "layer_norm": (MAP, lambda x: L.LayerNormalization()(conv(x))),
    "layer_norm_plain": (TOKENS, L.LayerNormalization(scale=False, center=False)),
    "rescaling": (MAP, L.Rescaling(2.0, -1.0)),
    "rescaling_channels": (MAP, L.Rescaling([1.0, 2.0, 3.0], [0.0, 0.1, 0.2])),
    "normalization": (MAP, L.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 4.0, 0.0])),
    "normalization_scalar": (VECTOR, L.Normalization(axis=None, mean=0.5, variance=2.0)),
    "normalization_inverse": (MAP, L.Normalization(mean=0.5, variance=2.0, invert=True, axis=None)),
    "reshape": (VECTOR, L.Reshape((3, -1))),
    "flatten_map": (MAP, L.Flatten()),
    "flatten_conv": (MAP, lambda x: L.Flatten()(conv(x))),
    "flatten_dense": (MAP, lambda x: L.Dense(4)(L.Dropout(0.5)(L.Flatten()(conv(x))))),
    "flatten_relu_dense": (MAP, lambda x: L.Dense(4)(L.ReLU()(L.Flatten()(conv(x))))),
    "dense_to_map": (VECTOR, lambda x: conv(L.Reshape((3, 4, 2))(L.Dense(24, "relu")(x)))),
    "dense_norm_to_map": (
        VECTOR,
        lambda x: conv(L.Reshape((3, 4, 2))(L.ReLU()(L.BatchNormalization()(L.Dense(24)(x))))),
    ),
    "dense_to_image": (VECTOR, lambda x: L.Reshape((3, 4, 1))(L.Dense(12, "sigmoid")(x))),
    "permute": (MAP, lambda x: L.Permute((2, 1, 3))(conv(x))),
    "cropping": (MAP, L.Cropping2D(((1, 2), (0, 1)))),
    "cropping_conv": (MAP, lambda x: L.Cropping2D(1)(conv(x))),
    "zero_padding": (MAP, L.ZeroPadding2D(((1, 2), (0, 3)))),
    "training_only": (MAP, lambda x: L.SpatialDropout2D(0.5)(L.GaussianNoise(1.0)(conv(x)))),
    "shared": (MAP, twice),
    "nested": (MAP, nested),
    "branches": (MAP, branches),
    "one_channel": ((6, 7, 1), lambda x: L.Conv2D(1, 3, padding="same")(x)),
    "sequential": (MAP, lambda x: keras.Sequential([L.Conv2D(2, 1), L.Flatten(), L.Dense(3)])(x)),
    **{
        f"activation_{name}": (VECTOR, L.Activation(name))
        for name in (
            "relu relu6 sigmoid tanh softmax log_softmax linear elu selu softplus softsign silu "
            "gelu mish leaky_relu hard_sigmoid hard_silu hard_tanh exponential"
        ).split()
    },
}  # fmt: skip

ORACLE_FAILS = {
    "conv_groups": "tf2onnx writes StatefulPartitionedCall (tensorflow-onnx#2099)",
    "conv1d_groups": "tf2onnx writes StatefulPartitionedCall (tensorflow-onnx#2099)",
    "convt_k2s3": "tf2onnx writes negative pads for a kernel below the stride",
    "convt_k2s3_same": "tf2onnx writes negative pads for a kernel below the stride",
}


def build(row):
    shape, layer = ROWS[row]
    x = keras.Input(shape, name="x")
    return keras.Model(x, {"y": layer(x)})


def sample(row, batch):
    rng = np.random.default_rng(batch)
    return rng.uniform(-1, 1, (batch, *ROWS[row][0])).astype(np.float32)


@pytest.mark.parametrize("row", ROWS)
def test_equals_keras(row, randomised, run):
    model = randomised(build(row))
    onnx_model = convert(model, converter="direct")
    for batch in (1, 3):
        x = sample(row, batch)
        np.testing.assert_allclose(run(onnx_model, x=x)["y"], model(x)["y"], rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("row", ROWS)
def test_equals_tf2onnx(row, randomised, run):
    model, x = randomised(build(row)), sample(row, 2)
    if row in ORACLE_FAILS:
        with pytest.raises((ExportError, RuntimeError)):
            run(convert(model, converter="tf2onnx"), x=x)
        return
    ours, theirs = (run(convert(model, converter=road), x=x) for road in ("direct", "tf2onnx"))
    np.testing.assert_allclose(ours["y"], theirs["y"], rtol=1e-4, atol=2e-6)
