"""A classifier that learns to be certified: no attack within eps changes its answer, and a file proves it.

Gowal et al. 2018, "On the effectiveness of interval bound propagation" (arXiv 1810.12715).

    image ── thresholds, 0 or 1 ── conv 4x4/2, 16 ── conv 4x4/2, 32 ── dense 100 ── logits      deployed
    image ± eps ── boxes through the same layers ── worst logits ── cross-entropy               trained

Each hidden layer learns with a batch norm (Shi et al. 2021, arXiv 2103.17268), by the middles of the boxes;
without it wide boxes switch whole layers off. What is deployed has none: they are folded into the kernels.

The loss is the cross-entropy of the worst logits that the boxes allow. eps grows from 0, because at full
width the boxes of a network that knows nothing hold everything. Thresholds suit images that are black and
white but for their edges; of a photograph they would leave nothing, so there leave them out.

One threshold would say the same of every grey pixel that eps can bring across it; three tell more of how far
it can go, and black and white still stay what they are, since eps reaches none of the three from there.

The thresholds have no gradient. That hides the classifier from attacks by gradients and is no defence by
itself: the figure to be quoted is the certificate's, which holds against every attack.

image: float32 [B, H, W, C] in [0, 1]; logits: float32 [B, classes]; label: int32 [B].
"""

from dataclasses import dataclass, replace
from functools import cached_property

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dimaging_tf.defenses.intervals import worst_logits
from dimaging_tf.layers.thermometer import Thermometer
from dimaging_tf.models import classifier
from dimaging_tf.training.steps import descend, step_of


@dataclass(frozen=True)
class Config(classifier.Config):
    """MNIST in linf .3; for photographs thresholds=() and an eps of some grey levels."""

    eps: float = 0.3  # largest change of a pixel; black to white is 1
    thresholds: tuple[float, ...] = (0.35, 0.5, 0.65)  # of pixels; (): as they are
    start: int = 200  # step at which eps begins to grow from 0
    ramp: int = 2000  # steps in which it grows to its full size
    normalise: bool = True  # batch norm after each hidden layer, folded into it for the export
    clean: float = (
        0.0  # weight of the cross-entropy of the image itself; that of the worst is 1 - clean
    )

    def __post_init__(self):
        super().__post_init__()
        if not 0 < self.eps <= 1:
            raise ValueError(
                "interval_training: eps is in units of black to white, above 0 and up to 1, such as 8/255. "
                f"Received: {self.eps}"
            )
        if not all(0 < t < 1 for t in self.thresholds):
            raise ValueError(
                f"interval_training: thresholds lie between 0 and 1. Received: {self.thresholds}"
            )
        if self.start < 0 or self.ramp < 1:
            raise ValueError(
                "interval_training: start is a step, 0 or later, and ramp at least 1 step. "
                f"Received: {self.start}, {self.ramp}"
            )
        if not 0 <= self.clean < 1:
            raise ValueError(
                f"interval_training: clean is a share from 0 to below 1. Received: {self.clean}"
            )
        if self.dropout:
            raise ValueError(
                "interval_training: bounds hold for the network as it is deployed, so train without dropout. "
                f"Received: dropout={self.dropout}"
            )


def build_certified(config: Config) -> keras.Model:
    """Build the network: image -> {"logits"}, its weights small at first, for boxes grow with their sums."""
    image = keras.Input(config.shape, name="image")
    x = Thermometer(config.thresholds)(image) if config.thresholds else image
    small = keras.initializers.VarianceScaling

    def hidden(kind, *size, **options):
        kernel = {"kernel_initializer": small(0.5), **options}
        if not config.normalise:
            return kind(*size, activation="relu", **kernel)(x)
        return layers.ReLU()(layers.BatchNormalization()(kind(*size, use_bias=False, **kernel)(x)))

    for channels in config.channels:
        x = hidden(layers.Conv2D, channels, config.kernel, 2, padding="same")
    x = layers.Flatten()(x)
    if config.units:
        x = hidden(layers.Dense, config.units)
    logits = layers.Dense(config.classes, kernel_initializer=small(0.25))(x)
    return keras.Model(image, {"logits": logits}, name="classifier")


def folded_weights(network: keras.Model) -> list[np.ndarray]:
    """Return the weights of the same function without batch norms: factors and offsets of the kernels."""
    weights: list[np.ndarray] = []
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            factor = np.asarray(layer.gamma) / np.sqrt(layer.moving_variance + layer.epsilon)
            weights[-1] = weights[-1] * factor
            weights.append(np.asarray(layer.beta) - factor * np.asarray(layer.moving_mean))
        else:
            weights += layer.get_weights()
    return weights


@keras.saving.register_keras_serializable("dimaging")
class IntervalTraining(classifier.Classifier):
    """`compile(optimizer=)` and fit on (image, label)."""

    config_class = Config
    registry_name = "interval_training"
    mixed_precision = False  # bounds are sums of magnitudes, which half precision would not bound
    builder = staticmethod(build_certified)

    def __init__(self, config: Config | None = None, **kwargs):
        super().__init__(config, **kwargs)
        self.trackers = {n: keras.metrics.Mean(n) for n in ("loss", "accuracy", "certified")}
        """`certified`: the share that no attack changes; in training at the eps of the step."""

    def eps_at(self, step):
        """Return eps of an optimizer step."""
        share = (tf.cast(step, tf.float32) - self.config.start) / self.config.ramp
        return self.config.eps * tf.clip_by_value(share, 0.0, 1.0)

    def train_step(self, data):
        """Take one step on the cross-entropy of the worst logits."""
        image, label, _ = keras.utils.unpack_x_y_sample_weight(data)
        clean, eps = self.config.clean, self.eps_at(step_of(self.optimizer))

        def loss_of():
            worst = worst_logits(self.network, image, label, eps, training=True)
            loss = _cross_entropy(label, worst)
            logits = None
            if clean:
                logits = self.call(image, training=True)
                loss = (1 - clean) * loss + clean * _cross_entropy(label, logits)
            return tf.reduce_mean(loss), (loss, worst, logits)

        loss, worst, logits = descend(self, loss_of)
        certified = _certified(label, worst)
        # Without the second pass: what is certified is right, and that is all there is to know here.
        right = certified if logits is None else _right(logits, label)
        return self.track({"loss": loss, "accuracy": right, "certified": certified})

    def test_step(self, data):
        """Report loss and certified share at the full eps, and the accuracy."""
        image, label, _ = keras.utils.unpack_x_y_sample_weight(data)
        worst = worst_logits(self.network, image, label, self.config.eps)
        return self.track({
            "loss": _cross_entropy(label, worst), "accuracy": _right(self.call(image), label),
            "certified": _certified(label, worst),
        })  # fmt: skip

    @cached_property
    def _plain(self) -> keras.Model:
        """The network without batch norms, built once; a cached property, so that Keras saves no copy."""
        return build_certified(replace(self.config, normalise=False))

    def graphs(self):
        """Return {"classifier": image -> logits}, without batch norms; they are folded anew at each call."""
        if not any(isinstance(x, layers.BatchNormalization) for x in self.network.layers):
            return super().graphs()  # it learned without, or is the integer-valued form
        self._plain.set_weights(folded_weights(self.network))
        return {"classifier": self._plain}

    def objective(self):
        """Return nothing: the loss is in `train_step`."""
        return {}


def _cross_entropy(label, logits):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=label, logits=logits)


def _certified(label, worst):
    own = tf.one_hot(label, tf.shape(worst)[-1], on_value=True, off_value=False)
    return tf.cast(tf.reduce_max(tf.where(own, worst.dtype.min, worst), -1) < 0, tf.float32)


def _right(logits, label):
    found = tf.argmax(logits, -1, output_type=tf.int32)
    return tf.cast(found == tf.cast(label, tf.int32), tf.float32)
