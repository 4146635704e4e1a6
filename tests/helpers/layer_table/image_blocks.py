"""Rows of image models: the blocks of the networks that people download, and of those they write."""

import keras
from helpers.layer_table.row import Row, chain, joined
from keras import layers as L
from keras import ops

MAP, WIDE = (8, 10, 4), (16, 16, 3)


def conv(filters, kernel=3, **more):
    return L.Conv2D(filters, kernel, **{"padding": "same", **more})


def norm_relu(x):
    return L.ReLU()(L.BatchNormalization()(x))


def basic(stride=1, filters=4):
    def block(x):
        y = norm_relu(conv(filters, strides=stride, use_bias=False)(x))
        y = L.BatchNormalization()(conv(filters, use_bias=False)(y))
        if stride > 1 or x.shape[-1] != filters:
            x = L.BatchNormalization()(conv(filters, 1, strides=stride, use_bias=False)(x))
        return L.Activation("relu")(L.Add()([x, y]))

    return block


def bottleneck(x):
    y = norm_relu(conv(2, 1)(x))
    y = norm_relu(conv(2)(y))
    return L.ReLU()(L.Add()([x, L.BatchNormalization()(conv(4, 1)(y))]))


def preactivation(x):
    y = conv(4)(norm_relu(x))
    return x + conv(4)(norm_relu(y))


def squeeze_excite(x):
    s = L.GlobalAveragePooling2D()(x)
    s = L.Reshape((1, 1, x.shape[-1]))(s)
    s = conv(x.shape[-1], 1, activation="sigmoid")(conv(2, 1, activation="swish")(s))
    return L.Multiply()([x, s])


def squeeze_dense(x):
    s = L.GlobalAveragePooling2D()(x)
    s = L.Dense(x.shape[-1], activation="sigmoid")(L.Dense(2, activation="relu")(s))
    return x * L.Reshape((1, 1, x.shape[-1]))(s)


def inverted(stride=1, act="relu6", excite=False):
    def block(x):
        y = L.Activation(act)(L.BatchNormalization()(conv(12, 1, use_bias=False)(x)))
        if stride > 1:
            y = L.ZeroPadding2D(((0, 1), (0, 1)))(y)
        pad = "same" if stride == 1 else "valid"
        y = L.DepthwiseConv2D(3, strides=stride, padding=pad, use_bias=False)(y)
        y = L.Activation(act)(L.BatchNormalization()(y))
        y = squeeze_excite(y) if excite else y
        y = L.BatchNormalization()(conv(4, 1, use_bias=False)(y))
        return L.Add()([x, L.Dropout(0.2, noise_shape=(None, 1, 1, 1))(y)]) if stride == 1 else y

    return block


def convnext(x):
    y = L.DepthwiseConv2D(7, padding="same")(x)
    y = L.LayerNormalization(epsilon=1e-6)(y)
    y = L.Dense(4)(L.Activation("gelu")(L.Dense(16)(y)))
    from keras.src.applications.convnext import LayerScale, StochasticDepth

    return L.Add()([x, StochasticDepth(0.1)(LayerScale(0.1, 4)(y))])


class OwnScale(keras.layers.Layer):
    """The LayerScale of a user's own ConvNeXt."""

    def build(self, shape):
        self.gamma = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, x):
        return x * self.gamma


def convnext_own(x):
    y = L.LayerNormalization()(L.DepthwiseConv2D(7, padding="same")(x))
    y = L.Dense(4)(L.Dense(16, activation="gelu")(y))
    return x + OwnScale()(y)


def dense_block(x):
    for _ in range(3):
        x = L.Concatenate()([x, conv(2)(norm_relu(conv(4, 1)(norm_relu(x))))])
    return L.AveragePooling2D(2)(conv(4, 1)(norm_relu(x)))


def inception(x):
    a, b = conv(2, 1, activation="relu")(x), conv(3)(conv(2, 1)(x))
    c, d = conv(2, 5)(conv(1, 1)(x)), conv(2, 1)(L.MaxPooling2D(3, 1, padding="same")(x))
    return L.Concatenate()([a, b, c, d])


def xception(x):
    y = L.SeparableConv2D(6, 3, padding="same", use_bias=False)(L.ReLU()(x))
    y = L.MaxPooling2D(3, 2, padding="same")(L.BatchNormalization()(y))
    return L.add([y, conv(6, 1, strides=2)(x)])


def shuffle(x):
    h, w, c = x.shape[1:]
    y = L.Conv2D(c, 1, groups=2)(x)
    y = L.Permute((1, 2, 4, 3))(L.Reshape((h, w, 2, c // 2))(y))
    return L.DepthwiseConv2D(3, padding="same")(L.Reshape((h, w, c))(y))


def ghost(x):
    y = conv(4, 1, activation="relu")(x)
    return L.Concatenate()([y, L.DepthwiseConv2D(3, padding="same", activation="relu")(y)])


def cbam(x):
    mean, top = ops.mean(x, axis=-1, keepdims=True), ops.max(x, axis=-1, keepdims=True)
    return x * conv(1, 7, activation="sigmoid")(L.Concatenate()([mean, top]))


def pyramid(x):
    a = conv(4, strides=2)(x)
    b = conv(4, strides=2)(a)
    top = conv(4, 1)(b)
    return {"p3": conv(4)(conv(4, 1)(a) + L.UpSampling2D(2)(top)), "p4": top}


def atrous(x):
    y = [conv(2, dilation_rate=r)(x) for r in (1, 2, 3)]
    pooled = L.GlobalAveragePooling2D(keepdims=True)(x)
    y.append(L.UpSampling2D(x.shape[1:3], interpolation="bilinear")(conv(2, 1)(pooled)))
    return conv(3, 1)(L.Concatenate()(y))


def pooled_pyramid(x):
    y = [x]
    y += [L.Resizing(*x.shape[1:3])(conv(1, 1)(L.AveragePooling2D(n)(x))) for n in (2, 4)]
    return L.Concatenate()(y)


def unet(x):
    a = conv(4, activation="relu")(x)
    b = conv(6, activation="relu")(L.MaxPooling2D()(a))
    c = L.Conv2DTranspose(4, 2, 2)(conv(8)(L.MaxPooling2D()(b)))
    b = L.Conv2DTranspose(4, 2, 2)(conv(6)(L.Concatenate()([b, c])))
    return conv(1, 1, activation="sigmoid")(L.Concatenate()([a, b]))


def gated_skip(x):
    g = conv(4, strides=2)(x)
    q = L.Activation("relu")(L.Add()([conv(2, 1, strides=2)(x), conv(2, 1)(g)]))
    weight = L.UpSampling2D(2, interpolation="bilinear")(conv(1, 1, activation="sigmoid")(q))
    return L.Concatenate()([L.Multiply()([x, weight]), L.UpSampling2D(2)(g)])


def pixel_shuffle(x):
    h, w, _ = x.shape[1:]
    y = ops.reshape(conv(8)(x), (-1, h, w, 2, 2, 2))
    return ops.reshape(ops.transpose(y, (0, 1, 3, 2, 4, 5)), (-1, 2 * h, 2 * w, 2))


def style(x):
    y = ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    return L.ReLU()(L.GroupNormalization(-1)(L.Conv2D(4, 3)(y)))


def detector(x):
    heads = {}
    for i, y in enumerate((conv(6, strides=2)(x), conv(6, strides=4)(x))):
        boxes = L.Reshape((-1, 4))(conv(8, 3)(y))
        heads[f"boxes_{i}"] = boxes
    return {"boxes": L.Concatenate(axis=1)(list(heads.values())), **heads}


def generator(x):
    y = L.Reshape((2, 2, 8))(norm_relu(L.Dense(32, use_bias=False)(x)))
    y = norm_relu(L.Conv2DTranspose(4, 5, 2, padding="same", use_bias=False)(y))
    return L.Conv2DTranspose(1, 5, 2, padding="same", activation="tanh")(y)


def discriminator(x):
    y = L.LeakyReLU(0.2)(conv(4, 4, strides=2)(x))
    y = L.LeakyReLU(negative_slope=0.1)(conv(6, 4, strides=2)(L.Dropout(0.3)(y)))
    return L.Dense(1)(L.Flatten()(y))


def coordinates(x):
    import numpy as np

    h, w = x.shape[1:3]
    grid = np.stack(np.meshgrid(np.arange(h), np.arange(w), indexing="ij"), -1) / h
    return conv(3)(x * 0.5 + grid[None, ..., :1].astype("float32"))


def embedding_distance(a, b):
    net = keras.Sequential(
        [L.Conv2D(4, 3, strides=2), L.Flatten(), L.Dense(5), L.UnitNormalization()]
    )
    return ops.sqrt(ops.sum(ops.square(net(a) - net(b)), axis=-1, keepdims=True))


def small(application, **more):
    return lambda: application(weights=None, input_shape=(32, 32, 3), classes=7, **more)


ROWS = [
    Row("VGG stack", lambda: chain(WIDE, conv(4, activation="relu"), conv(4, activation="relu"), L.MaxPooling2D(), L.Flatten(), L.Dense(6, activation="relu"), L.Dense(3, activation="softmax"))),
    Row("LeNet", lambda: chain(WIDE, L.Conv2D(4, 5, activation="tanh"), L.AveragePooling2D(2), L.Conv2D(6, 3, activation="tanh"), L.AveragePooling2D(2), L.Flatten(), L.Dense(5, "tanh"), L.Dense(3))),
    Row("AlexNet stem, strides and valid padding", lambda: chain((23, 21, 3), L.Conv2D(4, 5, strides=3, activation="relu"), L.MaxPooling2D(3, 2), L.Flatten(), L.Dropout(0.5), L.Dense(3))),
    Row("ResNet basic block", lambda: chain(MAP, basic())),
    Row("ResNet block with stride and projection", lambda: chain(MAP, basic(2, 6))),
    Row("ResNet bottleneck", lambda: chain(MAP, bottleneck)),
    Row("ResNet v2 pre-activation", lambda: chain(MAP, preactivation)),
    Row("ResNeXt grouped convolution", lambda: chain(MAP, lambda x: x + conv(4, groups=2)(norm_relu(x)))),
    Row("wide ResNet with dropout", lambda: chain(MAP, basic(), L.Dropout(0.3), basic(1, 8), L.GlobalAveragePooling2D(), L.Dense(3))),
    Row("squeeze and excite, convolutions", lambda: chain(MAP, squeeze_excite)),
    Row("squeeze and excite, dense", lambda: chain(MAP, squeeze_dense)),
    Row("MobileNet depthwise separable", lambda: chain(MAP, L.DepthwiseConv2D(3, padding="same"), norm_relu, conv(6, 1), norm_relu)),
    Row("MobileNetV2 inverted residual", lambda: chain(MAP, inverted())),
    Row("MobileNetV2 inverted residual, stride 2", lambda: chain(MAP, inverted(2))),
    Row("MobileNetV3 block, hard swish", lambda: chain(MAP, inverted(1, "hard_silu", True))),
    Row("EfficientNet MBConv with SE", lambda: chain(MAP, inverted(1, "swish", True))),
    Row("EfficientNet MBConv with SE, stride 2", lambda: chain(MAP, inverted(2, "swish", True))),
    Row("EfficientNetV2 fused MBConv", lambda: chain(MAP, lambda x: x + conv(4, 1)(norm_relu(conv(8)(x))))),
    Row("ConvNeXt block of Keras", lambda: chain(MAP, convnext)),
    Row("ConvNeXt block, LayerScale of one's own", lambda: chain(MAP, convnext_own), "OwnScale"),
    Row("DenseNet block and transition", lambda: chain(MAP, dense_block)),
    Row("Inception module", lambda: chain(MAP, inception)),
    Row("Xception block", lambda: chain(MAP, xception)),
    Row("ShuffleNet unit", lambda: chain(MAP, shuffle)),
    Row("GhostNet module", lambda: chain(MAP, ghost)),
    Row("CBAM spatial attention", lambda: chain(MAP, cbam)),
    Row("feature pyramid", lambda: joined({"x": WIDE}, pyramid)),
    Row("DeepLab atrous pyramid", lambda: chain(MAP, atrous)),
    Row("PSPNet pooling and resizing", lambda: chain((8, 8, 4), pooled_pyramid)),
    Row("U-Net", lambda: chain(WIDE, unet)),
    Row("U-Net of any size", lambda: chain((None, None, 3), unet)),
    Row("attention U-Net gate", lambda: chain(MAP, gated_skip)),
    Row("super-resolution, pixel shuffle", lambda: chain(MAP, pixel_shuffle)),
    Row("SRCNN after up-sampling", lambda: chain(MAP, L.UpSampling2D(2, interpolation="bilinear"), conv(6, 5, activation="relu"), conv(4))),
    Row("bicubic up-sampling by 3", lambda: chain(MAP, L.UpSampling2D((3, 2), interpolation="bicubic"), conv(4))),
    Row("SRCNN after bicubic up-sampling", lambda: chain(MAP, L.UpSampling2D(2, interpolation="bicubic"), conv(4))),
    Row("style transfer, reflected border and instance norm", lambda: chain(MAP, style), "Pad"),
    Row("group normalisation of U-Nets of diffusion", lambda: chain(MAP, conv(8), L.GroupNormalization(4), L.Activation("swish"), conv(4))),
    Row("group normalisation without scale, any size", lambda: chain((None, None, 4), L.GroupNormalization(2, scale=False, center=False, epsilon=1e-5))),
    Row("detector, boxes of two scales", lambda: joined({"x": WIDE}, detector)),
    Row("DCGAN generator", lambda: chain((5,), generator)),
    Row("DCGAN discriminator", lambda: chain(WIDE, discriminator)),
    Row("spectral normalisation of any layer", lambda: chain(MAP, L.SpectralNormalization(conv(3)), L.Flatten(), L.Dense(1)), "SpectralNormalization"),
    Row("CoordConv, a constant grid", lambda: chain(MAP, coordinates)),
    Row("siamese distance", lambda: joined({"a": WIDE, "b": WIDE}, embedding_distance)),
    Row("convolutional autoencoder", lambda: chain(WIDE, conv(4, strides=2, activation="relu"), conv(2, strides=2), L.Conv2DTranspose(4, 3, 2, padding="same", activation="relu"), L.Conv2DTranspose(3, 3, 2, padding="same", activation="sigmoid"))),
    Row("autoencoder with a dense waist", lambda: chain((8, 8, 2), conv(4, strides=2), L.Flatten(), L.Dense(6), L.Dense(64, activation="relu"), L.Reshape((4, 4, 4)), L.Conv2DTranspose(2, 2, 2))),
    Row("VAE: mean, log variance and noise as an input", lambda: joined({"x": (6,), "noise": (2,)}, lambda x, noise: L.Dense(6)(L.Dense(2)(x) + ops.exp(0.5 * L.Dense(2)(x)) * noise))),
    Row("volume: Conv3D stack", lambda: chain((5, 6, 7, 2), L.Conv3D(4, 3, padding="same", activation="relu"), L.MaxPooling3D(2), L.BatchNormalization(), L.Conv3D(2, 2), L.GlobalAveragePooling3D(), L.Dense(2))),
    Row("volume: V-Net up and down", lambda: chain((4, 4, 6, 2), L.Conv3D(3, 2, strides=2), L.Conv3DTranspose(2, 2, 2), L.ZeroPadding3D(1), L.Cropping3D(1), L.UpSampling3D(2))),
    Row("C3D dense head", lambda: chain((4, 6, 6, 2), L.Conv3D(3, 3), L.Dense(4, activation="relu"), L.AveragePooling3D(2), L.Flatten(), L.Dense(3))),
    Row("adaptive pooling", lambda: chain(MAP, L.AdaptiveAveragePooling2D((2, 2)), L.Flatten()), "AdaptiveAveragePooling2D"),
    Row("MobileNetV2 of keras.applications", small(keras.applications.MobileNetV2, alpha=0.35)),
]  # fmt: skip
