"""PixelCNN (lecture: "PixelCNN"; van den Oord et al. 2016, arXiv 1601.06759, 1606.05328).

    image --A 7x7--> h --[ReLU, 1x1 B, ReLU, 3x3 B, ReLU, 1x1 B, +]...--1x1 B--> parameters   residual

    image --above--> v --3x3 rows--------> v' --gate--> v ...                              gated
            |                |  1x1
    image --A 1x7--> h --1x3 B--> + --> gate --1x1--> + --> h ...           no blind spot

Masks enforce the chain rule: the parameters of a pixel depend on earlier pixels alone (and, in colour, on the
colours before it in its own pixel, in the order red, green, blue).

image: float32 [B, H, W, C] in [0, 1] on `levels` values; label: one-hot float32 [B, classes].
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from dimaging_tf.density.base import ExplicitDensity, check_levels, likelihood_of
from dimaging_tf.layers.masked import Gate, MaskedConv2D, PositionBias


class Raster:
    """What the Configs of PixelCNN and PixelRNN have in common."""

    shape: tuple[int, int, int]
    levels: int
    components: int

    @property
    def colours(self) -> int:
        """How many of a pixel's colours are drawn one after the other; a mixture draws them together."""
        return 1 if self.components else self.shape[-1]

    def check(self, model: str, **widths: int) -> None:
        """ValueError for levels out of range, and for widths that are no multiple of the colours."""
        check_levels(model, self.levels)
        if any(width % self.colours for width in widths.values()):
            *names, last = widths
            raise ValueError(
                f"{model}: {', '.join(names)} and {last} must be multiples of {self.colours}, the colours "
                f"drawn one after the other. Received: {tuple(widths.values())}"
            )


def fitted_widths(config_class: type, shape: tuple, changes: dict, *names: str) -> dict:
    """Return the changes, with default widths rounded up to multiples of the colours drawn in turn."""
    alone = not changes.get("components", getattr(config_class, "components", 0))
    colours = shape[-1] if alone else 1
    defaults = {name: getattr(config_class, name) for name in names}
    return {name: -(-width // colours) * colours for name, width in defaults.items()} | changes


@dataclass(frozen=True)
class Config(Raster):
    """A small network that is quick to draw from, for binary digits on two cores."""

    shape: tuple[int, int, int] = (28, 28, 1)
    levels: int = 2  # values of a pixel: 2 is Bernoulli, more is a softmax
    components: int = 0  # components of a logistic mixture instead of the softmax; 0: no mixture
    stacks: str = "residual"  # "residual" | "gated"
    filters: int = 32  # channels of the trunk
    blocks: int = 5  # number of residual or gated blocks
    middle: int = 32  # channels inside a residual block
    entry: int = 7  # side of the first layer's kernel, pixels
    kernel: int = 3  # side of the other layers' kernels, pixels
    head: int = 32  # channels of the last hidden layer
    position: bool = True  # a learned bias per pixel and channel
    classes: int = 0  # number of classes that it is conditioned on; 0: unconditional
    names: tuple[str, ...] = ()  # names of the data's classes in the order of their numbers

    def __post_init__(self):
        if self.stacks not in ("residual", "gated"):
            raise ValueError(
                f"pixelcnn: stacks must be residual or gated. Received: {self.stacks!r}"
            )
        self.check("pixelcnn", filters=self.filters, middle=self.middle, head=self.head)


def build_network(config: Config) -> keras.Model:
    """Build the network: image, or {"image", "label"} -> {"parameters"}."""
    return network("pixelcnn", config, _residual if config.stacks == "residual" else _gated)


def network(name: str, config: Any, trunk: Callable[..., Any]) -> keras.Model:
    """Build a network from its trunk, with two 1x1 convolutions behind it to the parameters.

    trunk: (config, image, label or None) -> features [B, H, W, channels].
    """
    image = keras.Input(config.shape, name="image")
    inputs = {"image": image}
    if config.classes:
        inputs["label"] = keras.Input((config.classes,), name="label")
    x = trunk(config, image, inputs.get("label"))
    x = layers.ReLU()(conv(config, config.head, 1)(layers.ReLU()(x)))
    parameters = conv(config, likelihood_of(config).count, 1, name="parameters")(x)
    source = inputs if config.classes else image
    return keras.Model(source, {"parameters": parameters}, name=name)


def conv(config, filters, size, mask="B", name=None):
    """Return a masked convolution, whose colours come one after the other.

    size: side of the kernel in pixels, or (rows, columns).
    """
    size = (size, size) if isinstance(size, int) else size
    return MaskedConv2D(filters, size, mask, groups=config.colours, name=name)


def _residual(config, image, label):
    x = conv(config, config.filters, config.entry, "A")(image)
    x = add_position(config, x)
    for _ in range(config.blocks):
        h = add_condition(x, label, config.filters)
        h = conv(config, config.middle, 1)(layers.ReLU()(h))
        h = conv(config, config.middle, config.kernel)(layers.ReLU()(h))
        h = conv(config, config.filters, 1)(layers.ReLU()(h))
        x = layers.Add()([x, h])
    return x


def _gated(config, image, label):
    f, k = config.filters, config.kernel
    v = add_position(config, conv(config, f, config.entry, "above")(image))
    h = add_position(config, conv(config, f, (1, config.entry), "A")(image))
    h = layers.Add()([h, conv(config, f, 1)(v)])
    for _ in range(config.blocks):
        v2 = add_condition(conv(config, 2 * f, k, "rows")(v), label, 2 * f)
        h2 = add_condition(conv(config, 2 * f, (1, k))(h), label, 2 * f)
        h2 = layers.Add()([h2, conv(config, 2 * f, 1)(v2)])
        v = Gate()(v2)
        h = layers.Add()([h, conv(config, f, 1)(Gate()(h2))])
    return h


def add_position(config, x):
    """Add the learned bias of each place in the image, where the Config asks for one."""
    return PositionBias()(x) if config.position else x


def add_condition(x, label, filters):
    """Add a learned vector of the one-hot label [B, classes] to every pixel of x [B, H, W, filters]."""
    if label is None:
        return x
    bias = layers.Reshape((1, 1, filters))(layers.Dense(filters, use_bias=False)(label))
    return layers.Add()([x, bias])


@keras.saving.register_keras_serializable("dimaging")
class PixelCNN(ExplicitDensity):
    """The PixelCNN: `compile(optimizer)`, `fit`, `sample`, `complete`; see `ExplicitDensity`."""

    config_class = Config
    registry_name = "pixelcnn"
    build_network = staticmethod(build_network)

    @classmethod
    def config_for(cls, shape, changes):
        """Return the Config for images of `shape`; widths that are not given fit the colours."""
        changes = fitted_widths(Config, shape, dict(changes), "filters", "middle", "head")
        return super().config_for(shape, changes)
