"""A GAN over images, with or without class labels: what GAN and DCGAN share beside the training itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from dimaging_tf.data.dataset import to_float
from dimaging_tf.data.labels import check_condition, chosen_classes, class_labels
from dimaging_tf.deployable import DeployableModel, FigureOfMerit
from dimaging_tf.errors import DataError
from dimaging_tf.evaluation import metrics
from dimaging_tf.evaluation.plots import tile_classes
from dimaging_tf.gan.base import GANBase, GANConfig
from dimaging_tf.gan.monitor import GANMonitor


@dataclass(frozen=True)
class ImageGANConfig(GANConfig):
    """Settings of a GAN over images, with or without class labels."""

    shape: tuple[int, int, int] = (28, 28, 1)  # height, width, channels
    latent_dim: int = 100  # length of z
    classes: int = 0  # number of classes that both players are conditioned on; 0: unconditional
    names: tuple[str, ...] = ()  # names of the data's classes in the order of their numbers

    def __post_init__(self):
        super().__post_init__()
        for name, least in (("latent_dim", 1), ("classes", 0)):
            if getattr(self, name) < least:
                raise ValueError(
                    f"{name} must be {least} or more. Received: {getattr(self, name)!r}"
                )


class ImageGAN(GANBase, DeployableModel):
    """A GAN over images: `fit(images)`, or with classes `fit(images, labels)`; `sample(n)` draws.

    A subclass sets `config_class` and the two builders; `graphs` names their inputs and outputs.
    """

    draws = True
    mixed_precision = True
    loss_units = {"d_loss": "nats", "g_loss": "nats"}
    ranges = {"image": (0.0, 1.0), "z": None, "label": (0.0, 1.0), "logit": None}
    figure_of_merit = FigureOfMerit(
        "sample score: Frechet distance of fixed random features", "", False,
        {"fp16": 0.02, "int8": 0.1}, relative=True,
    )  # fmt: skip

    build_generator: ClassVar[Callable[[Any], keras.Model]]
    """Build the generator of a Config: z, or {"z", "label"} -> {"image"}."""
    build_discriminator: ClassVar[Callable[[Any], keras.Model]]
    """Build the discriminator of a Config: image, or {"image", "label"} -> {"logit"}."""

    def __init__(self, config: Any = None, **kwargs):
        super().__init__(config, **kwargs)
        self.generator = type(self).build_generator(self.config)
        self.discriminator = type(self).build_discriminator(self.config)
        self.set_up_training()
        if self.config.classes:
            self.picture_rows = class_labels(self.config.classes, self.config.names)

    @classmethod
    def settings_for(cls, dataset):
        """Return the names of the data's classes, where it has any."""
        return {"names": dataset.classes} if dataset.classes else {}

    @property
    def label_classes(self):
        """The classes of the Config, or 0."""
        return self.config.classes

    def transform(self, image, label, seed):
        """Return the images, and their labels where the GAN is conditioned on classes."""
        return (image, label) if self.config.classes else image

    def condition_of(self, label):
        """Encode labels int [B] as one-hot float32 [B, classes]; ValueError where they are missing."""
        if not self.config.classes:
            return None
        if label is None:
            raise ValueError(
                f"{self.registry_name}: classes={self.config.classes} needs labels: fit(images, labels)"
            )
        return tf.one_hot(tf.reshape(tf.cast(label, tf.int32), [-1]), self.config.classes)

    def check_data(self, dataset):
        """DataError where `config.classes` needs labels and they are missing, or beyond the classes."""
        if classes := self.config.classes:
            check_condition(self.registry_name, dataset, classes)

    def check_batch(self, dataset: Any, batch: int) -> None:
        """DataError where the training split is smaller than one batch."""
        count = len(dataset.train.x)
        if batch > count:
            raise DataError(
                f"{dataset.name} has {count} training images, fewer than the {batch} of one batch; "
                f"take more images, or a smaller batch: --batch {max(1, count // 2)}"
            )

    def callbacks(self, dataset, folder):
        """The monitor that warns of a lost balance and of collapsed modes."""
        return [GANMonitor(to_float(dataset.train.x[:1000]))]

    def graphs(self):
        """Return {"generator": z [, label] -> image, "discriminator": image [, label] -> logit}."""
        return {"generator": self.average or self.generator, "discriminator": self.discriminator}

    def inputs(self, n: int, seed: int = 0, label: Any = None) -> dict[str, np.ndarray]:
        """Return the generator's inputs for n images: z, and a one-hot label where it takes one.

        label: a class for all images, an array int [n], or None for one class after the other. ValueError
        for a label out of range, and for a label where the GAN has no classes.
        """
        classes, found = self.config.classes, {"z": self.noise(n, seed)}
        chosen = chosen_classes(self.registry_name, n, classes, label)
        if not classes:
            return found
        return {**found, "label": np.eye(classes, dtype=np.float32)[chosen]}

    def sample(self, n: int, seed: int = 0, label: Any = None, z: np.ndarray | None = None):
        """Draw images [n, H, W, C] in [0, 1]: arguments as for `inputs`, or z float32 [n, latent_dim]."""
        inputs = self.inputs(n, seed, label)
        if z is not None:
            wanted = inputs["z"].shape
            if np.shape(z) != wanted:
                raise ValueError(f"z: expected {list(wanted)}. Received: {list(np.shape(z))}")
            inputs["z"] = np.asarray(z, np.float32)
        parts = [
            self.run("generator", **{k: v[i : i + 500] for k, v in inputs.items()})["image"]
            for i in range(0, n, 500)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, *self.config.shape), np.float32)

    def examples(self, image, label=None, seed=0):
        """Return noise for the generator and images for the discriminator, with labels if they take any."""
        found = self.inputs(len(image), seed)
        judged = {"image": image}
        if self.config.classes:
            judged["label"] = found["label"]
            if label is not None:
                judged["label"] = np.eye(self.config.classes, dtype=np.float32)[label]
                found["label"] = judged["label"]
        return {"generator": found, "discriminator": judged}

    def score(self, run, image, label=None, seed=0):
        """Return the Frechet distance of 4 N generated images to the N given ones in random features."""
        inputs = self.inputs(
            4 * len(image),
            seed,
            None if label is None or not self.config.classes else np.tile(label, 4),
        )
        drawn = run("generator", **inputs)["image"]
        features = metrics.random_features(drawn), metrics.random_features(image)
        return metrics.frechet_distance(*features)

    def picture(self, image, label=None, seed=0):
        """Return four rows of eight samples, or a row for each class, from the same noise every time."""
        if classes := self.config.classes:
            columns = max(2, min(8, 80 // classes))
            return tile_classes(self.sample(columns * classes, seed), classes)
        drawn = self.sample(32, seed)
        return drawn.reshape(4, 8, *drawn.shape[1:])
