"""An export does nothing twice: one full check a stage, one walk a conversion, one session a file."""

from collections import Counter

import keras
import onnx
import onnxruntime
import pytest
from dimaging_export import export
from dimaging_export.samplers import loops

from dimaging_tf.models.pixelcnn import Config, PixelCNN


@pytest.fixture
def calls(monkeypatch):
    """Name -> how often a function that costs something was called."""
    count = Counter()

    def counted(owner, name, key=None):
        function = getattr(owner, name)

        def wrapper(*args, **kwargs):
            count[key or name] += 1
            return function(*args, **kwargs)

        monkeypatch.setattr(owner, name, wrapper)

    counted(onnx.checker, "check_model")
    counted(onnxruntime, "InferenceSession")
    counted(keras.models, "clone_model")  # each walk of a Keras graph makes one
    counted(loops, "plan")
    counted(PixelCNN, "parameters")
    return count


@pytest.mark.parametrize(
    ("precision", "target", "stages"),
    [
        ("fp32", "cpu", 1),  # converted
        ("fp16", "cpu", 2),  # converted, reduced
        ("fp32", "web", 2),  # converted, in bytes
        ("fp16", "web", 3),
    ],
)
def test_one_check_and_one_session_a_stage(
    models, digits, tmp_path, calls, precision, target, stages
):
    export(models["vae"], tmp_path / "b", data=digits, precision=precision, target=target)
    graphs = 2
    assert calls["check_model"] == graphs * stages
    watched = precision == "fp16"  # a session more shows every tensor's range
    assert calls["InferenceSession"] == graphs * (stages + watched)
    assert calls["clone_model"] == graphs


def test_samplers_share_a_plan_and_what_keras_says(digits, tmp_path, calls):
    config = Config((8, 8, 1), filters=8, blocks=1, middle=8, head=8)
    export(PixelCNN(config), tmp_path / "b", data=digits)
    assert calls["check_model"] == 3  # density, sampler, sampler_rows
    assert calls["plan"] == 1
    assert calls["clone_model"] == 2
    # Three batches with and without a canvas, and the example: the second sampler draws the same images.
    assert calls["parameters"] <= 6 + 1 + 1
