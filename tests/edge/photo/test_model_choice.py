"""Which shipped model a picture, a file or a name gets."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from dimaging_edge.common.errors import CodecError, InputError
from dimaging_edge.photo import bundle_model
from dimaging_edge.photo.container import Header

KNOWN = {
    "colour": ("aa", 3, "uint8"),
    "colour_other": ("bb", 3, "uint8"),
    "deep": ("cc", 1, "uint16"),
    "plain": ("dd", 1, "uint8"),
}


@pytest.fixture(autouse=True)
def some(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Four bundles, of which only the manifests are read."""
    found = {}
    for name, (digits, channels, dtype) in KNOWN.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "bundle.json").touch()
        picture = SimpleNamespace(example=(1, 64, 64, channels), dtype=dtype)
        graphs = {"encoder": SimpleNamespace(inputs=[picture])}
        found[name] = SimpleNamespace(model_id=digits * 32, graphs=graphs)
    monkeypatch.setattr(bundle_model, "SHIPPED", tmp_path)
    monkeypatch.setattr(bundle_model, "shipped", lambda: found)


@pytest.mark.parametrize(
    ("channels", "depth", "name"), [(3, 8, "colour"), (1, 8, "plain"), (1, 16, "deep")]
)
def test_by_the_picture(channels: int, depth: int, name: str) -> None:
    assert bundle_model.find_bundle(None, channels=channels, depth=depth).name == name


def test_no_model_for_such_pictures() -> None:
    words = r"no model for 3 channels of 16 bits .* models here: colour \(aa.*plain \(dd"
    with pytest.raises(InputError, match=words):
        bundle_model.find_bundle(None, channels=3, depth=16)


@pytest.mark.parametrize("name", KNOWN)
def test_by_the_file(name: str) -> None:
    header = Header(1, 8, 9, 9, 64, 30, bytes.fromhex(KNOWN[name][0] * 16))
    assert bundle_model.find_bundle(header).name == name


def test_a_file_of_a_model_that_is_missing() -> None:
    words = r"compressed with model eeee.*; models here: colour \(aa.*Give the bundle"
    with pytest.raises(CodecError, match=words):
        bundle_model.find_bundle(Header(1, 8, 9, 9, 64, 30, b"\xee" * 16))


def test_by_name(tmp_path: Path) -> None:
    assert bundle_model.located("deep") == tmp_path / "deep"
    assert bundle_model.located(tmp_path) == tmp_path  # a folder is a folder
    assert bundle_model.located("some/where") == Path("some/where")  # its own error names the path
    with pytest.raises(InputError, match="no shipped model 'depe'; did you mean 'deep'"):
        bundle_model.located("depe")
