"""Denoising autoencoder (lecture: "denoising autoencoder"; Vincent et al. 2008) on the padded U-Net.

    clean --noise model--> noisy --U-Net--> residual        image = noisy - residual
                             +-----------------^---------------------^

The network predicts the noise (Zhang et al. 2017, DnCNN, arXiv 1608.03981). It is blind: it is trained over a
range of noise levels and never learns which level an image has. The loss is the mean absolute error against
the noiseless image, because the few images with strong noise do not dominate it.

noisy: float32 [B, H, W, C], any height and width; the sensor's values with full scale 1, not clipped.
image: float32 [B, H, W, C] in [0, 1].
"""

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

from dimaging_tf.deployable import DeployableModel, FigureOfMerit
from dimaging_tf.evaluation import metrics
from dimaging_tf.models import unet
from dimaging_tf.physics import noise


@dataclass(frozen=True)
class Config:
    """A network for 20 minutes of training on two cores."""

    shape: tuple[int | None, int | None, int] = (None, None, 1)
    noise: str = "gaussian:5-50"  # the training noise, as dimaging_tf.physics.noise.parse reads it
    test_noise: str = "gaussian:25"  # the noise that the figure of merit is measured at
    depth: int = 3  # number of poolings of the U-Net
    width: int = 16  # channels of the U-Net's first level

    def __post_init__(self):
        for spec in (self.noise, self.test_noise):
            noise.parse(spec)  # raises here and not after an epoch


def build_denoiser(config: Config) -> keras.Model:
    """Build the network: noisy -> {"estimate"}, which is noisy minus the U-Net's residual, not clipped."""
    body = unet.build_unet(
        unet.padded(
            shape=config.shape, outputs=config.shape[-1], depth=config.depth, width=config.width,
            head="regression", dropout=0.0,
        ),
        name="residual",
    )  # fmt: skip
    # The network starts near the identity: the usual initial weights would add noise as large as the image.
    head = body.get_layer("head")
    head.kernel.assign(head.kernel * 0.1)
    noisy = keras.Input(config.shape, name="noisy")
    return keras.Model(noisy, {"estimate": layers.Subtract()([noisy, body(noisy)["estimate"]])})


@keras.saving.register_keras_serializable("dimaging")
class Denoiser(DeployableModel):
    """The denoiser; it is fitted on (noisy, clean) pairs, which `transform` makes from clean images."""

    config_class = Config
    picture_rows = ("clean", "noisy", "restored")
    registry_name = "denoiser"
    mixed_precision = True
    targets_are_images = True
    loss_units = {"loss": "of full scale"}
    takes = (-9.0, 10.0)  # the strongest noise around [0, 1], but no image of 0..255
    # Read noise leaves [0, 1]; values further out were not scaled by the sensor's full scale.
    ranges = {"noisy": (-1.0, 2.0), "image": (0.0, 1.0)}
    figure_of_merit = FigureOfMerit("PSNR", "dB", True, {"fp16": 0.02, "int8": 0.1})

    def __init__(self, config: Config | None = None, **kwargs):
        super().__init__(config, **kwargs)
        self.network = build_denoiser(self.config)

    @classmethod
    def input_shape_for(cls, shape, changes):
        """Return any height and width, and the data's channels."""
        return (None, None, shape[-1])

    def call(self, noisy, training=False):
        """Estimate the noiseless images of noisy ones [B, H, W, C], not clipped."""
        return self.network(noisy, training=training)["estimate"]

    def graphs(self):
        """Return {"denoiser": noisy -> image}, with the image clipped to [0, 1]."""
        image = layers.ReLU(max_value=1.0, name="image")(self.network.output["estimate"])
        return {"denoiser": keras.Model(self.network.input, {"image": image}, name="denoiser")}

    def objective(self):
        """Return the mean absolute error as loss."""
        return {"loss": "mae"}

    def transform(self, image, label, seed):
        """Return (noisy, clean); each image draws its own level from `config.noise`."""
        return noise.parse(self.config.noise)(image, seed), image

    def noisy(self, image: np.ndarray, seed: int = 0) -> np.ndarray:
        """Return `image` under the test noise, which the seed determines, clipped to the legal range."""
        sensor = noise.parse(self.config.test_noise)
        noisy = np.asarray(sensor(image, np.array([seed, 0], np.int32)), np.float32)
        low, high = self.ranges["noisy"] or (-np.inf, np.inf)
        return np.clip(noisy, low, high)

    def examples(self, image, label=None, seed=0):
        """Return the images under the test noise."""
        return {"denoiser": {"noisy": self.noisy(image, seed)}}

    def score(self, run, image, label=None, seed=0):
        """Return the PSNR in dB of images restored from the test noise."""
        return metrics.psnr(run("denoiser", noisy=self.noisy(image, seed))["image"], image)

    def picture(self, image, label=None, seed=0):
        """Return rows of clean, noisy and restored images."""
        image = image[:8]
        noisy = self.noisy(image, seed)
        restored = self.run("denoiser", noisy=noisy)["image"]
        return np.stack([image, np.clip(noisy, 0, 1), restored])
