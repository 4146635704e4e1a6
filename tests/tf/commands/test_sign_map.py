"""The demo's map of distance and angle, from the shipped classifier."""

import pytest
from PIL import Image

from dimaging_tf.commands import sign_map


@pytest.fixture(scope="module")
def maps():
    return sign_map.sign_maps(steps=8, copies=1, draws=1)


def test_views_that_were_attacked_are_misread_and_clean_ones_are_not(maps):
    means = {name: one.mean for name, one in maps.items()}
    assert list(means) == ["clean", "attacked in one view", "attacked over views"]
    assert means["clean"] < 0.3
    assert means["clean"] < means["attacked in one view"]
    assert means["attacked over views"] > 2 * means["attacked in one view"]
    assert all(one.rates.shape == (4, 4) for one in maps.values())
    assert 6 <= maps["clean"].pictures <= 8  # eight signs, but for those it misreads from the front


def test_the_picture_and_its_caption_hold_the_same_figures(maps, tmp_path, monkeypatch):
    monkeypatch.setattr(sign_map, "sign_maps", lambda seed: maps)
    caption, path = sign_map.draw_sign_maps(tmp_path / "maps.png")
    assert f"{maps['attacked over views'].mean:.0%} after one over all views" in caption
    with Image.open(path) as picture:
        assert picture.width > picture.height > 200
