"""What the tests of compress and decompress share: a codec that needs no network, and a photo."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from dimaging_edge.commands import photo as verbs
from dimaging_edge.photo import bundle_model
from helpers.codec_dct import Dct, picture
from PIL import Image


class OpenedDct(Dct):
    """The DCT as if a bundle held it, which says where it runs."""

    bundle = SimpleNamespace(provider="cpu", threads=1)


@pytest.fixture
def any_codec_is_the_dct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open the DCT, in this process, whatever bundle is named."""
    monkeypatch.setattr(bundle_model, "open_model", lambda *_, **__: OpenedDct())
    monkeypatch.setattr(verbs, "_OPEN", {})


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Return a picture of 90 x 60 pixels, photo.png."""
    Image.fromarray(picture(60, 90).image).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"
