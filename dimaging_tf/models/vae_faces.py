"""A convolutional VAE for faces, sharp enough to be edited (lecture: "adding glasses to a new face").

    image ──conv /2──conv /2──dense── mean, log variance ── z ──dense──deconv x2──deconv x2── image

It is `vae.VAE` with other settings: few latents keep no person's face and no glasses, and neither does
a wide likelihood. So: 256 latents, sigma 1/40. Stored codes are edited by `dimaging_tf.latent.arithmetic`.

image: float32 [B, H, W, C] in [0, 1], 32x32 or 64x64, grey or RGB; z: float32 [B, latent_dim].
"""

from dataclasses import dataclass

import keras

from dimaging_tf.deployable import FigureOfMerit
from dimaging_tf.evaluation import metrics
from dimaging_tf.models import vae


@dataclass(frozen=True)
class Config(vae.Config):
    """Faces of 32x32 in colour; a side must be divisible by 4."""

    shape: tuple[int, int, int] = (32, 32, 3)
    latent_dim: int = 256
    hidden: tuple[int, ...] = ()
    likelihood: str = "gaussian"
    sigma: float = 0.025
    kl_warmup: int = 500
    channels: tuple[int, ...] = (32, 64)


@keras.saving.register_keras_serializable("dimaging", name="FaceVAE")
class FaceVAE(vae.VAE):
    """`compile(optimizer)` and `fit(images)`, as its parent."""

    config_class = Config
    registry_name = "vae_faces"
    # Not -ELBO: at this sigma, an error that nobody sees costs nats.
    figure_of_merit = FigureOfMerit(
        "PSNR of reconstructions", "dB", True, {"fp16": 0.05, "int8": 1.0}
    )

    def score(self, run, image, label=None, seed=0):
        """PSNR in dB of what the decoder makes of the mean."""
        z = run("encoder", image=image)["mean"]
        return metrics.psnr(run("decoder", z=z)["image"], image)
