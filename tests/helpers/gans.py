"""What the tests of GANs share: the lecture's J(D) by its definition, and games of a few units."""

import keras
import numpy as np

SMALL = {"shape": (8, 8, 1), "latent_dim": 5}
TINY = {**SMALL, "g_hidden": (16,), "d_hidden": (12, 8)}


def sure(logit):
    return 1 / (1 + np.exp(-logit.astype(np.float64)))


def j_d(real, fake, smoothing=0.0, wrong=None):
    """The slide's J(D), term by term in float64."""
    of_real = (1 - smoothing) * np.log(sure(real)) + smoothing * np.log(1 - sure(real))
    of_fake = np.log(1 - sure(fake)).mean()
    if wrong is not None:
        of_fake = (of_fake + np.log(1 - sure(wrong)).mean()) / 2
    return -(of_real.mean() + of_fake) / 2


def images(count=10, classes=0, side=8):
    image = np.random.default_rng(0).random((count, side, side, 1), np.float32)
    return (image, np.arange(count) % classes) if classes else (image,)


def started(make, d=1.0, g=1.0, kind=keras.optimizers.SGD):
    keras.utils.set_random_seed(1)
    model = make()
    model.compile(d_optimizer=kind(d), g_optimizer=kind(g))
    return model
