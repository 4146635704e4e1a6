"""The data sets: what each holds, the mapping to [0, 1], the checks and the errors' words."""

import gzip
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dimaging_tf import data
from dimaging_tf.data import images, packaged, photos
from dimaging_tf.data.dataset import Split, to_float
from dimaging_tf.data.paths import kinds_of
from dimaging_tf.errors import DataError, UserError

KNOWN = [
    # name, options, (H, W, C), train, valid
    ("digits", {}, (8, 8, 1), 1500, 297),
    ("digits", {"size": 12, "channels": 3}, (12, 12, 3), 1500, 297),
    ("mnist5k", {}, (28, 28, 1), 4000, 1000),
    ("mnist5k", {"size": 32}, (32, 32, 1), 4000, 1000),
    ("photos", {}, (64, 64, 1), 2086, 146),
    ("photos", {"channels": 3}, (64, 64, 3), 1359, 82),
    ("photos", {"size": 100}, (100, 100, 1), 731, 61),
    ("photo_crops", {"size": 48}, (48, 48, 3), 144, 64),
    ("signs", {"size": 24}, (24, 24, 3), 1600, 600),
]


@pytest.mark.parametrize(("name", "options", "shape", "train", "valid"), KNOWN)
def test_a_named_set_holds_what_it_says(name, options, shape, train, valid):
    dataset = data.load(name, **options)
    assert dataset.name == name
    assert dataset.shape == shape
    assert (len(dataset.train), len(dataset.valid)) == (train, valid)
    for split in (dataset.train, dataset.valid):
        assert split.x.dtype == np.uint8
        assert split.x.max() == 255
        assert split.label is None or split.label.dtype == np.int32
    assert dataset.licence
    assert dataset.source
    assert dataset.summary


def test_digits_agree_with_the_packages_that_bring_them():
    from sklearn.datasets import load_digits

    theirs: Any = load_digits()
    ours = data.load("digits")
    image = np.concatenate([ours.train.x, ours.valid.x])[..., 0]
    assert np.array_equal(np.rint(image * (16 / 255)), theirs.images)
    label = [np.asarray(split.label) for split in (ours.train, ours.valid)]
    assert np.array_equal(np.concatenate(label), theirs.target)
    assert np.bincount(np.asarray(data.load("mnist5k").valid.label)).tolist() == [100] * 10


def test_no_photograph_is_in_both_splits():
    names = [photo.file for photo in photos.TRAIN + photos.VALID]
    assert len(set(names)) == len(names) == 13
    for photo in photos.TRAIN + photos.VALID:
        assert any(word in photo.credit for word in ("CC0", "CC BY", "public domain", "no known"))
        assert photo.file.split("/")[-1] in data.load("photos").licence


def test_importing_the_names_is_fast_because_it_loads_nothing():
    code = (
        "import sys, dimaging_tf.data as data; assert len(data.NAMES) > 7;"
        "print([name for name in ('numpy', 'tensorflow', 'keras', 'PIL') if name in sys.modules])"
    )
    assert _printed_by(code) == "[]"


def test_loading_a_set_does_not_load_tensorflow():
    code = (
        "import sys; from dimaging_tf.data import load; load('digits'); load('photos');"
        "print('tensorflow' in sys.modules)"
    )
    assert _printed_by(code) == "False"


def _printed_by(code):
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", code]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), str(root / "edge")])}
    return subprocess.run(
        command, env=env, capture_output=True, text=True, check=True
    ).stdout.strip()


ERRORS = [
    ("mnsit", {}, "neither a data set nor a file or folder called 'mnsit'; did you mean 'mnist'?"),
    ("fotos", {}, "did you mean 'photos'?"),
    ("/no/such/place", {}, "known: digits, mnist5k, photos, cells, "),
    ("digits", {"size": 7}, "the images of digits are 8 x 8; expected size= to be at least that"),
    ("digits", {"seed": -1}, "seed is a whole number of at least 0; received -1"),
    ("digits", {"channels": 0}, "channels is 1 (grey) or 3 (RGB); received 0"),
    ("digits", {"channels": 2}, "channels is 1 (grey) or 3 (RGB); received 2"),
    ("photos", {"channels": 4}, "channels is 1 (grey) or 3 (RGB); received 4"),
    ("photos", {"size": 513}, "photos come in patches of 1 to 512 pixels a side; received 513"),
    ("photos", {"size": 0}, "patches of 1 to "),
    ("cells", {"size": 0}, "Cells.size is above 0, low before high; received 0"),
]


@pytest.mark.parametrize(("name", "options", "words"), ERRORS)
def test_errors_say_what_is_wrong(name, options, words):
    with pytest.raises(DataError) as caught:
        data.load(name, **options)
    assert words in str(caught.value)
    assert isinstance(caught.value, UserError)
    assert isinstance(caught.value, ValueError)


ELSEWHERE = [
    (
        "film.mp4",
        "film.mp4",
        "is video, which is read as frames: ffmpeg -i VIDEO FOLDER/VIDEO/%04d.png",
    ),
    ("films/a.MOV", "films", "films holds video, which is read as frames: ffmpeg -i"),
    (
        "x.npy",
        "x.npy",
        "is a single array, which is read from an .npz: np.savez('data.npz', x=np.load(FILE))",
    ),
    (
        "books/a.txt books/b.txt",
        "books",
        "books holds texts; a text to learn from is one file: cat FOLDER/*.txt > all.txt",
    ),
    ("said/captions.csv", "said/captions.csv", "says what photographs show; give the folder: "),
]


@pytest.mark.parametrize(("files", "given", "words"), ELSEWHERE)
def test_files_that_are_not_read_say_what_is(tmp_path, files, given, words):
    for file in files.split():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(b"\0\1")
    for read in (data.load, lambda path: kinds_of(Path(path))):
        with pytest.raises(DataError) as caught:
            read(str(tmp_path / given))
        assert words in str(caught.value)


def test_an_absent_or_damaged_package_says_what_to_install(tmp_path):
    with pytest.raises(DataError, match=r"package nothing-here is not installed; .*pip install"):
        packaged.packaged("nothing_here", "a.csv", "nothing-here")
    with pytest.raises(DataError, match=r"scikit-image does not hold a\.csv in this version"):
        packaged.packaged("skimage", "a.csv", "scikit-image")
    for text in (b"1,2\n3,4\n5\n", b"1,2\n3,x\n", b"", b"1,2\n3,256\n"):
        (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text))
        with pytest.raises(DataError, match=r"a\.csv\.gz is damaged"):
            packaged.read_csv_gz(tmp_path / "a.csv.gz", 2)


pixels = st.sampled_from([np.uint8, np.uint16]).flatmap(
    lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=4, max_dims=4, max_side=6))
)


@settings(deadline=None, derandomize=True, max_examples=50)
@given(pixels)
def test_to_float_loses_nothing(image):
    floats, most = to_float(image), np.iinfo(image.dtype).max
    assert floats.dtype == np.float32
    assert floats.min() >= 0
    assert floats.max() <= 1
    assert np.array_equal(np.rint(floats * most).astype(image.dtype), image)


def test_to_float_maps_the_ends_exactly_and_keeps_float32():
    assert to_float(np.array([0, 255], np.uint8)).tolist() == [0.0, 1.0]
    assert to_float(np.array([0, 65535], np.uint16)).tolist() == [0.0, 1.0]
    image = np.zeros(3, np.float32)
    assert to_float(image) is image
    with pytest.raises(DataError, match=r"uint8, uint16 or float32 in \[0, 1\]; received float64"):
        to_float(np.zeros(3))


def _image(*shape, kind: Any = np.uint8):
    return np.zeros(shape, kind)


SPLITS = [
    (_image(2, 3, 3), None, "shape [N, H, W, C], none of them 0; received [2, 3, 3]"),
    (_image(0, 3, 3, 1), None, "none of them 0; received [0, 3, 3, 1]"),
    (_image(2, 3, 3, 1, kind=np.int64), None, "uint8, uint16 or float32 in [0, 1]; received int64"),
    (_image(2, 3, 3, 1, kind=np.float32) + 2, None, "lie in [0, 1]; received 2 to 2 (divide by"),
    (
        _image(2, 3, 3, 1, kind=np.float32) * np.nan,
        None,
        "are numbers; received NaN in 2 of 2, the first of them number 0",
    ),
    (
        _image(2, 3, 3, 1),
        _image(3),
        "the shape [2] (one an image), [2, 3, 3] (one a pixel) or [2, words]",
    ),
    (_image(2, 3, 3, 1), _image(2, kind=np.float32), "labels are integers; received float32"),
]


@pytest.mark.parametrize(("image", "label", "words"), SPLITS)
def test_a_split_is_checked(image, label, words):
    with pytest.raises(DataError) as caught:
        Split(image, label)
    assert words in str(caught.value)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_grey_of_colour_is_pillows_for_8_bits_and_the_same_scale_for_16(kind):
    from PIL import Image

    colour = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    reference = np.asarray(Image.fromarray(colour).convert("L"))
    if kind == np.uint8:
        assert np.array_equal(images.to_channels(colour, 1)[..., 0], reference)
    else:
        deep = images.to_channels(images.to_uint16(colour), 1)[..., 0]
        assert np.abs(deep / 257 - reference).max() <= 0.5
    white = np.full((1, 1, 3), np.iinfo(kind).max, kind)
    assert images.to_channels(white, 1)[0, 0, 0] == np.iinfo(kind).max


def test_padding_is_black_and_even():
    padded = images.pad_to(np.ones((2, 3, 4, 1), np.uint8), 8)
    assert padded.shape == (2, 8, 8, 1)
    assert padded.sum() == 2 * 3 * 4
    assert (padded[:, 2:5, 2:6] == 1).all()
