"""A training step of PixelCNN against the keras-io example's way of writing it, on one architecture.

    python benchmarks/pixelcnn_step.py

keras-io (examples/generative/pixelcnn.py) masks by assigning a masked kernel to the layer in every call and
convolves with the whole square kernel, half of it zeros; ours multiplies the causal half by its mask. Both:
28x28, 128 filters, 5 residual blocks of 1x1, 3x3 and 1x1, batch 16, Adam, compiled by Keras as `fit` does,
all cores; interleaved, medians.
"""

import statistics
import sys
import time
from typing import Any

import numpy as np
from parts import figures

FILTERS, BLOCKS, BATCH = 128, 5, 16


def main() -> int:
    """Time both, judge the ratio."""
    p = figures.parser("pixelcnn_step", __doc__)
    p.add_argument("--rounds", type=int, default=9, help="of 5 steps each, interleaved")
    args = p.parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    image = (np.random.default_rng(0).random((BATCH, 28, 28, 1)) < 0.13).astype(np.float32)
    nets = {"ours": ours(), "keras-io": rival()}
    losses = {}
    times: dict[str, list[float]] = {name: [] for name in nets}
    for name, (model, batch) in nets.items():
        losses[name] = model.train_on_batch(*batch(image))
    for _ in range(2 if args.quick else args.rounds):
        for name, (model, batch) in nets.items():
            start = time.perf_counter()
            for _ in range(5):
                model.train_on_batch(*batch(image))
            times[name].append((time.perf_counter() - start) / 5)
    out = figures.Figures("pixelcnn_step", args.quick, args.json)
    ratios = [a / b for a, b in zip(times["keras-io"], times["ours"], strict=True)]
    for name, values in times.items():
        out.add(f"a step, {name}", 1000 * statistics.median(values), "", "ms")
    out.add("our training step over keras-io's", statistics.median(ratios), ">= 1.25", "x")
    return out.finish()


def ours() -> tuple[Any, Any]:
    """The same layers of ours."""
    import keras
    from keras import layers

    from dimaging_tf.density.base import ExplicitDensity
    from dimaging_tf.layers.masked import MaskedConv2D
    from dimaging_tf.models.pixelcnn import Config

    class Same(ExplicitDensity):
        """keras-io's architecture."""

        config_class = Config

        @staticmethod
        def build_network(config):
            """Image -> parameters."""
            image = keras.Input(config.shape, name="image")
            x = layers.ReLU()(MaskedConv2D(FILTERS, (7, 7), "A")(image))
            for _ in range(BLOCKS):
                h = layers.ReLU()(MaskedConv2D(FILTERS, (1, 1), "B")(x))
                h = layers.ReLU()(MaskedConv2D(FILTERS // 2, (3, 3), "B")(h))
                h = layers.ReLU()(MaskedConv2D(FILTERS, (1, 1), "B")(h))
                x = layers.Add()([x, h])
            for _ in range(2):
                x = layers.ReLU()(MaskedConv2D(FILTERS, (1, 1), "B")(x))
            return keras.Model(image, {"parameters": MaskedConv2D(1, (1, 1), "B")(x)})

    model = Same()
    model.compile(optimizer=keras.optimizers.Adam(5e-4))
    return model, lambda image: (image,)


def rival() -> tuple[Any, Any]:
    """The way of the example, written from its description: a masked kernel assigned in every call."""
    import keras
    from keras import layers

    class AssignedMask(layers.Layer):
        def __init__(self, mask: str, **of_convolution):
            super().__init__()
            self.mask, self.convolution = mask, layers.Conv2D(padding="same", **of_convolution)

        def build(self, shape):
            self.convolution.build(shape)
            rows, columns = self.convolution.kernel.shape[:2]
            seen = np.zeros(tuple(self.convolution.kernel.shape), np.float32)
            seen[: rows // 2] = 1
            seen[rows // 2, : columns // 2 + (self.mask == "B")] = 1
            self.seen = seen
            self.built = True

        def call(self, x):
            self.convolution.kernel.assign(self.convolution.kernel * self.seen)
            return self.convolution(x)

    def conv(mask, filters, size):
        return AssignedMask(mask, filters=filters, kernel_size=size, activation="relu")

    image = keras.Input((28, 28, 1))
    x = conv("A", FILTERS, 7)(image)
    for _ in range(BLOCKS):
        h = layers.Conv2D(FILTERS, 1, activation="relu")(x)
        h = conv("B", FILTERS // 2, 3)(h)
        h = layers.Conv2D(FILTERS, 1, activation="relu")(h)
        x = layers.Add()([x, h])
    for _ in range(2):
        x = conv("B", FILTERS, 1)(x)
    x = layers.Conv2D(1, 1, activation="sigmoid")(x)
    model = keras.Model(image, x)
    model.compile(optimizer=keras.optimizers.Adam(5e-4), loss="binary_crossentropy")
    return model, lambda pixels: (pixels, pixels)


if __name__ == "__main__":
    sys.exit(main())
