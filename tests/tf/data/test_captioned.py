"""Captioned pictures: what is said, what is drawn, and what training never shows."""

import importlib.util
import itertools
from dataclasses import fields

import numpy as np
import pytest

from dimaging_tf.data import avatar_captions, avatars, load, shapes
from dimaging_tf.data import words as text
from dimaging_tf.errors import DataError

drawn = pytest.mark.skipif(
    any(not importlib.util.find_spec(m) for m in ("python_avatars", "resvg_py")),
    reason="needs pip install 'dimaging[avatars]'",
)
SETS = [
    # data set, combinations, words, a caption
    (shapes.CAPTIONED, 270, 29, "a small red circle at the top left"),
    (avatar_captions.CAPTIONED, 810, 29, "a face with long black hair, glasses and a smile"),
]
DRAWN = [shapes.CAPTIONED, pytest.param(avatar_captions.CAPTIONED, marks=drawn)]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))


@pytest.mark.parametrize(("data", "count", "words", "caption"), SETS)
def test_one_combination_in_five_is_held_out_and_every_pair_is_seen(data, count, words, caption):
    seen, held = data.combinations[~data.held_out], data.combinations[data.held_out]
    assert len(data.combinations) == 5 * len(held) == count
    for i, j in itertools.combinations(range(len(data.counts)), 2):
        assert {(a[i], a[j]) for a in held} <= {(a[i], a[j]) for a in seen}


@pytest.mark.parametrize(("data", "count", "words", "caption"), SETS)
def test_captions_use_the_vocabulary_and_read_back(data, count, words, caption):
    assert len(data.words) == len(set(data.words)) == words
    said = {c: tuple(a) for a in data.combinations for c in data.captions(tuple(a))}
    assert caption in said
    few = list(said)[:: len(said) // 500]
    tokens = data.tokens(few)
    assert text.decode(tokens, data.words) == [c.replace(",", "") for c in few]
    np.testing.assert_array_equal(data.attributes_of(tokens), [said[c] for c in few])
    for a in data.combinations:  # no caption says two things
        assert all(said[c] == tuple(a) for c in data.captions(tuple(a)))


@pytest.mark.parametrize("data", DRAWN, ids=lambda data: data.name)
def test_pictures_come_from_their_seed_whatever_their_number(data):
    some, few = data.load(16, train=9, valid=2), data.load(16, train=3, valid=1)
    assert some.shape == (16, 16, 3)
    for a, b in ((some.train, few.train), (some.valid, few.valid)):
        np.testing.assert_array_equal(a.x[: len(b)], b.x)
        np.testing.assert_array_equal(a.label[: len(b)], b.label)
    other = data.load(16, train=3, valid=1, seed=1)
    assert not np.array_equal(few.train.x, other.train.x)
    for split, held in ((some.train, False), (some.valid, True)):
        wanted = data.combinations[data.held_out == held][: len(split)]
        np.testing.assert_array_equal(data.attributes_of(split.label), wanted)


def test_a_face_looks_as_its_caption_says():
    rngs = [np.random.default_rng(i) for i in range(300)]
    attributes = (2, 0, 2, 0, 1)
    looks = [avatar_captions.look(attributes, rng) for rng in rngs]
    told = {"hair": {"long"}, "hair_colour": {"black"}, "glasses": {"dark", "black"},
            "beard": {"no"}, "mouth": {"serious"}, "background": {"grey"}}  # fmt: skip
    for field in fields(avatars.Look):  # what is not told varies
        found = {getattr(face, field.name) for face in looks}
        assert found == told.get(field.name, set(avatars.PARTS[field.name]))
    assert "sunglasses and long black hair, serious" in avatar_captions.CAPTIONED.captions(
        attributes
    )


@pytest.mark.parametrize("name", ["shapes", "avatar_captions"])
def test_too_small(name):
    with pytest.raises(DataError, match=f"{name} have at least 16 pixels a side; received size=8"):
        load(name, size=8)


def test_absent_packages_are_named_before_anything_is_drawn(monkeypatch):
    monkeypatch.setattr(avatars.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pip install 'dimaging\[avatars\]'"):
        load("avatar_captions")
