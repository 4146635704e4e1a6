"""A model id names weights and tables: files of another model, or changed ones under its id, do not open."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import onnx
import pytest
from dimaging_edge import BundleError, open_bundle
from dimaging_edge.bundle.identity import EXAMPLES, SEAL, metadata, seal, tables_of, with_seal
from dimaging_edge.bundle.open import read_manifest

MODEL = "12" * 32


@pytest.fixture
def sealed(own: Path, make: SimpleNamespace) -> Path:
    """A bundle as export writes it: each graph names its model and carries a seal."""
    (own / "table.bin").write_bytes(b"\1\2\3")
    manifest = replace(read_manifest(own), model_id=MODEL)
    for graph in manifest.graphs.values():
        model = onnx.load(own / graph.file)
        onnx.helper.set_model_props(model, {"dimaging.model_id": MODEL})
        onnx.save(model, own / graph.file)
    make.manifest(own, manifest)
    tables = tables_of(read_manifest(own))
    assert set(tables) == {"table.bin"}
    for name, graph in manifest.graphs.items():
        data = (own / graph.file).read_bytes()
        (own / graph.file).write_bytes(with_seal(data, MODEL, name, tables))
    make.manifest(own, manifest)
    return own


def test_a_sealed_bundle_opens(sealed: Path) -> None:
    bundle = open_bundle(sealed)
    assert all(one.ok for graph in bundle.check().values() for one in graph.values())
    onnx.checker.check_model(onnx.load(sealed / "decoder.onnx"), full_check=True)
    assert metadata(bundle.read("denoiser.onnx"))["dimaging.model_id"] == MODEL


def _weights(folder: Path) -> None:
    model = onnx.load(folder / "decoder.onnx")
    tensor = next(t for t in model.graph.initializer if t.name == "w")
    tensor.raw_data = bytes(len(tensor.raw_data))
    onnx.save(model, folder / "decoder.onnx")


def _id(folder: Path) -> None:
    data = json.loads((folder / "bundle.json").read_text())
    data["model_id"] = "34" * 32
    (folder / "bundle.json").write_text(json.dumps(data))


def _table(folder: Path) -> None:
    (folder / "table.bin").write_bytes(b"\1\2\4")


def _another_table(folder: Path) -> None:
    (folder / "more.bin").write_bytes(b"")


def _no_table(folder: Path) -> None:
    (folder / "table.bin").unlink()


def _exchanged(folder: Path) -> None:
    """The files of two graphs change places."""
    data = json.loads((folder / "bundle.json").read_text())
    graphs = data["graphs"]
    graphs["decoder"]["file"], graphs["denoiser"]["file"] = (
        graphs["denoiser"]["file"],
        graphs["decoder"]["file"],
    )
    (folder / "bundle.json").write_text(json.dumps(data))


def _of_another_model(folder: Path) -> None:
    data = onnx.load(folder / "decoder.onnx")
    next(p for p in data.metadata_props if p.key == "dimaging.model_id").value = "56" * 32
    onnx.save(data, folder / "decoder.onnx")


def _two_ids(folder: Path) -> None:
    data = onnx.load(folder / "decoder.onnx")
    data.metadata_props.add(key="dimaging.model_id", value=MODEL)
    onnx.save(data, folder / "decoder.onnx")


CHANGES = [
    (_weights, "decoder.onnx carries the seal of model 121212121212..., but its weights or the tables"),
    (_table, "carries the seal of model 121212121212..., but its weights or the tables"),
    (_another_table, "carries the seal of model"),
    (_no_table, "carries the seal of model"),
    (_exchanged, "carries the seal of model"),
    (_id, "decoder.onnx belongs to model 121212121212..., bundle.json names model 343434343434..."),
    (_of_another_model, "decoder.onnx belongs to model 565656565656..., bundle.json names model 1212"),
    (_two_ids, "decoder.onnx is no valid ONNX model (the metadata have 'dimaging.model_id' twice)"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "says"), CHANGES)
def test_what_is_changed_under_an_id_is_refused(
    sealed: Path, reseal: Callable[[Path], None], change: Callable[[Path], None], says: str
) -> None:
    """Also where every hash of bundle.json was written anew."""
    change(sealed)
    reseal(sealed)
    with pytest.raises(BundleError) as caught:
        open_bundle(sealed)
    assert says in str(caught.value)


def test_metadata_and_examples_are_free(sealed: Path, reseal: Callable[[Path], None]) -> None:
    model = onnx.load(sealed / "decoder.onnx")
    model.metadata_props.add(key="note", value="seen")
    onnx.save(model, sealed / "decoder.onnx")
    (sealed / EXAMPLES).unlink()
    reseal(sealed)
    assert metadata(open_bundle(sealed).read("decoder.onnx"))["note"] == "seen"


def test_a_seal_is_a_known_answer() -> None:
    """The format of the seal is a promise to bundles that exist."""
    data = bytes([0x08, 8, 0x3A, 2, 0x12, 0, 0x72, 0])
    found = seal(data, "ab" * 32, "decoder", {"b": "1", "a": "2"})
    assert found == "4c3e2825f365eb211eb87e5cbf97e87487694d7672a5294f93a8e9f0090812b8"
    assert metadata(with_seal(data[:-2], "ab" * 32, "decoder", {"b": "1", "a": "2"})) == {
        SEAL: found
    }


@pytest.mark.parametrize(
    "name",
    [
        "unet_codec",
        "unet_codec_grey16",
        "unet_codec_msssim",
        "unet_codec_wallpapers",
        "pixelcnn_digits",
        "denoiser_photos",
        "classifier_signs",
    ],
)
def test_shipped_bundles_carry_seals(name: str) -> None:
    from dimaging_edge.photo.bundle_model import SHIPPED

    bundle = open_bundle(SHIPPED / name)
    assert all(SEAL in metadata(bundle.read(f"{graph}.onnx")) for graph in bundle.graphs)
