"""The pictures at the top of the README: small, described, and no older than what they show."""

import re
import runpy

import numpy as np
import pytest
from helpers.pages import ROOT, read
from PIL import Image

PICTURES = ROOT / "docs" / "gallery"
GALLERY = runpy.run_path(str(ROOT / "docs" / "gallery.py"))
NAMES = sorted(GALLERY["PANELS"])


def test_no_picture_is_older_than_what_it_shows():
    old = GALLERY["older"]()
    assert not old, f"make them again: python docs/gallery.py {' '.join(old)}"


def test_the_pictures_are_small():
    files = sorted(PICTURES.glob("*.webp"))
    assert [path.stem for path in files] == NAMES
    assert sum(path.stat().st_size for path in files) < 400_000
    for path in files:
        with Image.open(path) as picture:
            assert picture.size == (480, 320)


@pytest.mark.parametrize(
    ("page", "place"), [("README.md", "docs/gallery"), ("docs/index.md", "gallery")]
)
def test_every_picture_is_shown_and_described(page, place):
    shown = re.findall(r"!\[([^\]]+)\]\(([^)]+)/(\w+)\.webp\)", read(page))
    assert sorted(name for _, _, name in shown) == NAMES
    for words, folder, _ in shown:
        assert folder == place
        assert len(words) > 30


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ('def f():\n    """Other words."""\n    return 1  # one\n', True),
        ("# why\ndef f():\n\n    return 1\n", True),
        ("def f():\n    return 2\n", False),
    ],
)
def test_words_do_not_age_a_picture_and_code_does(text, same):
    code = GALLERY["code"]
    assert (code('def f():\n    """Words."""\n    return 1\n') == code(text)) is same


def test_a_picture_that_is_made_again_is_the_same(tmp_path):
    pixels = GALLERY["PANELS"]["denoised"](tmp_path)
    with Image.open(PICTURES / "denoised.webp") as picture:
        kept = np.asarray(picture.convert("RGB"), float)
    restored = np.abs(kept - pixels)[:, 244:]
    assert restored.mean() < 3  # levels of 255: what WebP loses
