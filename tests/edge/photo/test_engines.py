"""The same symbols from every engine: threads, levels of optimisation, and an emulated ARM processor.

A thousand pictures: benchmarks/codec_engines.py.
"""

import base64
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from dimaging_edge.photo.bundle_model import SHIPPED
from helpers.shipped import WRITERS

from benchmarks.parts import engines

PICTURES = [(33, 70, 5), (1, 9, 40), (64, 40, 63)]  # height, width, quality


def picture(model: engines.Watched, height: int, width: int) -> np.ndarray:
    """Waves and noise."""
    rng = np.random.default_rng(height)
    y, x, c = np.ogrid[:height, :width, : model.channels]
    value = np.abs((5 * x + 3 * y + 40 * c) % 256 - 128) + rng.integers(0, 60, (height, width, 1))
    return (value.clip(0, 255) << (model.bit_depth - 8)).astype(f"u{model.bit_depth // 8}")


@pytest.mark.parametrize("bundle", WRITERS)
def test_every_engine_reads_what_each_wrote(bundle: str) -> None:
    models = engines.native(SHIPPED / bundle)
    assert len(models) == 8
    for number, (height, width, quality) in enumerate(PICTURES):
        writer = list(models.values())[3 * number % len(models)]
        data = writer.file(picture(writer, height, width), quality, 64)
        answers = {name: model.answer(data) for name, model in models.items()}
        assert not [answer for answer in answers.values() if "refused" in answer]
        for part in ("prior", "latents"):
            assert len({answer[part] for answer in answers.values()}) == 1, part


@pytest.mark.slow
@pytest.mark.parametrize("name", engines.EMULATED)
def test_an_emulated_processor(name: str, tmp_path: Path) -> None:
    """It reads what was written here, and here is read what it writes."""
    if why := engines.missing(name):
        pytest.skip(why)
    bundle = SHIPPED / "unet_codec"
    here = next(iter(engines.native(bundle).values()))
    wanted = {}
    for number, (height, width, quality) in enumerate(PICTURES):
        image = picture(here, height, width)
        stem = f"{number:04}_{quality}_64"
        data = here.file(image, quality, 64)
        np.save(tmp_path / f"{stem}.npy", image)
        (tmp_path / f"{stem}.dimg").write_bytes(data)
        wanted[stem] = here.answer(data)
    assert engines.emulate(name, tmp_path, bundle, 600) == 0
    written = 0
    for stem, answer in wanted.items():
        there = json.loads((tmp_path / f"{stem}.json").read_text())
        assert (there["prior"], there["latents"]) == (answer["prior"], answer["latents"])
        pixels = np.frombuffer(zlib.decompress(base64.b64decode(there["image"])), np.uint8)
        apart = pixels.astype(int) - answer["image"].ravel()
        assert np.abs(apart).max() <= 1
        if "file" in there:
            written += 1
            assert "refused" not in here.answer(bytes.fromhex(there["file"]))
    assert written
