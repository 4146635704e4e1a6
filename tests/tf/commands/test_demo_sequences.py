"""The demo's text, captions and frames: weights that fit their recipes, and figures of what the edge answers."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image

from dimaging_tf.commands import demo, demo_sequences
from dimaging_tf.data import cell_kinetics, python_docs, shapes
from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.registry import REGISTRY
from dimaging_tf.training import runs


def weights_of(name):
    REGISTRY[name].model_class()  # registers its class
    return keras.saving.load_model(demo_sequences.WEIGHTS / f"{name}.keras", compile=False)


def answers(folder, name, **said):
    """Write what the edge would have answered."""
    bundle = folder / "bundle" / name
    bundle.mkdir(parents=True)
    for file, content in said.items():
        (bundle / f"{file}.json").write_text(json.dumps(content))
    return bundle


@pytest.mark.parametrize("name", ["captioning", "char_lm"])
def test_the_weights_are_those_of_the_recipe(name):
    config = weights_of(name).config
    recipe = demo.recipes(False)[name]
    assert {key: getattr(config, key) for key in recipe["changes"]} == recipe["changes"]
    if name == "captioning":
        assert config.words == shapes.CAPTIONED.words
        assert config.shape == (32, 32, 3)


def test_the_weights_caption_what_they_never_saw():
    drawn = shapes.CAPTIONED.load(size=32, train=54, valid=54).valid
    said = weights_of("captioning").caption(drawn.inputs(), 1)
    assert shapes.CAPTIONED.exact(said, np.asarray(drawn.label)).mean() > 0.5


def test_another_reference_of_python_is_learned_from_the_start(monkeypatch):
    known = SimpleNamespace(vocabulary=weights_of("char_lm").config.vocabulary)
    monkeypatch.setattr(python_docs, "load_python_docs", lambda: known)
    assert demo.recipes(False)["char_lm"].get("init", "").endswith("char_lm.keras")
    other = SimpleNamespace(vocabulary=("a", "b"))
    monkeypatch.setattr(python_docs, "load_python_docs", lambda: other)
    recipe = demo.recipes(False)["char_lm"]
    assert "init" not in recipe
    assert recipe["minutes"] > 0.2


def test_a_text_ends_with_a_whole_word(tmp_path, monkeypatch):
    answers(tmp_path, "char_lm-integer", bundle={"quality": {"onnx": 2.5}})
    monkeypatch.setattr(demo_sequences, "run_edge", lambda *words: "The value of pi is thr")
    ((caption, text),) = demo_sequences.show_text(tmp_path, 0)
    assert text.read_text() == "The value of pi is ...\n"
    assert "(2.50 bits a character)" in caption


def test_captions_are_judged(tmp_path, monkeypatch):
    data = shapes.CAPTIONED.load(size=32, train=8, valid=20)
    monkeypatch.setattr(runs, "read_settings", lambda run: None)
    monkeypatch.setattr(runs, "load_data", lambda settings: data)
    right = shapes.CAPTIONED.captions(
        tuple(shapes.CAPTIONED.attributes_of(np.asarray(data.valid.label)[:1])[0])
    )[0]
    said = iter([right, "a circle", "a square", "a circle"])
    monkeypatch.setattr(demo_sequences, "run_edge", lambda *words: next(said))
    ((caption, picture),) = demo_sequences.show_captions(tmp_path, 0)
    assert "1 of 4 are exact" in caption
    with Image.open(picture) as found:
        assert found.width == 2 * 196


def test_the_frames_are_counted_from_one(tmp_path, monkeypatch):
    movies, label = cell_kinetics.draw(40, np.random.default_rng(0))
    split = Split(movies, label, kind="movie")
    bundle = answers(tmp_path, "frame_selection-fp32", frames={"frames": [3, 4, 11], "of": 16})
    Image.new("L", (8, 8)).save(bundle / "frames.png")
    monkeypatch.setattr(runs, "read_settings", lambda run: None)
    monkeypatch.setattr(
        runs,
        "load_data",
        lambda settings: Dataset("", split, split, "", "", "", classes=cell_kinetics.KINETICS),
    )

    def answer(folder, graph, frames):
        assert frames.shape == (40, 3, 8, 8, 1)
        return {"logits": np.eye(4)[label]}

    monkeypatch.setattr(demo_sequences, "answer", answer)
    (caption, picture), (_, strip) = demo_sequences.show_frames(tmp_path, 0)
    assert "takes frames 4, 5, 12 of 16 alone" in caption
    assert "100% of movies" in caption
    with Image.open(picture) as found:
        pixels = np.asarray(found, int)
    side = pixels.shape[0] // 4
    margin = pixels.shape[1] - 16 * side  # the names of the kinds
    assert 0 < margin < 150
    left_out, taken = (
        pixels[: side - 2, margin + k * side : margin + (k + 1) * side - 2] for k in (0, 3)
    )
    assert left_out.min() > 200 > taken.min()
    assert strip.name == "mask.png"
