"""Movies of every container come back frame by frame; what does not go together, or is too large, is said."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from PIL import Image

from dimaging_tf.data import load, own
from dimaging_tf.data.movies import load_movies
from dimaging_tf.errors import DataError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 6, 4), np.uint8)
COLOUR = RNG.integers(0, 256, (5, 6, 4, 3), np.uint8)
DEEP = RNG.integers(0, 65536, (5, 6, 4), np.uint16)


def tiff(path: Path, frames) -> None:
    tifffile.imwrite(path, frames, photometric="rgb" if frames.ndim == 4 else "minisblack")


def animation(path: Path, frames, duration: Any = 40) -> None:
    first, *rest = [Image.fromarray(frame) for frame in frames]
    options: Any = {"lossless": True} if path.suffix == ".webp" else {}
    first.save(path, save_all=True, append_images=rest, duration=duration, **options)


def numbered(path: Path, frames, name="frame_{:03d}.png", start=1, step=1) -> None:
    path.mkdir(parents=True)
    for k, frame in enumerate(frames):
        Image.fromarray(frame).save(path / name.format(start + k * step))


WAYS = [
    (tiff, "{}.tif", GREY, None), (tiff, "{}.tiff", DEEP, None), (tiff, "{}.tif", COLOUR, None),
    (animation, "{}.webp", COLOUR, 25.0), (animation, "{}.gif", GREY, 25.0),
    (numbered, "movie{}", GREY, None), (numbered, "movie{}", COLOUR, None), (numbered, "m{}", DEEP, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("write", "name", "frames", "rate"),
    WAYS,
    ids=[f"{w[0].__name__}-{w[1]}-{w[2].ndim}" for w in WAYS],
)
def test_frames_come_back_whole(tmp_path, write, name, frames, rate):
    for k in range(4):
        write(tmp_path / name.format(k), np.roll(frames, k, 0))
    data = load(tmp_path, kind="movie")
    assert (data.kind, data.rate, data.train.label) == ("movie", rate, None)
    whole = frames if frames.ndim == 4 else frames[..., None]
    assert data.shape == whole.shape
    assert data.train.x.dtype == frames.dtype
    assert len(data.train) == 3
    found = {x.tobytes() for split in (data.train, data.valid) for x in split.x}
    assert found == {np.roll(whole, k, 0).tobytes() for k in range(4)}
    assert data.licence == "not stated: your own data"
    assert data.summary.startswith("4 movie(s) in examples of 5 x 6 x 4")


def test_colours_of_a_gif_are_near(tmp_path):
    few = COLOUR // 128 * 255
    for k in range(2):
        animation(tmp_path / f"{k}.gif", few)
    assert np.array_equal(load(tmp_path).train.x[0], few)


@pytest.mark.parametrize(
    ("name", "start", "step"),
    [("{}.png", 8, 1), ("t{:02d}_z1_{:.0f}.png", 0, 1), ("{}.bmp", 10, 5)],
)
def test_frames_are_in_the_order_of_their_last_number(tmp_path, name, start, step):
    name = name.replace("{:02d}_z1_{:.0f}", "5_{}")
    for k in range(2):
        numbered(tmp_path / str(k), GREY, name, start, step)
    assert np.array_equal(load(tmp_path, kind="movie").train.x[0, ..., 0], GREY)


@pytest.mark.parametrize("write", [tiff, numbered])
def test_subfolders_are_classes(tmp_path, write):
    for k in range(6):
        (tmp_path / "ab"[k % 2]).mkdir(exist_ok=True)
        write(
            tmp_path / "ab"[k % 2] / (f"{k}.tif" if write is tiff else str(k)),
            np.full_like(GREY, k),
        )
    data = load(tmp_path, kind="movie", length=2)
    assert data.classes == ("a", "b")
    assert len(data.train) == 10
    for split in (data.train, data.valid):
        assert np.array_equal(np.asarray(split.label), split.x[:, 0, 0, 0, 0] % 2)


def test_mixed_depth_and_colour_become_one(tmp_path):
    tiff(tmp_path / "a.tif", DEEP)
    tiff(tmp_path / "b.tif", COLOUR)
    data = load(tmp_path, kind="movie")
    assert data.train.x.dtype == np.uint16
    assert data.shape == (5, 6, 4, 3)
    assert load(tmp_path, kind="movie", channels=1).shape == (5, 6, 4, 1)


def test_one_long_movie_is_split_in_time(tmp_path):
    frames = np.arange(50, dtype=np.uint8)[:, None, None] + np.zeros((50, 3, 3), np.uint8)
    tiff(tmp_path / "one.tif", frames)
    data = load(tmp_path / "one.tif", length=5)
    assert data.train.x[:, :, 0, 0, 0].ravel().tolist() == list(range(45))
    assert data.valid.x[:, :, 0, 0, 0].ravel().tolist() == list(range(45, 50))
    numbered(tmp_path / "frames", frames)
    again = load(tmp_path / "frames", kind="movie", length=5)
    assert np.array_equal(again.train.x, data.train.x)


def test_size_and_white(tmp_path):
    for k in range(2):
        tiff(tmp_path / f"{k}.tif", np.full((3, 8 + k, 9, 1), 4095, np.uint16)[..., 0])
    data = load(tmp_path, kind="movie", size=4, white=4095)
    assert data.shape == (3, 4, 4, 1)
    assert (data.train.x == 65535).all()


@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st_np.arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.tuples(st.integers(2, 4), st.integers(1, 5), st.integers(1, 5)),
    )
)
def test_every_stack_comes_back(tmp_path, frames):
    path = tmp_path / "any.tif"
    with tifffile.TiffWriter(path) as file:
        for frame in np.concatenate([frames] * 10):
            file.write(frame, photometric="minisblack", contiguous=False)
    data = load_movies(path, length=len(frames))
    assert all(np.array_equal(x[..., 0], frames) for x in data.train.x)


def two(write, *movies, names=("a.tif", "b.tif")):
    def lay(folder):
        for name, frames in zip(names, movies, strict=True):
            write(folder / name, frames)

    return lay


def gifs(folder):
    for k, duration in enumerate((40, 100)):
        animation(folder / f"{k}.gif", GREY, duration)


def uneven(folder):
    for k in range(2):
        animation(folder / f"{k}.gif", GREY, [40, 40, 40, 40, 90])


def beside(folder):
    tiff(folder / "a.tif", GREY)
    Image.fromarray(GREY[0]).save(folder / "b.png")


def frames_of(*names, sizes=None):
    def lay(folder):
        for k, name in enumerate(names):
            side = (sizes or {}).get(name, 4)
            Image.fromarray(np.full((side, 4), k, np.uint8)).save(folder / name)

    return lay


def broken(content, name="a.tif"):
    def lay(folder):
        (folder / name).write_bytes(content)

    return lay


def mixed_pages(folder):
    with tifffile.TiffWriter(folder / "a.tif") as file:
        file.write(GREY[0])
        file.write(GREY[0, :3])


def mixed_kinds(folder):
    with tifffile.TiffWriter(folder / "a.tif") as file:
        file.write(GREY[0])
        file.write(DEEP[0])


ERRORS = [
    (two(tiff, GREY, GREY[:3]), {}, "b.tif has 3 frames, "),
    (two(tiff, GREY, GREY[:3]), {}, "a.tif has 5; expected equal lengths (or cut them with length=, --length, of"),
    (two(tiff, GREY, GREY[:3]), {"length": 4}, "b.tif has 3 frames; expected length= (--length) to be from 1"),
    (two(tiff, GREY, GREY[:, :4]), {}, "b.tif has frames of 4 x 4, "),
    (two(tiff, GREY, GREY[:, :4]), {}, "a.tif of 6 x 4; expected one size (or size=, --size: the central"),
    (gifs, {}, "1.gif has 10 frames a second, "),
    (gifs, {}, "0.gif has 25; expected one rate"),
    (uneven, {}, "0.gif shows its frames for 40 to 90 ms; expected one duration (save it with equal ones, or"),
    (beside, {}, "holds a movie, a.tif, beside an image, b.png; expected movies, or the numbered frames of one"),
    (frames_of("1.png", "2.png", "4.png"), {}, "lacks frames between the numbers 2 and 4; expected steps of 1"),
    (frames_of("1.png", "01.png"), {}, "has two frames of the number 1: 01.png and 1.png"),
    (frames_of("cell.png", "2.png"), {}, "cell.png has no number; expected numbered frames, such as frame_0001"),
    (frames_of("7.png"), {}, "holds one frame, 7.png; expected at least 2, or files of movies"),
    (
        frames_of("1.png", "2.png", sizes={"2.png": 5}), {},
        "2.png is 5 x 4, 1.png is 4 x 4; expected frames of one size",
    ),
    (frames_of("1.png", "2.png"), {}, " is a single movie of 2 frames; expected length= (--length), the frames of"),
    (frames_of("1.png", "2.png"), {"length": 1}, "has 2 steps, of which the last tenth, 0, is the valid split"),
    (frames_of(), {}, " is an empty folder; expected images, movies, or CSV files in it"),
    (broken(b"words", "notes.md"), {}, "holds no movies; expected files of several frames that end in .tif .tiff .webp .gif, or"),
    (broken(b""), {}, "a.tif is empty (0 bytes)"),
    (broken(b"II*\0junk"), {}, "a.tif cannot be read as a movie: "),
    (broken(b"GIF89a", "a.gif"), {}, "a.gif cannot be read as a movie: "),
    (mixed_pages, {}, "a.tif has pages of 3 x 4 and 6 x 4; expected frames of one size"),
    (mixed_kinds, {"length": 1}, "a.tif mixes pages of different kinds"),
    (two(tiff, GREY, GREY), {"cut": "resize"}, "is movies, which has no cut= (--cut); it takes length, size, chan"),
]  # fmt: skip


@pytest.mark.parametrize(("lay", "options", "words"), ERRORS)
def test_what_does_not_go_together_is_said(tmp_path, lay, options, words):
    lay(tmp_path)
    with pytest.raises(DataError) as caught:
        load(tmp_path, kind="movie", **options)
    assert words in str(caught.value)


def test_movies_at_different_depths(tmp_path):
    (tmp_path / "k").mkdir()
    tiff(tmp_path / "a.tif", GREY)
    tiff(tmp_path / "k" / "b.tif", GREY)
    with pytest.raises(
        DataError, match=r"expected all in the folder itself \(no labels\), or each in a subf"
    ):
        load(tmp_path, kind="movie")


def test_a_file_of_one_image(tmp_path):
    tiff(tmp_path / "a.tif", GREY[:1])
    with pytest.raises(
        DataError, match=r"a\.tif is a single image; expected a movie: \.tif .* of several"
    ):
        load(tmp_path / "a.tif")


@pytest.mark.parametrize("write", [tiff, animation])
def test_sizes_are_checked_before_a_frame_is_decoded(tmp_path, monkeypatch, write):
    """A file may promise any size: a compressed black movie is a few bytes a frame."""
    name = "large.tif" if write is tiff else "large.gif"
    large = np.zeros((40, 300, 300), np.uint8)
    large[:, 0] = np.arange(40)[:, None]  # Pillow joins equal frames
    write(tmp_path / name, large)
    monkeypatch.setattr(own, "MOST_BYTES", 2**20)
    monkeypatch.setattr(
        "dimaging_tf.data.frames.read_frames", lambda path: pytest.fail("it was read")
    )
    with pytest.raises(DataError, match=rf"{name} would take 0\.0 GiB of memory; expected at most"):
        load(tmp_path / name, length=2, size=4)
