"""Cartoon faces: a look in words is what is drawn, the same ever after, and kept once drawn."""

from dataclasses import fields, replace

import numpy as np
import pytest

from dimaging_tf.data import avatars
from dimaging_tf.data.avatars import PARTS, Look
from dimaging_tf.errors import DataError

drawn = pytest.mark.skipif(
    any(not avatars.importlib.util.find_spec(m) for m in ("python_avatars", "resvg_py")),
    reason="needs pip install 'dimaging[avatars]'",
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path


def test_looks_are_a_pure_function_and_half_of_them_have_glasses():
    looks = [avatars.look(0, 0, i) for i in range(2000)]
    assert looks[7] == avatars.look(0, 0, 7)
    assert len({avatars.look(*k) for k in [(0, 0, 1), (1, 0, 1), (0, 1, 1), (0, 0, 2)]}) == 4
    assert np.mean(avatars.glasses(looks)) == pytest.approx(0.5, abs=0.03)
    for field in fields(Look):
        assert {getattr(face, field.name) for face in looks} == set(PARTS[field.name])


def test_no_attribute_goes_with_glasses():
    looks = [avatars.look(0, 0, i) for i in range(4000)]
    label = avatars.glasses(looks)
    for part, word in [("beard", "no"), ("skin", "dark"), ("mouth", "smiling"), ("hair", "no")]:
        has = np.array([getattr(face, part) == word for face in looks])
        assert abs(label[has].mean() - label[~has].mean()) < 0.06


@drawn
@pytest.mark.parametrize("part", list(PARTS))
def test_each_word_changes_the_picture(part):
    pictures = [avatars.draw(replace(Look(), **{part: word}), 48).tobytes() for word in PARTS[part]]
    assert len(set(pictures)) == len(pictures)


@drawn
@pytest.mark.parametrize("hair", list(PARTS["hair"]))
def test_no_hair_hides_the_glasses_or_the_beard(hair):
    bare = avatars.draw(Look(hair=hair), 32).astype(int)
    for part, word, rows in (("glasses", "round", slice(12, 21)), ("beard", "full", slice(15, 32))):
        change = np.abs(avatars.draw(replace(Look(hair=hair), **{part: word}), 32) - bare).max(2)
        assert (change[rows] > 50).sum() > 0.95 * (change > 50).sum() > 40


@drawn
def test_the_label_and_the_picture_are_those_of_the_looks(home):
    faces = avatars.load_avatars(32, train=12, valid=3)
    image, looks = avatars.portraits(12, 32)
    np.testing.assert_array_equal(faces.train.x, image)
    np.testing.assert_array_equal(faces.train.label, avatars.glasses(looks))
    np.testing.assert_array_equal(image[5], avatars.draw(looks[5], 32))
    assert faces.shape == (32, 32, 3)
    assert not np.array_equal(faces.valid.x, image[:3])


@drawn
def test_faces_are_kept_and_a_damaged_file_is_drawn_again(home, monkeypatch):
    image, _ = avatars.portraits(4, 16)
    (kept,) = (home / "datasets").glob("avatars-16-0-0-*.npz")
    with monkeypatch.context() as patch:
        patch.setattr(avatars, "draw", lambda *_: pytest.fail("drawn twice"))
        np.testing.assert_array_equal(avatars.portraits(3, 16)[0], image[:3])
    longer, _ = avatars.portraits(6, 16)
    np.testing.assert_array_equal(longer[:4], image)
    kept.write_bytes(kept.read_bytes()[:100])
    np.testing.assert_array_equal(avatars.portraits(6, 16)[0], longer)


@drawn
def test_a_home_that_cannot_be_written_costs_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    assert len(avatars.portraits(2, 16)[0]) == 2


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Look(glasses="pink"), "glasses is one of no, round, square, pale, dark, black; received 'pink'"),
        (lambda: avatars.portraits(1, 8), "at least 16 pixels a side; received size=8"),
        (lambda: avatars.portraits(0), "at least 1 face to draw; received 0"),
    ],
)  # fmt: skip
def test_errors(call, words):
    with pytest.raises(DataError) as error:
        call()
    assert words in str(error.value)


def test_absent_packages_are_named_with_the_command(monkeypatch):
    monkeypatch.setattr(avatars.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError) as error:
        avatars.load_avatars(32)
    assert "python-avatars and resvg-py are not installed: pip install 'dimaging[avatars]'" in str(
        error.value
    )
