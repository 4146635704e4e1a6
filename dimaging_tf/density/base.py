"""Explicit densities (lecture: "fully visible belief network"): the base of FVBN, PixelCNN and PixelRNN.

    log p(image) = sum_i log p(pixel_i | pixels before i)            chain rule, raster order

One network computes all conditionals of a given image at once. Drawing is sequential, and "slow" in the
lecture. Here it is a fixed point: with the noise given, every pixel is a function of the pixels before it, so
evaluating all pixels again until nothing changes gives exactly the sequential sample (arXiv 2002.09928), in
as many passes as a change takes to travel through the image.

image: float32 [B, H, W, C] in [0, 1], on the `levels` values of the alphabet.
"""

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from dimaging_tf.data.dataset import to_float
from dimaging_tf.data.labels import check_condition, chosen_classes
from dimaging_tf.density.layers import Encode, LogLikelihood, Weights
from dimaging_tf.density.likelihoods import Bernoulli, Categorical, Likelihood, LogisticMixture
from dimaging_tf.density.likelihoods_integer import IntegerLikelihood
from dimaging_tf.deployable import DeployableModel, FigureOfMerit
from dimaging_tf.training.steps import descend, step_of, step_uniform, weighted_mean


def likelihood_of(config: Any) -> Likelihood:
    """Return a Config's likelihood: Bernoulli for two levels, a mixture for `components`, else a softmax."""
    channels = config.shape[-1]
    if components := getattr(config, "components", 0):
        return LogisticMixture(channels, components, config.levels)
    return Bernoulli(channels) if config.levels == 2 else Categorical(channels, config.levels)


def check_levels(model: str, levels: int) -> None:
    """ValueError unless a pixel has 2 to 256 values."""
    if not 2 <= levels <= 256:
        raise ValueError(f"{model}: levels must be 2 to 256. Received: {levels}")


class ExplicitDensity(DeployableModel):
    """Base of the explicit densities: `compile(optimizer)`, `fit(images)` or `fit(images, conditions)`.

    `fit` and `evaluate` bring images to the alphabet, as `transform` does.

    A subclass sets `config_class` and `build_network`. The condition is whatever second input its network
    has: a one-hot label float32 [B, classes], a small image, ...
    """

    build_network: ClassVar[Callable[[Any], keras.Model]]
    """Build the functional network of a Config: image, and a condition or none -> {"parameters"}."""
    loss_names = ("loss",)
    """Names in the logs of the terms that `losses_of` returns."""
    picture_rows = ("image", "known", "completed", "completed", "drawn")
    draws = True
    weighs_examples = True
    mixed_precision = True
    ranges = {
        "image": (0.0, 1.0), "label": (0.0, 1.0), "canvas": (0.0, 1.0), "mask": (0.0, 1.0),
        "noise": (0.0, 1.0), "log_likelihood": None,
    }  # fmt: skip

    def __init__(self, config: Any = None, **kwargs):
        super().__init__(config, **kwargs)
        self.network = type(self).build_network(self.config)
        self.likelihood: Any = likelihood_of(self.config)  # or its integer-valued form
        self.trackers = {name: keras.metrics.Mean(name) for name in self.loss_names}

    together = ("levels", "components")

    @classmethod
    def settings_for(cls, dataset):
        """Return a mixture over 256 levels for photographs, in colour or grey, and the names of the classes.

        What is nearly binary keeps its two levels. Photographs are data in colour, or grey whose pixels are
        mostly neither black nor white. A mixture draws the colours of a pixel together, so its widths need
        not be multiples of 3.
        """
        names = {field.name for field in fields(cls.config_class)}
        named = {"names": dataset.classes} if dataset.classes and "names" in names else {}
        value = to_float(dataset.train.x[:500])
        between = np.mean((value > 0.1) & (value < 0.9))
        if "components" not in names or (dataset.shape[-1] == 1 and between < 0.5):
            return named
        return {**named, "levels": 256, "components": 5}

    def check_data(self, dataset):
        """DataError where `config.classes` needs labels and they are missing, or beyond the classes."""
        if classes := getattr(self.config, "classes", 0):
            check_condition(self.registry_name, dataset, classes)

    @property
    def loss_units(self):
        """Every loss is in the unit of the figure of merit."""
        return dict.fromkeys(self.loss_names, self.figure_of_merit.unit)

    @property
    def figure_of_merit(self) -> FigureOfMerit:
        """The negative log-likelihood: nats of an image in black and white, otherwise bits a dimension."""
        unit = "nats" if self.config.levels == 2 else "bits/dim"
        allowed = 0.1 if unit == "nats" else 0.01
        return FigureOfMerit("negative log-likelihood", unit, False, {"integer": allowed})

    @property
    def scale(self) -> float:
        """The factor from nats of an image to `figure_of_merit.unit`."""
        dimensions = math.prod(self.config.shape)
        return 1.0 if self.config.levels == 2 else 1 / (dimensions * math.log(2))

    @property
    def condition(self) -> str:
        """The name of the network's second input; "" if it has none."""
        names = [tensor.name for tensor in self.network.inputs if tensor.name != "image"]
        return names[0] if names else ""

    def parameters(self, image: Any, condition: Any = None, training: bool = False):
        """Return the parameters of all pixels' conditionals, [B, H, W, likelihood.count]."""
        inputs = image = self.likelihood.encode(tf.convert_to_tensor(image))
        if self.condition:
            inputs = {"image": image, self.condition: self._as_condition(condition)}
        # A mixed policy computes the network in 16 bits; a likelihood needs 32.
        return tf.cast(self.network(inputs, training=training)["parameters"], tf.float32)

    @property
    def label_classes(self):
        """The classes of the Config, or 0."""
        return getattr(self.config, "classes", 0)

    def _as_condition(self, given: Any):
        """Return the network's condition; whole numbers [B] where it takes classes become one-hot."""
        if given is None:
            raise ValueError(
                f"{self.registry_name} is conditioned on {self.condition!r}: fit(images, {self.condition}s). "
                "Received: images alone"
            )
        given = tf.convert_to_tensor(given)
        if self.condition == "label" and given.dtype.is_integer:
            return tf.one_hot(tf.reshape(given, [-1]), self.config.classes)
        return given

    def call(self, image, condition=None, training=False):
        """Return the log-likelihood of each pixel in nats, [B, H, W, 1]."""
        return self.likelihood.log_prob(self.parameters(image, condition, training), image)

    def losses_of(self, image, condition=None, training=False) -> tuple:
        """Return the terms of the loss, each [B] in `figure_of_merit.unit`; the likelihood's comes first."""
        return (self._negative(self.parameters(image, condition, training), image),)

    def _negative(self, parameters, image):
        image, parameters = tf.cast(image, tf.float32), tf.cast(parameters, tf.float32)
        return -self.scale * tf.reduce_sum(self.likelihood.log_prob(parameters, image), [1, 2, 3])

    def train_step(self, data):
        """Take one step on the sum of the losses. data: images [B, H, W, C], or (images, conditions)."""
        image, condition, weight = self._unpacked(data, -2, step_of(self.optimizer))

        def loss_of():
            losses = self.losses_of(image, condition, training=True)
            return weighted_mean(sum(losses), weight), losses

        return self._track(descend(self, loss_of), weight)

    def test_step(self, data):
        """Evaluate the losses; "loss" is the negative log-likelihood alone."""
        image, condition, weight = self._unpacked(data, -1, 0)
        return self._track(self.losses_of(image, condition), weight)

    def _unpacked(self, data, seed: int, step) -> tuple[Any, Any, Any]:
        """Return (images on the alphabet, condition, weights), as tensors or None."""
        image, *others = keras.utils.unpack_x_y_sample_weight(data)
        image = self.on_alphabet(image, step_uniform(tf.shape(image), seed, step))
        condition, weight = (None if x is None else tf.convert_to_tensor(x) for x in others)
        return image, condition, weight

    def _track(self, losses, weight=None):
        return self.track(dict(zip(self.loss_names, losses, strict=True)), weight)

    def on_alphabet(self, image: Any, noise: Any) -> Any:
        """Return images [B, H, W, C] on the alphabet, where images that are on it stay as they are.

        With two levels, a grey value is drawn white with itself as probability: `noise` of the same shape is
        uniform in [0, 1). With more levels it is rounded.
        """
        image, most = tf.cast(image, tf.float32), self.config.levels - 1
        return tf.cast(noise < image, tf.float32) if most == 1 else tf.round(image * most) / most

    def transform(self, image, label, seed):
        """Return images on the alphabet, and their condition where the network has one."""
        image = self.on_alphabet(image, tf.random.stateless_uniform(tf.shape(image), seed))
        return (image, self.condition_of(image, label)) if self.condition else image

    def condition_of(self, image, label):
        """Return the condition of images on the alphabet: their labels, one-hot [B, classes]."""
        return tf.one_hot(label, self.config.classes)

    def default_condition(self, n: int, label: Any = None) -> np.ndarray:
        """Return the condition of n samples where none is given: `label`, or one class after the other.

        label: a class, or an array int [n]. ValueError where the model has no such class.
        """
        classes = getattr(self.config, "classes", 0)
        chosen = chosen_classes(self.registry_name, n, classes, label)
        return np.eye(classes, dtype=np.float32)[chosen]

    def sample(
        self, n: int, seed: int = 0, *, noise: np.ndarray | None = None,
        condition: np.ndarray | None = None, canvas: np.ndarray | None = None,
        mask: np.ndarray | None = None, label: Any = None,
    ) -> np.ndarray:  # fmt: skip
        """Draw images [n, H, W, C]: exactly those that drawing pixel after pixel with this noise gives.

        noise       uniform [n, H, W, likelihood.noise] in (0, 1), by default from `seed`
        condition   [n, ...], by default `default_condition`
        label       instead of a condition: a class for all images, or an array int [n]; ValueError for both
        canvas      [n, H, W, C] on the alphabet, kept where mask [n, H, W, 1] is 1
        """
        if condition is not None and label is not None:
            raise ValueError(
                f"{self.registry_name}: label stands instead of a condition; give one of them. "
                f"Received: condition of shape {list(np.shape(condition))}, label={label!r}"
            )
        shape = self.config.shape
        if noise is None:
            noise = uniform(np.random.default_rng(seed), (n, *shape[:2], self.likelihood.noise))
        if canvas is None:
            canvas, mask = (
                np.zeros((n, *shape), np.float32),
                np.zeros((n, *shape[:2], 1), np.float32),
            )
        if label is not None or (condition is None and self.condition):
            condition = self.default_condition(n, label)
        given: Any = () if condition is None else tf.constant(condition)
        inputs: list[Any] = [noise, canvas, mask]
        image = tf.constant(inputs[1] * inputs[2])
        for _ in range(math.prod(shape) + 1):
            again = self._draw_all(image, *inputs, given)
            if bool(tf.reduce_all(again == image)):
                break
            image = again
        return image.numpy()

    @tf.function(reduce_retracing=True)
    def _draw_all(self, *images_and_condition):
        """Draw every pixel once more, given the current values of the pixels before it."""
        image, noise, canvas, mask, condition = images_and_condition
        drawn = self.likelihood.draw(self.parameters(image, condition), noise)
        return tf.where(mask > 0.5, canvas, drawn)

    def complete(
        self, image: np.ndarray, mask: np.ndarray, n: int = 1, seed: int = 0, condition: Any = None
    ) -> np.ndarray:
        """Complete an occluded image n times (Figure 1 of arXiv 1601.06759): [n, H, W, C].

        image [H, W, C] on the alphabet; mask [H, W, 1], 1 where the image is known.
        """
        repeated = [np.repeat(np.asarray(x, np.float32)[None], n, 0) for x in (image, mask)]
        if condition is not None:
            condition = np.repeat(np.asarray(condition, np.float32)[None], n, 0)
        return self.sample(n, seed, condition=condition, canvas=repeated[0], mask=repeated[1])

    def graphs(self):
        """Return {"density": image (and condition) -> log_likelihood}; export adds the samplers."""
        inputs = {tensor.name: tensor for tensor in self.network.inputs}
        if isinstance(self.likelihood, IntegerLikelihood):
            return {"density": self._weights(self.likelihood, inputs)}
        found = LogLikelihood(self.likelihood)(self.network.output["parameters"], inputs["image"])
        source = inputs if self.condition else inputs["image"]
        return {"density": keras.Model(source, {"log_likelihood": found}, name="density")}

    def _weights(self, likelihood: IntegerLikelihood, inputs: dict[str, Any]) -> keras.Model:
        """Build the density of an integer-valued network: image (and condition) -> weights of the symbols."""
        source = {k: keras.Input(t.shape[1:], name=k) for k, t in inputs.items()}
        symbols = Encode(likelihood)(source["image"])
        encoded = {**source, "image": symbols} if self.condition else symbols
        weights = Weights(likelihood)(self.network(encoded)["parameters"], symbols)
        interface = source if self.condition else source["image"]
        return keras.Model(interface, {"weights": weights}, name="density")

    def examples(self, image, label=None, seed=0):
        """Return images on the alphabet, and their condition where the network has one."""
        image, condition = self.prepared(image, label, seed)
        return {
            "density": {"image": image} | ({self.condition: condition} if self.condition else {})
        }

    def score(self, run, image, label=None, seed=0):
        """Return the mean negative log-likelihood in `figure_of_merit.unit`."""
        inputs = self.examples(image, label, seed)["density"]
        found = run("density", **inputs)
        if "weights" in found:
            found = log_likelihood(found["weights"], inputs["image"])
        else:
            found = found["log_likelihood"]
        return float(-self.scale * np.mean(np.sum(found, (1, 2, 3), dtype=np.float64)))

    def picture(self, image, label=None, seed=0):
        """Return rows: images, their lower half occluded, two completions, and samples."""
        image, condition = self.prepared(image[:8], None if label is None else label[:8], seed)
        mask = np.zeros((*image.shape[:3], 1), np.float32)
        mask[:, : image.shape[1] // 2] = 1
        known = {"condition": condition, "canvas": image, "mask": mask}
        completed = [self.sample(len(image), seed + i, **known) for i in range(2)]
        drawn = self.sample(len(image), seed + 2)
        return np.stack([image, image * mask + 0.5 * (1 - mask), *completed, drawn])

    def prepared(self, image: Any, label: Any = None, seed: int = 0) -> tuple[Any, Any]:
        """Return (images on the alphabet, their condition or None) for images in [0, 1], as numpy arrays."""
        found = self.transform(tf.convert_to_tensor(image), label, np.array([seed, 0], np.int32))
        image, condition = found if self.condition else (found, None)
        return np.asarray(image), None if condition is None else np.asarray(condition)


def log_likelihood(weights: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Return log p of each colour in nats, [B, H, W, C], from integer weights [B, H, W, C, levels]."""
    symbol = np.rint(image * (weights.shape[-1] - 1)).astype(np.int64)[..., None]
    chosen = np.take_along_axis(weights, symbol, -1)[..., 0].astype(np.float64)
    return np.log(chosen / weights.sum(-1, dtype=np.float64))


def uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw float32 (k + 0.5) / 2^23 with k uniform in 0 .. 2^23 - 1: never 0 or 1.

    The values are exact in float32. With 24 bits of k, the largest one would round up to 1.
    """
    return ((rng.integers(0, 1 << 23, shape) + 0.5) / (1 << 23)).astype(np.float32)
