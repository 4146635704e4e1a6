"""Small classifiers to attack: linear in numpy, convolutional in onnxruntime, the same in int8, and scores alone."""

import numpy as np
import pytest
from dimaging_edge import attacks
from dimaging_export.precision.reduced import change_precision
from helpers.small_classifiers import CLASSES, COUNT, SHAPE, Linear, convolutional, onnx_oracle


@pytest.fixture(scope="session")
def convolutional_model():
    """The ONNX file behind most of `oracles`."""
    return convolutional()


@pytest.fixture(scope="session")
def images():
    """COUNT images of random greys in [0, 1], a few pixels at the bounds."""
    x = np.random.default_rng(4).random((COUNT, *SHAPE), np.float32)
    x[:, 0, 0], x[:, 0, 1] = 0, 1
    return x


@pytest.fixture(scope="session")
def oracles(images, convolutional_model):
    """Name -> oracle."""
    rng = np.random.default_rng(5)
    linear = Linear(rng.normal(0, 1, (36, CLASSES)).astype(np.float32))
    model = convolutional_model
    small = change_precision(model, "int8", [{"image": image[None]} for image in images])
    float_oracle = onnx_oracle(model)
    return {
        "linear": linear,
        "onnx": float_oracle,
        "int8": onnx_oracle(small),
        "eot": attacks.Eot(float_oracle, [], views=2),
        "bpda": attacks.Bpda(float_oracle, lambda x: (np.rint(x * 15) / 15).astype(np.float32)),
        "transfer": attacks.Transfer(onnx_oracle(small), float_oracle),
        "scores": attacks.Scores(float_oracle.score, "the file"),
    }
