"""A folder of one's own images: bad files, the split, patches, sizes, bits and masks."""

import warnings

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from dimaging_tf.data import load
from dimaging_tf.errors import DataError

RNG = np.random.default_rng(0)
GREY8 = RNG.integers(0, 256, (20, 30), np.uint8)
GREY16 = RNG.integers(0, 65536, (20, 30), np.uint16)
RGB8 = RNG.integers(0, 256, (20, 30, 3), np.uint8)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        tifffile.imwrite(path, array)
    else:
        Image.fromarray(array).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path):
    for index in range(10):
        save(tmp_path / f"{index}.png", RNG.integers(0, 256, (40 + index, 50, 3), np.uint8))
    return tmp_path


def test_patches_are_windows_of_the_files_and_no_file_is_in_both_splits(folder):
    for index in range(10):  # every picture of one grey level: it tells the patch's file
        save(folder / f"{index}.png", np.full((40, 50, 3), index, np.uint8))
    dataset = load(folder, size=16)
    assert dataset.shape == (16, 16, 3)
    train, valid = (set(np.unique(split.x)) for split in (dataset.train, dataset.valid))
    assert len(train) == 9
    assert len(valid) == 1
    assert not train & valid
    # (40 - 16) // 8 + 1 rows times (50 - 16) // 8 + 1 columns
    assert len(dataset.train) == 9 * 4 * 5
    assert (dataset.train.x.min(axis=(1, 2, 3)) == dataset.train.x.max(axis=(1, 2, 3))).all()


def test_the_split_depends_on_seed_and_names_alone(folder, tmp_path):
    def levels(seed):
        return sorted({int(image[0, 0, 0]) for image in load(folder, size=16, seed=seed).valid.x})

    for index in range(10):
        save(folder / f"{index}.png", np.full((16, 16, 3), index, np.uint8))
    first = levels(0)
    assert first == levels(0)
    assert len({tuple(levels(seed)) for seed in range(6)}) > 1
    save(folder / "new.png", np.full((16, 16, 3), 99, np.uint8))
    assert set(levels(0)) <= {*first, 99}


def test_more_files_move_none_between_the_splits(tmp_path):
    def valid(count):
        for index in range(count):
            save(tmp_path / f"{index}.png", np.full((4, 4), index, np.uint8))
        return {int(image[0, 0, 0]) for image in load(tmp_path, size=4).valid.x}

    few, many = valid(30), valid(60)
    assert few == {index for index in many if index < 30}
    assert len(many) > len(few) > 1


def test_both_splits_hold_a_file_whatever_the_names(tmp_path):
    for index in range(2):
        save(tmp_path / f"{index}.png", np.zeros((4, 4), np.uint8))
    for seed in range(12):
        dataset = load(tmp_path, size=4, seed=seed)
        assert len(dataset.train) == len(dataset.valid) == 1


def test_the_number_of_patches_is_limited_and_spread_over_the_files(folder):
    from dimaging_tf.data.folder import load_folder

    dataset = load_folder(folder, size=16, max_patches=40)
    assert len(dataset.train) + len(dataset.valid) == 40
    again = load_folder(folder, size=16, max_patches=40)
    assert np.array_equal(dataset.train.x, again.train.x)


def test_resize_takes_the_central_square(folder):
    for path in folder.iterdir():
        picture = np.zeros((20, 60, 3), np.uint8)
        picture[:, 20:40] = 200
        save(path, picture)
    dataset = load(folder, size=10, cut="resize")
    assert dataset.shape == (10, 10, 3)
    assert (dataset.train.x == 200).all()


@pytest.mark.parametrize("cut", ["patches", "resize"])
def test_8_and_16_bits_grey_and_colour_together(tmp_path, cut):
    save(tmp_path / "a.png", np.full((16, 16), 255, np.uint8))
    save(tmp_path / "b.tif", np.full((16, 16), 65535, np.uint16))
    save(tmp_path / "sub" / "c.webp", np.full((16, 16, 3), 255, np.uint8), lossless=True)
    dataset = load(tmp_path, size=16, cut=cut)
    assert dataset.shape == (16, 16, 3)
    assert len(dataset.train) + len(dataset.valid) == 3
    for split in (dataset.train, dataset.valid):
        assert split.x.dtype == np.uint16
        assert (split.x == 65535).all()
    assert load(tmp_path, size=16, cut=cut, channels=1).shape == (16, 16, 1)


def test_12_bits_in_16_are_pointed_out_and_stretched(tmp_path):
    for name in ("a.png", "b.png"):
        save(tmp_path / name, np.full((8, 8), 4095, np.uint16))
    with pytest.warns(UserWarning, match="brightest pixel is 4095 of 65535; .* pass white=4095"):
        load(tmp_path, size=8)
    assert (load(tmp_path, size=8, white=4095).train.x == 65535).all()


@pytest.mark.parametrize("cut", ["patches", "resize"])
def test_masks_lie_beside_their_images_and_are_cut_with_them(tmp_path, cut):
    for index in range(3):
        picture = RNG.integers(0, 200, (24, 40), np.uint8)
        save(tmp_path / f"{index}.png", picture)
        save(tmp_path / f"{index}_mask.png", picture // 100)
    dataset = load(tmp_path, size=24, cut=cut)
    assert dataset.train.label is not None
    assert dataset.train.label.dtype == np.int32
    assert np.array_equal(dataset.train.label, dataset.train.x[..., 0] // 100)
    (tmp_path / "0_mask.png").unlink()
    with pytest.raises(DataError, match=r"0\.png has no mask, others have; expected 0_mask\.png"):
        load(tmp_path, size=24, cut=cut)
    save(tmp_path / "0_mask.png", GREY8)
    with pytest.raises(DataError, match=r"0_mask.png is \[20, 30\]; expected one mask of the size"):
        load(tmp_path, size=24, cut=cut)
    save(tmp_path / "0_mask.png", RGB8)
    with pytest.raises(DataError, match=r"0_mask.png is no mask: expected one integer a pixel"):
        load(tmp_path, size=24, cut=cut)


def _truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip_a_byte(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)


BAD = [
    ("empty.png", lambda path: path.write_bytes(b""), "empty.png is empty (0 bytes)"),
    ("text.jpg", lambda path: path.write_text("hello"), "text.jpg cannot be read as an image"),
    ("cut.png", _truncate, "cut.png cannot be read as an image"),
    ("cut.jpg", _truncate, "cut.jpg cannot be read as an image: image file is truncated"),
    ("cut.webp", _truncate, "cut.webp cannot be read as an image"),
    ("cut.tif", _truncate, "cut.tif cannot be read as an image"),
    ("damaged.png", _flip_a_byte, "damaged.png cannot be read as an image"),
    (
        "small.png",
        lambda path: save(path, GREY8[:7]),
        "small.png is 7 x 30, smaller than a patch of",
    ),
    (
        "float.tif",
        lambda path: save(path, GREY8.astype(np.float32)),
        "float.tif has 32-bit float pixels, which have no fixed range; expected 8 or 16 bits",
    ),
    (
        "mixed.tif",
        lambda path: tifffile.imwrite(path, GREY8) or tifffile.imwrite(path, GREY16, append=True),
        "mixed.tif mixes pages of different kinds: [('uint16', 1), ('uint8', 1)]",
    ),
]


@pytest.mark.parametrize(("name", "spoil", "words"), BAD, ids=[row[0] for row in BAD])
def test_a_bad_file_is_named_and_skipped_only_when_asked(folder, name, spoil, words):
    save(folder / name, RNG.integers(0, 256, (40, 40, 3), np.uint8))
    spoil(folder / name)
    with pytest.raises(DataError) as caught:
        load(folder, size=16)
    assert words in str(caught.value)
    assert "1 of 11 image files cannot be used" in str(caught.value)
    assert "skip_bad=True (--skip-bad)" in str(caught.value)
    with pytest.warns(UserWarning, match="left out 1 of 11 files") as warned:
        dataset = load(folder, size=16, skip_bad=True)
    assert words in str(warned[0].message)
    assert dataset.summary == "10 image files, patches of 16 x 16 pixels"


def test_the_list_of_bad_files_ends_somewhere(tmp_path):
    for index in range(12):
        (tmp_path / f"{index}.png").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert str(caught.value).count("is empty") == 10
    assert "  ...\n" in str(caught.value)
    with pytest.warns(UserWarning, match="left out 12"), pytest.raises(DataError, match="0 usable"):
        load(tmp_path, skip_bad=True)


def test_folders_without_images(tmp_path):
    (tmp_path / "notes.txt").write_text("none")
    (tmp_path / ".hidden.png").write_bytes(b"")
    with pytest.raises(
        DataError, match=r"holds no images; expected .*\.png .*, found 1 other file"
    ):
        load(tmp_path)
    (tmp_path / "one.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"one\.png is a file; expected a folder of images"):
        load(tmp_path / "one.png")
    (tmp_path / "one.png").unlink()
    with pytest.raises(DataError, match="neither a data set nor a file or folder called"):
        load(tmp_path / "none")
    save(tmp_path / "only.png", GREY8)
    with pytest.raises(DataError, match=r"1 usable image.*expected at least 2"):
        load(tmp_path, size=16)


@pytest.mark.parametrize("watched", [False, True])
def test_a_bar_is_drawn_only_when_a_person_looks(folder, capsys, monkeypatch, watched):
    monkeypatch.setattr("sys.stderr.isatty", lambda: watched)
    monkeypatch.setenv("TERM", "xterm")
    load(folder, size=16)
    out, err = capsys.readouterr()
    assert out == ""
    assert ("reading images" in err) == watched


_RANGES = "expected size >= 1, cut 'patches' or 'resize', white None"
OPTIONS = [
    ({"size": 0}, _RANGES),
    ({"cut": "crop"}, "cut is 'patches' or 'resize'; received 'crop'"),
    ({"white": 70000}, _RANGES),
]


@pytest.mark.parametrize(("options", "words"), OPTIONS, ids=str)
def test_options_out_of_range(folder, options, words):
    with pytest.raises(DataError, match=words):
        load(folder, **options)


pictures = st.lists(
    st.tuples(
        st.integers(8, 40),
        st.integers(8, 40),
        st.sampled_from([1, 3]),
        st.sampled_from([np.uint8, np.uint16]),
        st.sampled_from([".png", ".tif"]),
    ),
    min_size=2,
    max_size=5,
)


@settings(
    deadline=None,
    derandomize=True,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(pictures, st.sampled_from(["patches", "resize"]), st.integers(1, 8))
def test_any_sizes_and_kinds(tmp_path_factory, found, cut, size):
    folder = tmp_path_factory.mktemp("any")
    for index, (height, width, channels, kind, suffix) in enumerate(found):
        array = np.full((height, width, channels), np.iinfo(kind).max, kind)
        suffix = ".tif" if channels == 3 and kind is np.uint16 else suffix
        save(folder / f"{index}{suffix}", array[..., 0] if channels == 1 else array)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = load(folder, size=size, cut=cut)
    assert dataset.shape == (size, size, max(row[2] for row in found))
    deep = any(row[3] is np.uint16 for row in found)
    for split in (dataset.train, dataset.valid):
        assert split.x.dtype == (np.uint16 if deep else np.uint8)
        assert (split.x == np.iinfo(split.x.dtype).max).all()


def test_class_folders_are_labels(tmp_path):
    for name, level in (("yield", 20), ("stop", 10)):
        for index in range(6):
            save(tmp_path / name / f"{index}.png", np.full((8, 8, 3), level + index, np.uint8))
    dataset = load(tmp_path, size=8)
    assert dataset.classes == ("stop", "yield")
    for split in (dataset.train, dataset.valid):
        assert split.label is not None
        assert split.label.dtype == np.int32
        np.testing.assert_array_equal(split.label, split.x[:, 0, 0, 0] // 20)


@pytest.mark.parametrize("names", [("0.png", "a/1.png", "b/2.png"), ("a/1.png", "a/2.png")])
def test_folders_that_are_no_classes_give_no_labels(tmp_path, names):
    for name in names:
        save(tmp_path / name, RGB8)
    dataset = load(tmp_path, size=8)
    assert dataset.classes == ()
    assert dataset.train.label is None


def test_small_images_are_left_out_where_that_is_asked_for(tmp_path):
    for name, side in (("a", 20), ("b", 24), ("tiny", 8)):
        Image.fromarray(np.zeros((side, side), np.uint8)).save(tmp_path / f"{name}.png")
    with pytest.raises(DataError, match=r"--cut resize\), or skip_small=True \(--skip-small\)"):
        load(tmp_path, size=16)
    with pytest.warns(UserWarning, match=r"left out 1 of 3 files:\n.*tiny.png is 8 x 8"):
        found = load(tmp_path, size=16, skip_small=True)
    assert len(found.train) + len(found.valid) == 1 + 4  # patches, 8 pixels apart


def test_a_broken_file_is_not_small(tmp_path):
    for name in "ab":
        Image.fromarray(np.zeros((20, 20), np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="broken.png cannot be read"):
        load(tmp_path, size=16, skip_small=True)


def test_pictures_of_other_formats_are_said(tmp_path):
    for name in ("a.png", "b.png", "c.gif"):
        Image.fromarray(np.zeros((20, 20), np.uint8)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture, so nothing is said")
    with pytest.warns(
        UserWarning, match=r"left out 1 picture\(s\) of formats that are not read: c.gif"
    ):
        load(tmp_path, size=16)
