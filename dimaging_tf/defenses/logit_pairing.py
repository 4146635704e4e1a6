"""Logit pairing (lecture: "logit pairing"; Kannan et al. 2018, arXiv 1803.06373): a defence that was broken.

    image ───────────── network ── logits z ── L
      └── attacked ──── network ── logits z' ── L_adv
                             loss = (clean L + adversarial L_adv) / (clean + adversarial) + pairing |z - z'|^2

Kannan et al. measured it with an attack of few steps. With more steps and more starts it adds nothing to
training on attacks (Engstrom et al. 2018, arXiv 1807.10272; Mosbach et al. 2018, arXiv 1810.12042): pairing
makes the loss flat around an image, so that short attacks lose their way. With `noise` above 0 there is no
attack in training at all: images with Gaussian noise are paired with each other ("clean logit pairing"), and
the figure of a short attack rises all the same. That is masking in its purest form, and the gates of
`dimaging robustness` name it. `examples/logit_pairing.py` shows both in one command.
"""

from dataclasses import dataclass

import keras
import tensorflow as tf

from dimaging_tf.defenses import adversarial_training
from dimaging_tf.defenses.adversarial_training import cross_entropy
from dimaging_tf.training.steps import step_normal, step_of


@dataclass(frozen=True)
class Config(adversarial_training.Config):
    """MNIST in linf .3."""

    clean: float = 1.0  # weight of L
    pairing: float = (
        1.0  # weight of the squared distance of the logits, their mean over the classes
    )
    noise: float = (
        0.0  # deviation of the noise of clean pairing, which has no attack; 0: pair with attacks
    )

    def __post_init__(self):
        super().__post_init__()
        if min(self.pairing, self.noise) < 0:
            raise ValueError(
                "logit_pairing: pairing and noise are not negative. "
                f"Received: {self.pairing}, {self.noise}"
            )
        if self.noise and (self.clean, self.adversarial) != (1, 1):
            raise ValueError(
                "logit_pairing: with noise above 0 all images are noisy ones, so the loss has one weight, "
                "pairing; leave clean and adversarial as they are. Received: "
                f"clean={self.clean}, adversarial={self.adversarial}"
            )
        if self.noise and self.ramp:
            raise ValueError(
                "logit_pairing: ramp is of the attack, and with noise above 0 there is none; leave one "
                f"of them at 0. Received: noise={self.noise}, ramp={self.ramp}"
            )


@keras.saving.register_keras_serializable("dimaging")
class LogitPairing(adversarial_training.AdversarialTraining):
    """`compile(optimizer=)` and fit on (image, label)."""

    config_class = Config
    registry_name = "logit_pairing"

    def attack(self, image, label, noise, objective=None):
        """Return attacked images, or for clean pairing noisy ones."""
        if not self.config.noise:
            return super().attack(image, label, noise, objective)
        step = step_of(self.optimizer)
        drawn = step_normal(tf.shape(image), self.config.seed + 1, step)
        return tf.clip_by_value(image + self.config.noise * drawn, 0.0, 1.0)

    def losses(self, image, label, moved):
        """Return the losses with the squared distance of paired logits [B], and the logits of both images."""
        config = self.config
        if config.noise:  # each noisy image with its neighbour in the batch, of whatever class
            hard = self.call(moved, training=True)
            apart = tf.reduce_mean((hard - tf.roll(hard, 1, 0)) ** 2, -1)
            return cross_entropy(label, hard) + config.pairing * apart, None, hard
        loss, clean, hard = super().losses(image, label, moved)
        if clean is None:  # its weight in the loss is 0, but its logits are paired
            clean = self.call(image, training=True)
        return loss + config.pairing * tf.reduce_mean((clean - hard) ** 2, -1), clean, hard
