"""The models of the table, and what every test here needs of onnxruntime and Keras."""

import helpers.devices  # noqa: F401  before the first tensor
import keras
import numpy as np
import onnxruntime
import pytest
from keras import layers
from table import TABLE


class _Models(dict):
    """Name of a row of the table -> its model, made when it is first asked for."""

    def __missing__(self, name: str):
        self[name] = next(row for row in TABLE if row.id == name).make()
        return self[name]


@pytest.fixture(scope="session")
def models():
    """Name of a row of the table of models -> that model with random weights, always the same."""
    return _Models()


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
