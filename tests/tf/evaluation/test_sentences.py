"""Sentences below pictures: whose they are, that all of their words are there, and bad numbers of them."""

import numpy as np
import pytest
from PIL import Image

from dimaging_tf.evaluation import plots
from dimaging_tf.evaluation.sentences import grid_with_sentences

LONG = "a small thick yellow triangle at the upper left of the picture"


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("said", "strips"), [(["red", LONG], 1), (["red", LONG, "", "blue"], 2)])
def test_each_cell_or_each_column_has_its_own(channels, said, strips):
    cells = np.full((2, 2, 32, 32, channels), 0.5)
    pixels = grid_with_sentences(cells, said)
    assert pixels.shape[1:] == (2 * 196, 3)
    rows = [(row == 128).mean() > 0.5 for row in pixels]  # the pictures are grey, the words are not
    assert sum(rows) == 2 * 192
    assert np.diff(np.array([False, *rows, False], np.int8)).tolist().count(1) == 2
    lowest = pixels[len(rows) - rows[::-1].index(True) :]
    assert (lowest.min((0, 2)).reshape(2, -1).min(1) < 100).tolist() == [strips == 1, True]


def test_a_long_sentence_takes_more_lines():
    cells = np.zeros((1, 2, 64, 64, 3))
    short, tall = (grid_with_sentences(cells, ["a", said]).shape[0] for said in ("b", LONG))
    assert tall > short + 40


def test_a_sentence_too_many():
    with pytest.raises(ValueError, match=r"each of the 6 cells, or of the 3 columns. Received: 4"):
        grid_with_sentences(np.zeros((2, 3, 8, 8, 1)), ["a"] * 4)


def test_a_picture_file_has_them(tmp_path):
    plots.save_grid(
        np.ones((1, 2, 64, 64, 1)), tmp_path / "said.png", sentences=["a circle", "a square"]
    )
    with Image.open(tmp_path / "said.png") as picture:
        assert picture.mode == "RGB"
        assert picture.height > 192
