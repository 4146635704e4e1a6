"""The direction of glasses travels in the bundle of a model of faces."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dimaging_edge.bundle.open import open_bundle
from dimaging_export import export
from helpers.faces import faces

from dimaging_tf.data.dataset import Dataset, Split, to_float
from dimaging_tf.latent.faces import glasses_vector
from dimaging_tf.latent.space import open_space
from dimaging_tf.models.vae_faces import Config, FaceVAE


@pytest.fixture(scope="module", name="faces")
def faces_of_the_module() -> Dataset:
    return faces()


@pytest.fixture(scope="module")
def model() -> FaceVAE:
    return FaceVAE(Config(shape=(16, 16, 3), latent_dim=6, channels=(4, 4)))


def test_glasses_travel(model: FaceVAE, faces: Dataset, tmp_path: Path) -> None:
    bundle = open_bundle(export(model, tmp_path / "faces", data=faces, target="web"))
    assert faces.train.label is not None
    expected = glasses_vector(open_space(model), to_float(faces.train.x), faces.train.label)
    found = bundle.manifest.config["directions"]["glasses"]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("change", ["other data", "no labels", "one kind"])
def test_none_where_the_data_tell_none(
    model: FaceVAE, faces: Dataset, tmp_path: Path, change: str
) -> None:
    ones = Split(faces.train.x, np.ones(40, np.int32))
    given = {
        "other data": replace(faces, name="digits"),
        "no labels": replace(faces, train=Split(faces.train.x), valid=Split(faces.train.x)),
        "one kind": replace(faces, train=ones, valid=ones),
    }[change]
    bundle = open_bundle(export(model, tmp_path / "faces", data=given))
    assert "directions" not in bundle.manifest.config
