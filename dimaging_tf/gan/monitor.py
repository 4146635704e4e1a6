"""The monitor of a GAN: it warns where one player wins outright, and where the samples are all alike."""

import warnings

import keras
import numpy as np

from dimaging_tf.evaluation import metrics
from dimaging_tf.training.callbacks import steps_done


class GANWarning(UserWarning):
    """The training of a GAN that will hardly recover by itself; the message says what to try."""


class GANMonitor(keras.callbacks.Callback):
    """A callback that adds `diversity` to each epoch's logs, and gives each kind of GANWarning once.

    diversity   root mean square difference between samples, over that between real images: near 1
                where the samples differ as the data do, 0 where all are one picture
    image       real images [N, H, W, C] in [0, 1]
    samples     number of images that `model.sample(n)` draws
    patience    number of first steps without a warning
    """

    def __init__(self, image: np.ndarray, samples: int = 100, patience: int = 300):
        super().__init__()
        self.real, self.samples, self.patience = metrics.diversity(image), samples, patience
        self.said: set[str] = set()

    def on_epoch_end(self, epoch, logs=None):
        """Draw samples, compare them with the data, and warn where something is wrong."""
        logs = {} if logs is None else logs
        drawn = self.model.sample(self.samples, seed=0)
        logs["diversity"] = metrics.diversity(drawn) / max(self.real, 1e-12)
        if steps_done(self.model) < self.patience:
            return
        for kind, message in findings(logs):
            if kind not in self.said:
                self.said.add(kind)
                warnings.warn(f"{self.model.name}: {message}", GANWarning, stacklevel=2)


def findings(logs: dict[str, float]) -> list[tuple[str, str]]:
    """Return (kind, message) for everything that is wrong in an epoch's d_real, d_fake and diversity."""
    real, fake, spread = logs["d_real"], logs["d_fake"], logs["diversity"]
    found = []
    if real > 0.99 and fake < 0.01:
        found.append((
            "discriminator",
            f"the discriminator wins outright (D(x) = {real:.3f}, D(G(z)) = {fake:.3f}), so the "
            "generator learns little. Try label_smoothing=0.1, gradient_penalty=1, a smaller "
            "discriminator, or a smaller learning rate of its optimizer",
        ))  # fmt: skip
    if fake > 0.9:
        found.append((
            "generator",
            f"the generator wins outright (D(x) = {real:.3f}, D(G(z)) = {fake:.3f}): the "
            "discriminator cannot tell. Try a larger discriminator, or a larger learning rate of its "
            "optimizer",
        ))  # fmt: skip
    if spread < 0.5:
        found.append((
            "collapse",
            f"modes collapse: samples differ by {spread:.2f} of what real images differ by. Try a "
            "smaller learning rate, a larger batch, gradient_penalty=1 or spectral_normalisation=True",
        ))  # fmt: skip
    return found
