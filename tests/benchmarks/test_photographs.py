"""What the figures of the codec say of their pictures: how many, of how many, and which."""

import re
import runpy

import numpy as np
import pytest
from helpers.pages import ROOT
from PIL import Image

textured = runpy.run_path(str(ROOT / "benchmarks" / "parts" / "photographs.py"))["textured"]


@pytest.mark.parametrize(
    ("names", "most", "count", "words"),
    [
        (["bsds_a", "bsds_b", "other"], 24, 1, r"the 1 most textured of 2 pictures bsds_\* .* no choice saw"),
        ([f"bsds_{k}" for k in range(9)], 1, 1, r"1 of the 2 most textured of 9 pictures bsds_\*"),
        (["a", "b"], 24, 1, r"the 1 most textured of 2 pictures of mine, none of which is a bsds_\*"),
    ],
)  # fmt: skip
def test_the_judge_is_named_with_its_counts(names, most, count, words, tmp_path):
    folder, rng = tmp_path / "mine", np.random.default_rng(0)
    folder.mkdir()
    for name in names:
        pixels = rng.integers(0, 255, (176, 176, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    images, judge = textured(folder, most)
    assert len(images) == count
    assert re.match(words, judge)
