"""The demo: one model of each kind from its training to its picture, with networks of a few units."""

import importlib.util
import json
from functools import partial

import numpy as np
import pytest
from PIL import Image

from dimaging_tf.commands import demo, demo_pictures
from dimaging_tf.data import avatars, imagenet
from dimaging_tf.errors import DataError, UserError
from dimaging_tf.training import runs

PACKAGES = all(importlib.util.find_spec(name) for name in ("python_avatars", "resvg_py"))
SMALL = [
    ("vae", {"hidden": (8,), "latent_dim": 2}, (688, 688), "64 digits drawn"),  # 8 x 8, each 84 + 2
    ("dcgan", {"width": 4, "classes": 10}, (860, 344), "real digits"),  # 10 x 4
    pytest.param(
        "vae_faces", {"channels": (2, 2)}, (784, 588), "mean difference of codes",  # 8 x 6
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
        # The names of the rows, if any, stand to the left; their width is that of the letters.
        assert found.height == size[1]
        assert size[0] <= found.width < size[0] + 150
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
    assert set(found) == set(demo.PRECISIONS) == set(demo.SHOWN)
    minutes = [runs.default_settings(name, **recipe).minutes or 0 for name, recipe in found.items()]
    assert 0 < sum(minutes) < (0.5 if quick else 3.3)  # of one core of two
    assert quick or minutes[0] == max(minutes)  # a long one at the end would run alone


def test_what_is_not_installed_is_left_out_and_an_error_of_another_process_is_told(
    tmp_path, monkeypatch, capsys
):
    def absent():
        raise DataError("install [them]")

    recipes = {"vae": {"minutes": 0.01, "data": "no"}, "vae_faces": {"minutes": 0.01}}
    monkeypatch.setattr(demo, "recipes", lambda quick: recipes)
    monkeypatch.setattr(demo, "show_codec", lambda pictures: ("", pictures))
    monkeypatch.setattr(demo, "draw_sign_maps", lambda path, seed: ("", path))
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


def test_the_iguana_is_attacked_by_its_bundle_alone(tmp_path, monkeypatch):
    asked = []

    def edge(*words):
        asked.append([str(word) for word in words])
        return "\n".join(
            (
                "cat.png of 451 x 300 pixels: its middle, at 224 x 224",
                "before  class 282 tiger cat (39.4%)",
                "after   class 39 common iguana (99.8%), as a picture of 8 bits",
            )
        )

    def export(name, folder, gradient):
        assert (name, gradient) == ("efficientnet_lite0", True)
        return folder

    monkeypatch.setattr(demo_pictures, "run_edge", edge)
    monkeypatch.setattr("dimaging_export.export", export)
    ((caption, picture),) = demo_pictures.show_iguana(tmp_path, 3)
    assert "sees tiger cat (39.4%);" in caption
    assert "common iguana (99.8%). Right: the difference" in caption
    assert picture == tmp_path / "pictures" / "iguana-compare.png"
    (words,) = asked
    assert words[0] == "attack"
    assert words[words.index("--target") + 1] == "common iguana"
    assert words[words.index("--seed") + 1] == "3"


def test_without_the_weights_the_iguana_is_left_out(monkeypatch, capsys):
    def absent():
        raise DataError("install [them]")

    monkeypatch.setattr(imagenet, "weights_file", absent)
    assert not demo._iguana_is_possible()
    assert "the iguana is left out: install [them]" in capsys.readouterr().out
