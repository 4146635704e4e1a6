"""PixelRNN (lecture: "PixelRNN"; van den Oord et al. 2016, arXiv 1601.06759).

    image --A 7x7--> x [2h] --[LSTM [h] --1x1 B--> [2h], +]...--ReLU, 1x1 B, ReLU, 1x1 B--> parameters

    row        RowLSTM: the state comes from the three pixels above, so a pixel knows a triangle
    diagonal   DiagonalLSTM from the left plus one from the right: a pixel knows all rows above and
               what is left of it (but from afar not the last pixel of the row above: mask A)

An LSTM remembers where a PixelCNN only sees as far as its kernels reach; it pays with steps that wait
for each other, H of them in a row LSTM, H + W - 1 in a diagonal one.

image: float32 [B, H, W, C] in [0, 1] on `levels` values; label: one-hot float32 [B, classes].
"""

from dataclasses import dataclass

import keras
from keras import layers

from dimaging_tf.density.base import ExplicitDensity
from dimaging_tf.layers.recurrent2d import DiagonalLSTM, RowLSTM
from dimaging_tf.models.pixelcnn import Raster, add_condition, add_position, conv, network


@dataclass(frozen=True)
class Config(Raster):
    """Binary digits on two cores."""

    shape: tuple[int, int, int] = (28, 28, 1)
    levels: int = 2  # values of a pixel: 2 is Bernoulli, more is a softmax
    components: int = 0  # of a discretised logistic mixture instead of the softmax; 0: none
    kind: str = "row"  # "row" | "diagonal"
    filters: int = 32  # h, channels of an LSTM; the trunk has twice as many
    layers: int = 2
    entry: int = 7  # kernel of the first layer, pixels
    kernel: int = 3  # of a row LSTM's input-to-state convolution, pixels
    head: int = 32  # channels before the parameters
    position: bool = True  # a learned bias per pixel and channel
    classes: int = 0  # of the label that it is conditioned on; 0: unconditional

    def __post_init__(self):
        if self.kind not in ("row", "diagonal"):
            raise ValueError(f"pixelrnn: kind must be row or diagonal. Received: {self.kind!r}")
        self.check("pixelrnn", filters=self.filters, head=self.head)


def build_network(config: Config) -> keras.Model:
    """Image (and label) -> {"parameters"}."""
    return network("pixelrnn", config, _trunk)


def _trunk(config, image, label):
    width = 2 * config.filters
    x = add_position(config, conv(config, width, config.entry, "A")(image))
    x = add_condition(x, label, width)
    for _ in range(config.layers):
        h = _row(config, x) if config.kind == "row" else _diagonal(config, x)
        x = layers.Add()([x, conv(config, width, 1)(h)])
    return x


def _row(config, x):
    return RowLSTM(config.filters, config.kernel, groups=config.colours)(x)


def _diagonal(config, x):
    left = DiagonalLSTM(config.filters, "left", groups=config.colours)(x)
    return layers.Add()([left, DiagonalLSTM(config.filters, "right")(x)])


@keras.saving.register_keras_serializable("dimaging")
class PixelRNN(ExplicitDensity):
    """`compile(optimizer)`, `fit`, `sample`, `complete`; see `ExplicitDensity`."""

    config_class = Config
    registry_name = "pixelrnn"
    build_network = staticmethod(build_network)
