"""Faces: drawn ones, and the Olivetti ones from a file."""

from typing import Any

import numpy as np
import pytest

from dimaging_tf.data import faces, load
from dimaging_tf.errors import DataError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 243, (400, 64, 64), np.uint8)
PERSON = np.repeat(np.arange(40, dtype=np.uint8), 10)
GLASSES = RNG.integers(0, 2, 400, np.uint8)


def write(folder, **changes):
    arrays: dict[str, Any] = {"images": IMAGES, "person": PERSON, "glasses": GLASSES}
    np.savez_compressed(folder / "olivetti.npz", **(arrays | changes))


def test_drawn_faces_come_from_their_seed_whatever_their_number():
    few, more = faces.load_faces(train=2, valid=1), faces.load_faces(train=4, valid=2)
    assert few.shape == (32, 32, 1)
    assert np.array_equal(few.train.x, more.train.x[:2])
    assert np.array_equal(few.valid.x, more.valid.x[:1])
    assert not np.array_equal(few.train.x[0], few.valid.x[0])
    other = faces.load_faces(16, train=2, valid=1, seed=1)
    assert other.shape == (16, 16, 1)


def test_drawn_faces_differ_in_light_and_some_have_glasses():
    train = faces.load_faces(train=100, valid=1).train
    label = np.asarray(train.label)
    assert 15 < label.sum() < 50
    assert train.x.mean((1, 2, 3)).std() > 20
    assert train.x.std((1, 2, 3)).min() > 10


def test_olivetti_is_split_by_person_and_shrunk_by_block_means(tmp_path):
    write(tmp_path)
    dataset = load("olivetti", data_dir=tmp_path)
    assert dataset.shape == (32, 32, 1)
    assert (len(dataset.train), len(dataset.valid)) == (320, 80)
    assert np.array_equal(np.asarray(dataset.valid.label), GLASSES[320:])
    mean = IMAGES[:320].reshape(320, 32, 2, 32, 2).mean((2, 4))
    assert np.abs(dataset.train.x[..., 0] - mean).max() <= 0.5
    assert np.array_equal(
        load("olivetti", data_dir=tmp_path, size=64).valid.x[..., 0], IMAGES[320:]
    )


WRONG = [
    ({}, {"size": 24}, "olivetti comes in 64, 32, 16 or 8 pixels a side; received size=24"),
    ({"images": IMAGES[:, :32]}, {}, "holds images uint8 [400, 32, 64]"),
    ({"person": PERSON[:5]}, {}, "labels [5], [400]; expected uint8 [N, 64, 64]"),
    ({"images": np.array([{}], object)}, {}, "never unpickled"),
]


@pytest.mark.parametrize(("changes", "options", "words"), WRONG)
def test_a_wrong_file_or_size_is_named(tmp_path, changes, options, words):
    write(tmp_path, **changes)
    with pytest.raises(DataError) as caught:
        load("olivetti", data_dir=tmp_path, **options)
    assert words in str(caught.value)


def test_an_absent_file_or_a_tiny_face_is_named(tmp_path):
    with pytest.raises(DataError, match=r"olivetti\.npz is not in .*it cannot be downloaded"):
        load("olivetti", data_dir=tmp_path)
    with pytest.raises(DataError, match="at least 8 pixels a side; received size=4"):
        load("faces", size=4)
