"""A classifier that learns from attacks on itself (lecture: "solution 2: train on adversarial examples",
"solution 3: L + lambda L_adv"; Madry et al. 2018, arXiv 1706.06083; Wong et al. 2020, arXiv 2001.03994).

    image ─────────────────────────┬── network ── L
      └── noise, steps uphill ── attacked image ── network ── L_adv
                                                        loss = (clean L + adversarial L_adv) / (clean +
                                                        adversarial)

One step of attack (FGSM-RS) or two cost a fraction of PGD's time, but they can collapse: within an epoch the
network learns to fool those steps and falls to any other attack ("catastrophic overfitting"). On MNIST at .3
one step collapsed with every setting tried; two steps do not where eps grows from 0 (`ramp`). Seven steps are
the safe default. Every epoch ends with PGD on the validation images: the loss that is reported, and that
chooses best.keras, is the attacked one, and a network that has collapsed goes back to its best epoch.

image: float32 [B, H, W, C] in [0, 1]; logits: float32 [B, classes]; label: int32 [B].
"""

from dataclasses import dataclass

import keras
import tensorflow as tf

from dimaging_tf.attacks.training import attacked
from dimaging_tf.defenses.collapse_guard import CollapseGuard
from dimaging_tf.models import classifier
from dimaging_tf.training.steps import descend, step_of, step_uniform


@dataclass(frozen=True)
class Config(classifier.Config):
    """MNIST in linf .3, as in the literature; eps 8/255 suits photographs."""

    eps: float = 0.3  # largest change of a pixel; black to white is 1
    steps: int = 7  # of the attack in training: 7 is Madry's PGD, 1 is FGSM-RS (then step=1.25)
    step: float = 1 / 3  # length of a step, as a multiple of eps
    ramp: int = 0  # optimizer steps in which eps grows from 0 to its full size
    clean: float = 0.0  # weight of L; 0 learns from attacked images alone (solution 2)
    adversarial: float = 1.0  # weight lambda of L_adv (solution 3)
    test_steps: int = 10  # of PGD on the validation images
    seed: int = 0  # of the random starts

    def __post_init__(self):
        super().__post_init__()
        for name, least in (("steps", 1), ("test_steps", 1)):
            if getattr(self, name) < least:
                raise ValueError(
                    f"adversarial_training: {name} must be at least {least}. "
                    f"Received: {getattr(self, name)}"
                )
        if not 0 < self.eps <= 1:
            raise ValueError(
                "adversarial_training: eps is in units of black to white, above 0 and up to 1, such as "
                f"8/255. Received: {self.eps}"
            )
        if not 0 < self.step < float("inf"):
            raise ValueError(
                f"adversarial_training: step is a multiple of eps, above 0. Received: {self.step}"
            )
        if self.ramp < 0:
            raise ValueError(
                f"adversarial_training: ramp is 0 steps or more. Received: {self.ramp}"
            )
        if min(self.clean, self.adversarial) < 0 or not self.clean + self.adversarial:
            raise ValueError(
                "adversarial_training: the weights clean and adversarial are not negative, and not both 0. "
                f"Received: {self.clean}, {self.adversarial}"
            )


@keras.saving.register_keras_serializable("dimaging")
class AdversarialTraining(classifier.Classifier):
    """`compile(optimizer=)` and fit on (image, label)."""

    config_class = Config
    registry_name = "adversarial_training"

    def __init__(self, config: Config | None = None, **kwargs):
        super().__init__(config, **kwargs)
        self.trackers = {n: keras.metrics.Mean(n) for n in ("loss", "accuracy", "robust")}
        """`robust`: accuracy on attacked images, by the attack of training or by PGD in validation."""

    def train_step(self, data):
        """Attack the batch, then take one step on both losses."""
        image, label, _ = keras.utils.unpack_x_y_sample_weight(data)
        noise = step_uniform(tf.shape(image), self.config.seed, step_of(self.optimizer))
        moved = self.attack(image, label, noise)

        def loss_of():
            found = self.losses(image, label, moved)
            return tf.reduce_mean(found[0]), found

        loss, clean, hard = descend(self, loss_of)
        right = _right(hard if clean is None else clean, label)
        return self.track({"loss": loss, "accuracy": right, "robust": _right(hard, label)})

    def attack(self, image, label, noise, objective=None):
        """Return the images to learn from; `objective` as in `attacks.training.attacked`."""
        config = self.config
        done = tf.cast(step_of(self.optimizer), tf.float32) / max(1, config.ramp)
        eps = config.eps * tf.minimum(done, 1.0) if config.ramp else config.eps
        return attacked(
            self.call, image, label, noise, eps=eps, step=config.step * eps, steps=config.steps,
            objective=objective,
        )  # fmt: skip

    def losses(self, image, label, moved):
        """Return the loss of each image [B], the logits of the clean one or None, those of the attacked."""
        config = self.config
        clean = self.call(image, training=True) if config.clean else None
        hard = self.call(moved, training=True)
        loss = config.adversarial * cross_entropy(label, hard)
        if clean is not None:
            loss = loss + config.clean * cross_entropy(label, clean)
        return loss / (config.clean + config.adversarial), clean, hard

    def test_step(self, data):
        """Report loss and accuracy under PGD from a start that is always the same, and the clean accuracy."""
        image, label, _ = keras.utils.unpack_x_y_sample_weight(data)
        config = self.config
        moved = attacked(
            self.call, image, label, step_uniform(tf.shape(image), -1, 0), eps=config.eps,
            step=2.5 * config.eps / config.test_steps, steps=config.test_steps,
        )  # fmt: skip
        hard = self.call(moved)
        return self.track({
            "loss": cross_entropy(label, hard), "accuracy": _right(self.call(image), label),
            "robust": _right(hard, label),
        })  # fmt: skip

    def objective(self):
        """Nothing: the losses are in `train_step`."""
        return {}

    def callbacks(self, dataset, folder):
        """The guard against catastrophic overfitting."""
        return [CollapseGuard(folder)]


def cross_entropy(label, logits):
    """Return the cross-entropy of each image, [B]."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=label, logits=logits)


def _right(logits, label):
    found = tf.argmax(logits, -1, output_type=tf.int32)
    return tf.cast(found == tf.cast(label, tf.int32), tf.float32)
