"""A classifier that is asked to answer alike all around an image: TRADES.

Zhang et al. 2019, arXiv 1901.08573.

    image ────────────────── network ── logits z ── cross-entropy with the label
      └── noise, uphill in KL ── network ── logits z' ── KL(softmax z || softmax z')
                                                        loss = cross-entropy + pull * KL

The lecture's L + lambda L_adv, where L_adv does not ask for the label: so the clean accuracy and the
robustness are two terms, and `pull` trades one for the other.
"""

from dataclasses import dataclass

import keras
import tensorflow as tf

from dimaging_tf.defenses import adversarial_training
from dimaging_tf.defenses.adversarial_training import cross_entropy


@dataclass(frozen=True)
class Config(adversarial_training.Config):
    """MNIST in linf .3. The weights `clean` and `adversarial` of adversarial training have no use here."""

    steps: int = 7  # of the attack in training
    pull: float = (
        6.0  # weight of KL, the beta of the paper: more of it, more robust and less accurate
    )

    def __post_init__(self):
        super().__post_init__()
        if not self.pull > 0:
            raise ValueError(f"trades: pull must be above 0. Received: {self.pull}")
        if (self.clean, self.adversarial) != (0, 1):
            raise ValueError(
                "trades: the loss has one weight, pull; leave clean and adversarial as they are. Received: "
                f"clean={self.clean}, adversarial={self.adversarial}"
            )


@keras.saving.register_keras_serializable("dimaging")
class Trades(adversarial_training.AdversarialTraining):
    """`compile(optimizer=)` and fit on (image, label)."""

    config_class = Config
    registry_name = "trades"

    def attack(self, image, label, noise, objective=None):
        """Return images whose answer is far from that of the clean one, whatever the label."""
        clean = tf.stop_gradient(self.call(image, training=False))
        return super().attack(image, label, noise, lambda logits: divergence(clean, logits))

    def losses(self, image, label, moved):
        """Return cross-entropy + pull * KL [B], and the logits of both images."""
        clean, hard = self.call(image, training=True), self.call(moved, training=True)
        loss = cross_entropy(label, clean) + self.config.pull * divergence(clean, hard)
        return loss, clean, hard


def divergence(logits, other):
    """Return KL(softmax logits || softmax other) [B]; its gradient flows through both."""
    inner = tf.nn.log_softmax(logits) - tf.nn.log_softmax(other)
    return tf.reduce_sum(tf.nn.softmax(logits) * inner, -1)
