"""A grid for people: enlarged, every image in its place, its name below."""

import numpy as np
import pytest
from dimaging_edge.commands.grids import LINE, check_request, grid, write_images, written
from dimaging_edge.common.errors import InputError

IMAGES = np.linspace(0, 1, 5, dtype=np.float32)[:, None, None, None] * np.ones(
    (5, 8, 8, 1), np.float32
)


@pytest.mark.parametrize(
    ("scale", "factor"),
    [(None, 12), (1, 1), (3, 3)],
    ids=["readable", "as they are", "three times"],
)
def test_images_are_enlarged_and_in_their_places(scale, factor):
    found = grid(IMAGES, scale)
    assert found.shape == (factor * (2 * 9 - 1), factor * (3 * 9 - 1), 1)
    step = 9 * factor
    for i in range(5):
        r, c = divmod(i, 3)
        cell = found[r * step : r * step + 8 * factor, c * step : c * step + 8 * factor]
        assert (cell == IMAGES[i, 0, 0, 0]).all()


def test_names_lie_below_their_images():
    plain, named = grid(IMAGES, 12), grid(IMAGES, 12, ["zero", "", "two"])
    assert named.shape == (plain.shape[0] + 2 * LINE, *plain.shape[1:])
    np.testing.assert_array_equal(named[:96], plain[:96])
    line = named[96 : 96 + LINE, :96, 0]
    np.testing.assert_array_equal(line, written("zero", 96))
    assert line.min() < 0.5
    assert (named[96 : 96 + LINE, 108:204] == 1).all()  # no name


def test_a_long_name_is_shortened_to_its_image():
    line = written("a name that is far longer than its image", 60)
    assert line.shape == (LINE, 60)
    assert (line[:, [0, -1]] == 1).all()
    assert written("", 60).min() == 1


def test_a_picture_of_many_images_is_not_enlarged_without_end():
    many = np.zeros((4000, 28, 28, 1), np.float32)
    assert grid(many[:900]).shape[:2] == (30 * 29 * 3 - 3, 30 * 29 * 3 - 3)
    assert grid(many).shape[:2] == (63 * 29 * 2 - 2, 64 * 29 * 2 - 2)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (("a.txt", 4, None), "no picture has the suffix '.txt'; choose .png or .npy"),
        (("a.png", 0, None), "--n: expected 1 image or more, received 0"),
        (("a.npy", -1, None), "--n: expected 1 image or more, received -1"),
        (("a.png", 10_001, None), "at most 10,000 images, received 10,001; choose an array"),
        (("a.png", 4, 65), "--scale: expected 1 to 64, received 65"),
    ],
)
def test_what_cannot_be_written_is_said_before_anything_is_drawn(request_, words):
    with pytest.raises(InputError) as said:
        check_request(*request_)
    assert words in str(said.value)
    check_request("a.npy", 10**6, None)


def test_a_scale_beyond_64_is_refused(tmp_path):
    with pytest.raises(InputError, match="--scale: expected 1 to 64, received 65"):
        grid(IMAGES, 65)


def test_an_array_is_written_as_it_is(tmp_path, capsys):
    assert write_images(IMAGES, str(tmp_path / "a.npy"), 7, ["x"]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), IMAGES)
    assert capsys.readouterr().out.strip() == str(tmp_path / "a.npy")
