"""A convolutional VAE for faces, sharp enough to be edited (lecture: "adding glasses to a new face").

    image ──conv /2──conv /2──dense── mean, log variance ── z ──dense──deconv x2──deconv x2── image

It is `vae.VAE` with other settings. With few latents or a wide likelihood, the reconstruction of a face loses
the person and the glasses; so it has 256 latents and sigma = 1/40. `dimaging_tf.latent.arithmetic` edits the
codes.

image: float32 [B, H, W, C] in [0, 1], 32x32 or 64x64, grey or RGB; z: float32 [B, latent_dim].
"""

from dataclasses import dataclass

import keras

from dimaging_tf.deployable import FigureOfMerit
from dimaging_tf.evaluation import metrics
from dimaging_tf.models import vae


@dataclass(frozen=True)
class Config(vae.Config):
    """Networks for 32x32 faces in colour; height and width must be divisible by 4."""

    shape: tuple[int, int, int] = (32, 32, 3)
    latent_dim: int = 256
    hidden: tuple[int, ...] = ()
    likelihood: str = "gaussian"
    sigma: float = 0.025
    kl_warmup: int = 500
    channels: tuple[int, ...] = (32, 64)


@keras.saving.register_keras_serializable("dimaging", name="FaceVAE")
class FaceVAE(vae.VAE):
    """The VAE of faces: `compile(optimizer)` and `fit(images)`, as its parent."""

    config_class = Config
    registry_name = "vae_faces"
    # Not -ELBO: with so small a sigma an error that nobody sees costs nats.
    figure_of_merit = FigureOfMerit(
        "PSNR of reconstructions", "dB", True, {"fp16": 0.05, "int8": 1.0}
    )

    def score(self, run, image, label=None, seed=0):
        """Return the PSNR in dB of reconstructions from the posterior mean."""
        z = run("encoder", image=image)["mean"]
        return metrics.psnr(run("decoder", z=z)["image"], image)
