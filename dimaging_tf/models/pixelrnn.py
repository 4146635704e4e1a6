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

from dimaging_tf.density import ExplicitDensity, likelihood_of
from dimaging_tf.layers.masked import MaskedConv2D, PositionBias
from dimaging_tf.layers.recurrent2d import DiagonalLSTM, RowLSTM


@dataclass(frozen=True)
class Config:
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
    classes: int = 0  # of the labels that it is told; 0: none

    def __post_init__(self):
        if self.kind not in ("row", "diagonal"):
            raise ValueError(f"pixelrnn: kind must be row or diagonal. Received: {self.kind!r}")
        if not 2 <= self.levels <= 256:
            raise ValueError(f"pixelrnn: levels must be 2 to 256. Received: {self.levels}")
        widths = (self.filters, self.head)
        if self.colours > 1 and any(width % self.colours for width in widths):
            raise ValueError(
                f"pixelrnn: filters and head must be multiples of {self.colours}, the colours drawn "
                f"one after the other. Received: {widths}"
            )

    @property
    def colours(self) -> int:
        """Colours of a pixel drawn one after the other; a mixture draws them together."""
        return 1 if self.components else self.shape[-1]


def build_network(config: Config) -> keras.Model:
    """Image (and label) -> {"parameters"}."""
    image = keras.Input(config.shape, name="image")
    inputs, trunk = {"image": image}, 2 * config.filters
    x = _conv(config, trunk, config.entry, "A")(image)
    if config.position:
        x = PositionBias()(x)
    if config.classes:
        inputs["label"] = keras.Input((config.classes,), name="label")
        told = layers.Dense(trunk, use_bias=False)(inputs["label"])
        x = layers.Add()([x, layers.Reshape((1, 1, trunk))(told)])
    for _ in range(config.layers):
        h = _row(config, x) if config.kind == "row" else _diagonal(config, x)
        x = layers.Add()([x, _conv(config, trunk, 1)(h)])
    x = layers.ReLU()(_conv(config, config.head, 1)(layers.ReLU()(x)))
    parameters = _conv(config, likelihood_of(config).count, 1, name="parameters")(x)
    source = inputs if config.classes else image
    return keras.Model(source, {"parameters": parameters}, name="pixelrnn")


def _conv(config, filters, size, mask="B", name=None):
    return MaskedConv2D(filters, (size, size), mask, groups=config.colours, name=name)


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
