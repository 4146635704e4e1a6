"""A grid for people: enlarged, every image in its place, its name below."""

import numpy as np
import pytest
from dimaging_edge.commands.grids import LINE, grid, write_images, written
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


def test_a_scale_beyond_64_is_refused(tmp_path):
    with pytest.raises(InputError, match="--scale: expected 1 to 64, received 65"):
        grid(IMAGES, 65)


def test_an_array_is_written_as_it_is(tmp_path, capsys):
    assert write_images(IMAGES, str(tmp_path / "a.npy"), 7, ["x"]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), IMAGES)
    assert capsys.readouterr().out.strip() == str(tmp_path / "a.npy")
