"""Cheaper symbols: where they are chosen, and that files with them come back."""

import numpy as np
import pytest
from dimaging_edge.common.errors import InputError
from dimaging_edge.photo.codec import compress, decompress
from dimaging_edge.photo.optimise import WIDEST, WORTH, cheaper, choice, nearest
from dimaging_edge.photo.search import psnr
from dimaging_edge.photo.symbols import ScaleTables
from helpers.codec_dct import Dct, counts, picture

SCALE = ScaleTables(counts())


def test_a_symbol_goes_one_step_to_zero_where_that_is_worth_it():
    exact = np.arange(-900, 901)
    for k in (1, 5, WIDEST):
        index = np.full(len(exact), k)
        near, less = nearest(SCALE, exact, index), cheaper(SCALE, exact, index)
        assert np.isin(np.abs(near) - np.abs(less), (0, 1)).all()
        assert (near[near == 0] == less[near == 0]).all()

        def total(symbol, index=index):
            bits = SCALE.cost[index, symbol + SCALE.half] / 256
            return bits + WORTH * (exact / 256 - symbol) ** 2

        assert (total(less) <= total(near) + 1e-9).all()
        assert (near != less).any()
    index = np.full(len(exact), WIDEST + 1)
    assert np.array_equal(nearest(SCALE, exact, index), cheaper(SCALE, exact, index))


def test_files_are_smaller_and_come_back():
    photo, model = picture(64, 96), Dct()
    files = [compress(model, photo, 20, effort=effort) for effort in (0, 1)]
    found = [decompress(model, file) for file in files]
    assert all(damage == [] for _, damage in found)
    assert len(files[1]) < len(files[0])
    levels = [psnr(shown.image, photo.image) for shown, _ in found]
    assert levels[1] == pytest.approx(levels[0], abs=0.05)


def test_other_efforts():
    with pytest.raises(InputError, match="effort: expected 0 or 1, received 2"):
        choice(2)
