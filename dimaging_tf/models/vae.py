"""Variational autoencoder (lecture: "VAE"; Kingma and Welling 2014, arXiv 1312.6114).

    image --encoder--> mean, log_variance --> z = mean + exp(log_variance / 2) noise --decoder--> image

By default the networks are dense. With `channels` they are convolutional, for faces of 32x32 or 64x64 in grey
or RGB: stride-2 convolutions down to a small map, dense mean and log variance, and transposed convolutions
up again.

Training maximises a lower bound of the likelihood, the ELBO. Its two terms are tracked, in nats per image:
    reconstruction   -E_q log p(image | z), Bernoulli or Gaussian with a known sigma
    kl               KL(q(z | image) || N(0, 1)) = 1/2 sum(mean^2 + variance - 1 - log variance)

The gradient takes beta times the KL (Higgins et al. 2017); "loss" is -ELBO whatever beta is. Samples come
from a Gaussian fitted to the codes of real images (`fit_sampler`, see `latent.sampler`), or from N(0, I).

image: float32 [B, H, W, C] in [0, 1]; z, mean, log_variance: float32 [B, latent_dim].
"""

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dimaging_tf.deployable import DeployableModel, FigureOfMerit, check_strides
from dimaging_tf.evaluation import metrics
from dimaging_tf.latent.sampler import MOST, FitSampler, fit_gaussian
from dimaging_tf.training.steps import descend, step_normal, step_of, unpack, weighted_mean


@dataclass(frozen=True)
class Config:
    """A multilayer perceptron for 28x28 digits; `channels=(32, 64, 128)` makes it convolutional."""

    shape: tuple[int, int, int] = (28, 28, 1)  # height, width, channels
    latent_dim: int = 40  # length of z
    hidden: tuple[int, ...] = (400, 400)  # units of the encoder's layers; the decoder mirrors them
    likelihood: str = "bernoulli"  # "bernoulli" | "gaussian"
    sigma: float = 0.1  # standard deviation of the Gaussian likelihood, full scale = 1
    kl_warmup: int = 1000  # steps in which the KL's weight in the gradient grows from 0 to beta
    seed: int = 0  # seed of the training noise
    # Channels of each stride-2 convolution, which `hidden` then follows; () is the dense network.
    channels: tuple[int, ...] = ()
    beta: float = (
        1.0  # the KL's weight in the gradient; less is sharper, more is simpler codes (beta-VAE)
    )

    def __post_init__(self):
        check_strides("vae", self.shape, len(self.channels))
        if self.beta <= 0:
            raise ValueError(f"vae: beta must be more than 0. Received: {self.beta!r}")
        if self.likelihood not in ("bernoulli", "gaussian"):
            raise ValueError(
                f"vae: likelihood must be bernoulli or gaussian. Received: {self.likelihood!r}"
            )


def build_encoder(config: Config) -> keras.Model:
    """Build the encoder: image -> {"mean", "log_variance"} of the approximate posterior."""
    image = keras.Input(config.shape, name="image")
    x = image
    for channels in config.channels:
        x = layers.Conv2D(channels, 3, 2, padding="same", activation="silu")(x)
    x = layers.Flatten()(x)
    for units in config.hidden:
        x = layers.Dense(units, activation="silu")(x)
    outputs = {k: layers.Dense(config.latent_dim, name=k)(x) for k in ("mean", "log_variance")}
    return keras.Model(image, outputs, name="encoder")


def build_decoder(config: Config) -> keras.Model:
    """Build the decoder: z -> {"logits"} of the pixels' probabilities, or their means where Gaussian."""
    z = keras.Input((config.latent_dim,), name="z")
    height, width, depth = config.shape
    step = 2 ** len(config.channels)
    # The channels of the map that the dense layers end in, and of each transposed convolution after it.
    *rest, first = (depth, *config.channels)
    small = (height // step, width // step, first)
    x = z
    for units in reversed(config.hidden):
        x = layers.Dense(units, activation="silu")(x)
    x = layers.Dense(math.prod(small), activation="silu" if rest else None)(x)
    x = layers.Reshape(small)(x)
    for index, channels in reversed(list(enumerate(rest))):
        activation = "silu" if index else None
        x = layers.Conv2DTranspose(channels, 4, 2, padding="same", activation=activation)(x)
    return keras.Model(z, {"logits": x}, name="decoder")


@keras.saving.register_keras_serializable("dimaging")
class VAE(DeployableModel):
    """The VAE: `compile(optimizer)` and `fit(images)`; it brings its own loss.

    Labels of `fit(images, labels)` are left out, sample weights count.
    """

    config_class = Config
    picture_rows = ("image", "reconstructed", "drawn", "drawn")
    registry_name = "vae"
    draws = True
    mixed_precision = True
    weighs_examples = True
    loss_units = {"loss": "nats", "reconstruction": "nats", "kl": "nats"}
    ranges = {"image": (0.0, 1.0), "mean": None, "log_variance": None, "z": None, "noise": None}
    figure_of_merit = FigureOfMerit("-ELBO", "nats", False, {"fp16": 0.1, "int8": 1.0})

    def __init__(self, config: Config | None = None, **kwargs):
        super().__init__(config, **kwargs)
        self.encoder = build_encoder(self.config)
        self.decoder = build_decoder(self.config)
        self.trackers = {n: keras.metrics.Mean(n) for n in ("loss", "reconstruction", "kl")}
        self.sampler: tuple[np.ndarray, np.ndarray] | None = None

    def call(self, image):
        """Reconstruct images [B, H, W, C] from the posterior mean; in [0, 1] for a Bernoulli likelihood."""
        return self._mean(self.decoder(self.encoder(image)["mean"])["logits"])

    def losses_of(self, image, noise):
        """Return (reconstruction, kl) in nats, each [B]; `noise` is unit Gaussian [B, latent_dim]."""
        mean, log_variance = self._posterior(image)
        z = mean + tf.exp(0.5 * log_variance) * noise
        kl = 0.5 * tf.reduce_sum(mean**2 + tf.exp(log_variance) - 1 - log_variance, -1)
        return self._reconstruction(image, z), kl

    def _posterior(self, image) -> tuple[Any, Any]:
        """Return mean and log variance, float32 [B, latent_dim], whatever the policy computes in."""
        code = self.encoder(image)
        mean, log_variance = (tf.cast(code[n], tf.float32) for n in ("mean", "log_variance"))
        return mean, log_variance

    def train_step(self, data):
        """Take one step on -ELBO. data: images [B, H, W, C], or (images, labels[, sample weights])."""
        image, _, example_weight = unpack(data)
        step = step_of(self.optimizer)
        noise = step_normal(self._noise_shape(image), self.config.seed, step)
        # A full KL from the start shuts latents off before the decoder has a use for them.
        share = tf.minimum(1.0, tf.cast(step + 1, tf.float32) / max(1, self.config.kl_warmup))
        weight = self.config.beta * share

        def loss_of():
            reconstruction, kl = terms = self.losses_of(image, noise)
            return weighted_mean(reconstruction + weight * kl, example_weight), terms

        terms = descend(self, loss_of)
        return self._track(*terms, weight=example_weight)

    def test_step(self, data):
        """Evaluate both terms, on the same noise every time, so that epochs can be compared."""
        image, _, example_weight = unpack(data)
        noise = step_normal(self._noise_shape(image), -1, 0)
        return self._track(*self.losses_of(image, noise), weight=example_weight)

    def importance_weighted_bound(self, image, samples: int = 64, seed: int = 0) -> tf.Tensor:
        """Return log mean_k p(image, z_k) / q(z_k | image), a lower bound of log p(image) in nats, [B].

        It tightens to the likelihood as `samples` grows (Burda et al. 2016, arXiv 1509.00519).
        """
        mean, log_variance = self._posterior(image)
        log_weights = []
        for k in range(samples):
            noise = tf.random.stateless_normal(tf.shape(mean), (seed, k))
            z = mean + tf.exp(0.5 * log_variance) * noise
            log_ratio = 0.5 * tf.reduce_sum(noise**2 + log_variance - z**2, -1)  # log p(z) / q(z)
            log_weights.append(log_ratio - self._reconstruction(image, z))
        return tf.reduce_logsumexp(tf.stack(log_weights), 0) - math.log(samples)

    def _reconstruction(self, image, z):
        logits = tf.cast(self.decoder(z)["logits"], tf.float32)
        if self.config.likelihood == "bernoulli":
            nll = tf.nn.sigmoid_cross_entropy_with_logits(labels=image, logits=logits)
        else:
            sigma = self.config.sigma
            nll = 0.5 * ((image - logits) / sigma) ** 2 + math.log(sigma * math.sqrt(2 * math.pi))
        return tf.reduce_sum(nll, [1, 2, 3])

    def _noise_shape(self, image):
        return tf.stack([tf.shape(image)[0], self.config.latent_dim])

    def _track(self, reconstruction, kl, weight=None):
        terms = {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}
        return self.track(terms, weight)

    def _mean(self, logits):
        return tf.sigmoid(logits) if self.config.likelihood == "bernoulli" else logits

    def graphs(self):
        """Return {"encoder": image -> mean, log_variance, "decoder": z -> image, "sampler": noise -> z}.

        The mean of a Gaussian likelihood is clipped to [0, 1]. The sampler is there once it is fitted.
        """
        logits = self.decoder.output["logits"]
        bernoulli = self.config.likelihood == "bernoulli"
        to_image = layers.Activation("sigmoid") if bernoulli else layers.ReLU(max_value=1.0)
        image = to_image(logits)
        decoder = keras.Model(self.decoder.input, {"image": image}, name="decoder")
        graphs = {"encoder": self.encoder, "decoder": decoder}
        return graphs | (
            {} if self.sampler is None else {"sampler": self._sampler_graph(*self.sampler)}
        )

    def _sampler_graph(self, mean: np.ndarray, factor: np.ndarray) -> keras.Model:
        noise = keras.Input((self.config.latent_dim,), name="noise")
        affine = layers.Dense(self.config.latent_dim, name="z")
        graph = keras.Model(noise, {"z": affine(noise)}, name="sampler")
        affine.set_weights([factor.T, mean])
        return graph

    def fit_sampler(self, image: np.ndarray) -> None:
        """Fit the sampler to images [N, H, W, C] in [0, 1]; it is saved and exported with the model."""
        parts = [self.run("encoder", image=image[i : i + 500]) for i in range(0, len(image), 500)]
        mean, log_variance = (
            np.concatenate([part[name] for part in parts]) for name in ("mean", "log_variance")
        )
        self.sampler = fit_gaussian(mean, log_variance)

    def callbacks(self, dataset, folder):
        """Fit the sampler after each epoch."""
        return [FitSampler(dataset.train.inputs(slice(MOST)))]

    def save_own_variables(self, store):
        """Write what every model here writes, and the sampler."""
        super().save_own_variables(store)
        if self.sampler is not None:
            store["sampler_mean"], store["sampler_factor"] = self.sampler

    def load_own_variables(self, store):
        """Read what `save_own_variables` wrote; files of before hold no sampler."""
        own = {k: store[k] for k in store.keys() if not k.startswith("sampler_")}
        super().load_own_variables(own)
        if "sampler_mean" in store.keys():
            mean, factor = (np.asarray(store[f"sampler_{n}"]) for n in ("mean", "factor"))
            self.sampler = mean, factor

    def examples(self, image, label=None, seed=0):
        """Return images for the encoder, and for the decoder codes drawn from their posteriors."""
        code = self.run("encoder", image=image)
        found = {"encoder": {"image": image}, "decoder": {"z": self._sample(code, seed)}}
        if self.sampler is not None:
            found["sampler"] = {"noise": self._noise(len(image), seed)}
        return found

    def score(self, run, image, label=None, seed=0):
        """Return the mean of -ELBO in nats, with one sample of z per image."""
        code = run("encoder", image=image)
        found = run("decoder", z=self._sample(code, seed))["image"]
        if self.config.likelihood == "bernoulli":
            nll = metrics.bernoulli_nll(found, image)
        else:
            nll = metrics.gaussian_nll(found, image, self.config.sigma)
        return float(np.mean(nll + metrics.gaussian_kl(code["mean"], code["log_variance"])))

    def _sample(self, code, seed: int) -> np.ndarray:
        noise = np.random.default_rng(seed).standard_normal(code["mean"].shape, np.float32)
        return code["mean"] + np.exp(0.5 * code["log_variance"]) * noise

    def _noise(self, n: int, seed: int) -> np.ndarray:
        return np.random.default_rng(seed).standard_normal((n, self.config.latent_dim), np.float32)

    def sample(self, n: int, seed: int = 0, *, prior: bool = False) -> np.ndarray:
        """Draw images [n, H, W, C] in [0, 1] from the fitted sampler; prior=True: from N(0, I)."""
        z = self._noise(n, seed)
        if self.sampler is not None and not prior:
            z = self.run("sampler", noise=z)["z"]
        return self.run("decoder", z=z)["image"]

    def picture(self, image, label=None, seed=0):
        """Return rows of images, of their reconstructions, and two of samples."""
        image = image[:8]
        found = self.run("decoder", z=self.run("encoder", image=image)["mean"])["image"]
        drawn = self.sample(2 * len(image), seed).reshape(2, *image.shape)
        return np.concatenate([image[None], found[None], drawn])
