"""PixelRNN (lecture: "PixelRNN"; van den Oord et al. 2016, arXiv 1601.06759).

    image --A 7x7--> x [2h] --[LSTM [h] --1x1 B--> [2h], +]...--ReLU, 1x1 B, ReLU, 1x1 B--> parameters

    row        RowLSTM: the state comes from the three pixels above, so a pixel depends on a triangle above it
    diagonal   DiagonalLSTM from the left plus one from the right: a pixel depends on all rows above and on
               what is left of it (except, far away, on the last pixel of the row above: mask A)

A PixelCNN sees only as far as its kernels reach; an LSTM remembers. Its steps have to wait for each other,
which takes time: H steps in a row LSTM, H + W - 1 in a diagonal one.

image: float32 [B, H, W, C] in [0, 1] on `levels` values; label: one-hot float32 [B, classes].
"""

from dataclasses import dataclass

import keras
from keras import layers

from dimaging_tf.density.base import ExplicitDensity
from dimaging_tf.layers.recurrent2d import DiagonalLSTM, RowLSTM
from dimaging_tf.models.pixelcnn import (
    Raster,
    add_condition,
    add_position,
    conv,
    fitted_widths,
    network,
)


@dataclass(frozen=True)
class Config(Raster):
    """A small network for binary digits on two cores."""

    shape: tuple[int, int, int] = (28, 28, 1)
    levels: int = 2  # values of a pixel: 2 is Bernoulli, more is a softmax
    components: int = 0  # components of a logistic mixture instead of the softmax; 0: no mixture
    kind: str = "row"  # kind of the LSTMs: "row" | "diagonal"
    filters: int = 32  # h, channels of an LSTM; the trunk has twice as many
    layers: int = 2  # number of LSTMs, or of pairs of diagonal ones
    entry: int = 7  # side of the first layer's kernel, pixels
    kernel: int = 3  # width of a row LSTM's input-to-state convolution, pixels
    head: int = 32  # channels of the last hidden layer
    dropout: float = (
        0.0  # share of an LSTM's outputs that a training step leaves out; for long runs
    )
    position: bool = True  # a learned bias per pixel and channel
    classes: int = 0  # number of classes that it is conditioned on; 0: unconditional
    names: tuple[str, ...] = ()  # names of the data's classes in the order of their numbers

    def __post_init__(self):
        if self.kind not in ("row", "diagonal"):
            raise ValueError(f"pixelrnn: kind must be row or diagonal. Received: {self.kind!r}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"pixelrnn: dropout is in [0, 1). Received: {self.dropout}")
        self.check("pixelrnn", filters=self.filters, head=self.head)


def build_network(config: Config) -> keras.Model:
    """Build the network: image, or {"image", "label"} -> {"parameters"}."""
    return network("pixelrnn", config, _trunk)


def _trunk(config, image, label):
    width = 2 * config.filters
    x = add_position(config, conv(config, width, config.entry, "A")(image))
    x = add_condition(x, label, width)
    for _ in range(config.layers):
        h = _row(config, x) if config.kind == "row" else _diagonal(config, x)
        h = layers.Dropout(config.dropout)(h) if config.dropout else h
        x = layers.Add()([x, conv(config, width, 1)(h)])
    return x


def _row(config, x):
    return RowLSTM(config.filters, config.kernel, groups=config.colours)(x)


def _diagonal(config, x):
    left = DiagonalLSTM(config.filters, "left", groups=config.colours)(x)
    return layers.Add()([left, DiagonalLSTM(config.filters, "right")(x)])


@keras.saving.register_keras_serializable("dimaging")
class PixelRNN(ExplicitDensity):
    """The PixelRNN: `compile(optimizer)`, `fit`, `sample`, `complete`; see `ExplicitDensity`."""

    config_class = Config
    registry_name = "pixelrnn"
    build_network = staticmethod(build_network)

    @classmethod
    def config_for(cls, shape, changes):
        """Return the Config for images of `shape`; widths that are not given fit the colours."""
        changes = fitted_widths(Config, shape, dict(changes), "filters", "head")
        return super().config_for(shape, changes)
