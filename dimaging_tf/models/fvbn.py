"""Fully visible belief network (lecture: "fully visible belief network"), as a MADE.

An image x of D pixels in some order; the definition of a conditional probability, used D - 1 times:

    p(x) = p(x_0) p(x_1, .., x_D-1 | x_0) = ... = prod_i p(x_i | x_0, .., x_i-1)       chain rule
    log p(x) = sum_i log p(x_i | x_<i)

So far nothing is approximated or hidden, and there is no normalisation over 2^D images: each factor is a
distribution over the values of one pixel. A belief network models each factor with logistic
regression on the pixels before it, the lower triangular W_direct (Frey 1998). Hidden units make it
nonlinear (arXiv 1502.03509): unit k sees the first d_k pixels and contributes to the later ones.

    x --W (pixel < d_k)--> relu --V (d_k <= pixel)--> + --> parameters
    |--------------W_direct (j < i)------------------>|

    parameters = b + x W_direct + relu(c + x W) V

All conditionals of a given image take one pass: two or three matrix products. The network has a single hidden
layer, so that drawing pixel after pixel has to add each new pixel only once, to the input of the relu.

image: float32 [B, H, W, C] in [0, 1] on `levels` values; label: one-hot float32 [B, classes].
"""

import math
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from dimaging_tf.density.base import ExplicitDensity, check_levels, likelihood_of
from dimaging_tf.layers.masked_dense import MaskedDense


@dataclass(frozen=True)
class Config:
    """A network for binary digits on two cores."""

    shape: tuple[int, int, int] = (28, 28, 1)
    levels: int = 2  # values of a pixel: 2 is Bernoulli, more is a softmax
    hidden: int = 4000  # hidden units; a pixel in the middle of the image depends on half of them
    direct: bool = True  # logistic regression beside the hidden units, W_direct
    dropout: float = 0.5  # share of hidden units left out in a training step
    classes: int = 0  # number of classes that it is conditioned on; 0: unconditional
    names: tuple[str, ...] = ()  # names of the data's classes in the order of their numbers

    def __post_init__(self):
        check_levels("fvbn", self.levels)
        if self.hidden < 1:
            raise ValueError(f"fvbn: hidden must be at least 1. Received: {self.hidden}")


def build_network(config: Config) -> keras.Model:
    """Build the network: image, or {"image", "label"} -> {"parameters"}."""
    image = keras.Input(config.shape, name="image")
    inputs = {"image": image}
    pixels, count, colours = math.prod(config.shape), likelihood_of(config).count, config.shape[-1]
    order: dict[str, Any] = {"pixels": pixels, "colours": colours, "parameters": count // colours}
    outputs = pixels * order["parameters"]
    x = layers.Flatten()(image)
    h = MaskedDense(config.hidden, "hidden", **order, name="hidden")(x)
    conditions = []
    if config.classes:
        label = inputs["label"] = keras.Input((config.classes,), name="label")
        condition = layers.Dense(config.hidden, use_bias=False, name="hidden_label")(label)
        conditions = [layers.Dense(outputs, use_bias=False, name="output_label")(label)]
        h = layers.Add()([h, condition])
    h = layers.ReLU()(h)
    if config.dropout:
        h = layers.Dropout(config.dropout, seed=0)(h)
    terms = [MaskedDense(outputs, "output", **order, name="output")(h), *conditions]
    if config.direct:
        terms.append(MaskedDense(outputs, "direct", **order, use_bias=False, name="direct")(x))
    total = layers.Add()(terms) if len(terms) > 1 else terms[0]
    parameters = layers.Reshape((*config.shape[:2], count), name="parameters")(total)
    source = inputs if config.classes else image
    return keras.Model(source, {"parameters": parameters}, name="fvbn")


@keras.saving.register_keras_serializable("dimaging")
class FVBN(ExplicitDensity):
    """The belief network: `compile(optimizer)`, `fit`, `sample`, `complete`; see `ExplicitDensity`."""

    config_class = Config
    registry_name = "fvbn"
    build_network = staticmethod(build_network)
