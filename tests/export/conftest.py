"""Small models of every kind, and what every test here needs of onnxruntime and Keras."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import onnxruntime
import pytest
from keras import layers

from dimaging_tf.models.autoencoder import Autoencoder
from dimaging_tf.models.autoencoder import Config as AutoencoderConfig
from dimaging_tf.models.classifier import Classifier
from dimaging_tf.models.classifier import Config as ClassifierConfig
from dimaging_tf.models.denoiser import Config as DenoiserConfig
from dimaging_tf.models.denoiser import Denoiser
from dimaging_tf.models.unet import UNet, padded
from dimaging_tf.models.vae import VAE
from dimaging_tf.models.vae import Config as VAEConfig
from dimaging_tf.models.vae_faces import Config as FaceConfig
from dimaging_tf.models.vae_faces import FaceVAE

DIGIT = (8, 8, 1)
MODELS = {
    "vae": lambda: VAE(VAEConfig(DIGIT, 3, (16,))),
    "vae_conv": lambda: VAE(VAEConfig(DIGIT, 3, (16,), channels=(4, 8))),
    "vae_faces": lambda: FaceVAE(FaceConfig(DIGIT, 6, channels=(4, 8))),
    "autoencoder": lambda: Autoencoder(AutoencoderConfig(DIGIT, 4)),
    "autoencoder_conv": lambda: Autoencoder(AutoencoderConfig(DIGIT, 4, (4, 8))),
    "classifier": lambda: Classifier(ClassifierConfig(DIGIT, channels=(8, 8), units=16)),
    "denoiser": lambda: Denoiser(DenoiserConfig(depth=1, width=4)),
    "unet": lambda: UNet(padded(depth=2, width=4, outputs=1, head="regression")),
    "segmenter": lambda: UNet(padded(depth=1, width=4)),
}


@pytest.fixture(scope="session")
def models():
    """Name -> a small model of dimaging_tf.models with random weights, always the same."""
    keras.utils.set_random_seed(0)
    return {name: make() for name, make in MODELS.items()}


@pytest.fixture(scope="session")
def digits():
    """48 images [48, 8, 8, 1] uint8 of scikit-learn's digits."""
    from dimaging_tf import data

    return data.load("digits").train.x[:48]


@pytest.fixture(scope="session")
def labels():
    """The digit of each of `digits`."""
    from dimaging_tf import data

    label = data.load("digits").train.label
    assert label is not None
    return label[:48]


@pytest.fixture(scope="session")
def masks(digits):
    """Ink or paper, for the segmenter."""
    return (digits[..., 0] > 127).astype(np.int32)


@pytest.fixture(scope="session")
def small_unet():
    """(channels in, channels out) -> a padded two-level U-Net of plain Keras layers, any size."""

    def build(channels=1, outputs=1):
        image = keras.Input((None, None, channels), name="image")
        a = layers.Conv2D(4, 3, padding="same", activation="relu")(image)
        b = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.MaxPooling2D()(a))
        c = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.MaxPooling2D()(b))
        c = layers.Conv2DTranspose(8, 2, 2)(c)
        b = layers.Conv2D(8, 3, padding="same")(layers.Concatenate()([b, c]))
        b = layers.Conv2DTranspose(4, 2, 2)(layers.ReLU()(layers.BatchNormalization()(b)))
        a = layers.Conv2D(4, 3, padding="same", activation="relu")(layers.Concatenate()([a, b]))
        return keras.Model(image, {"mask": layers.Conv2D(outputs, 1, activation="sigmoid")(a)})

    return build


@pytest.fixture(scope="session")
def run():
    """run(model, **inputs) -> outputs by name, in onnxruntime on the CPU."""

    def run(model, **inputs):
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        names = [tensor.name for tensor in session.get_outputs()]
        return dict(zip(names, session.run(names, inputs), strict=True))

    return run


@pytest.fixture(scope="session")
def randomised():
    """Give a model weights in which a mistake shows: no zero bias, no unit variance."""

    def randomised(model, seed=0):
        rng = np.random.default_rng(seed)
        for weight in model.weights:
            low = 0.5 if "variance" in weight.path else -0.5
            weight.assign(rng.uniform(low, low + 1, weight.shape))
        return model

    return randomised
