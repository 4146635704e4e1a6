"""The demo: one model of each kind from its training to its picture, with networks of a few units."""

import importlib.util
import json
from functools import partial

import numpy as np
import pytest
from PIL import Image

from dimaging_tf.commands import demo, demo_pictures
from dimaging_tf.data import avatars
from dimaging_tf.errors import DataError, UserError
from dimaging_tf.training import runs

PACKAGES = all(importlib.util.find_spec(name) for name in ("python_avatars", "resvg_py"))
SMALL = [
    ("vae", {"hidden": (8,), "latent_dim": 2}, (464, 464), "64 digits drawn"),  # 8 x 8
    ("dcgan", {"width": 4, "classes": 10}, (580, 232), "real digits"),  # 10 x 4, each 56 + 2
    pytest.param(
        "vae_faces", {"channels": (2, 2)}, (528, 396), "mean difference of codes",  # 8 x 6
        marks=pytest.mark.skipif(not PACKAGES, reason="needs pip install 'dimaging[avatars]'"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "size", "words"), SMALL)
def test_a_model_is_trained_exported_and_shown(
    name, changes, size, words, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    few = partial(avatars.load_avatars, train=64, valid=32)
    monkeypatch.setattr(avatars, "load_avatars", few)
    recipe = {"minutes": 0.01, "changes": changes}
    (caption, picture), *others = demo.make(name, recipe, tmp_path, 0)
    assert all(other.stat().st_size > 1000 for _, other in others)
    assert words in caption
    with Image.open(picture) as found:
        assert found.size == size
        assert np.ptp(np.asarray(found)) > 100
    said = capsys.readouterr()
    assert f"train {name} for 1 s" in said.out
    assert f"{name} epoch 1" in said.err
    for precision in demo.PRECISIONS[name]:
        manifest = tmp_path / "bundle" / f"{name}-{precision}" / "bundle.json"
        assert json.loads(manifest.read_text())["precision"] == precision


@pytest.mark.parametrize("quick", [False, True])
def test_recipes_are_settings_of_known_models(quick):
    found = demo.recipes(quick)
    assert set(found) == set(demo.PRECISIONS) == set(demo_pictures.SHOWN)
    minutes = [runs.default_settings(name, **recipe).minutes or 0 for name, recipe in found.items()]
    assert 0 < sum(minutes) < (0.5 if quick else 3.2)  # of one core of two
    assert quick or minutes[0] == max(minutes)  # a long one at the end would run alone


def test_what_is_not_installed_is_left_out_and_an_error_of_another_process_is_told(
    tmp_path, monkeypatch, capsys
):
    def absent():
        raise DataError("install [them]")

    recipes = {"vae": {"minutes": 0.01, "data": "no"}, "vae_faces": {"minutes": 0.01}}
    monkeypatch.setattr(demo, "recipes", lambda quick: recipes)
    monkeypatch.setattr(demo, "show_codec", lambda pictures: ("", pictures))
    monkeypatch.setattr(avatars, "check_installed", absent)
    with pytest.raises(UserError, match="folder called 'no'"):
        demo.run_demo(tmp_path / "demo")
    assert "vae_faces is left out: install [them]" in capsys.readouterr().out


def test_a_demo_is_not_overwritten(tmp_path):
    (tmp_path / "runs").mkdir()
    with pytest.raises(UserError, match="holds a demo already"):
        demo.run_demo(tmp_path)


def test_the_device_side_says_what_went_wrong(tmp_path):
    with pytest.raises(UserError, match="dimaging-edge run .*failed:\n.*no bundle"):
        demo_pictures.run_edge("run", tmp_path / "none", "decoder")


def test_half_a_real_digit_is_completed(tmp_path, monkeypatch):
    asked = []

    def drawn(verb, out, bundle, seed, n, *flags, image=None):
        asked.append((verb, bundle, n, flags, None if image is None else sorted(np.unique(image))))
        return np.zeros((n + (verb == "complete"), 28, 28, 1), np.float32)

    monkeypatch.setattr(demo_pictures, "_drawn", drawn)
    (figure,) = demo_pictures.show_pixelcnn(tmp_path, 0)
    assert asked == [
        ("complete", "pixelcnn-fp32", 7, ("--keep", "upper"), [0, 1]),
        ("sample", "pixelcnn-integer", 24, (), None),
    ]
    assert "completed 7 times" in str(figure)
