"""The weights that come along: files that they wrote once are read for ever, on any machine.

Latents are equal to the last bit, pixels within what the bundle allows its decoder. The encoder is a float
network, so another machine may write other files; these are not compared. After a bundle was replaced:

    python tests/edge/photo/test_shipped.py --write
"""

import json
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dimaging_edge.common.errors import CodecError, InputError
from dimaging_edge.photo.bundle_model import SHIPPED, BundleModel, find_bundle, open_model
from dimaging_edge.photo.codec import compress, decompress
from dimaging_edge.photo.prior import NumpyPrior
from dimaging_edge.photo.reading import read_container
from dimaging_edge.photo.symbol_model import Photo
from helpers.shipped import BUNDLES, WRITERS

from benchmarks.parts.golden_streams import latents, pattern

GOLDEN = Path(__file__).parents[2] / "golden"
CASES = {  # height, width, quality, edge of a tile
    "1 x 1": (1, 1, 63, 768),
    "odd, low": (37, 90, 4, 768),
    "odd, tiles": (97, 70, 30, 64),
    "high": (64, 96, 63, 768),
}


def drawn(model: BundleModel, height: int, width: int) -> Photo:
    return Photo(pattern(height, width, model.channels, model.bit_depth))


def golden(bundle: str) -> dict[str, Any]:
    path = GOLDEN / f"shipped-{bundle}.json"
    assert path.exists(), f"no {path.name}: python tests/edge/photo/test_shipped.py --write"
    return json.loads(path.read_text())


@pytest.fixture(scope="module", params=BUNDLES)
def model(request: pytest.FixtureRequest) -> BundleModel:
    return open_model(SHIPPED / request.param, threads=1)


@pytest.mark.parametrize("name", CASES)
def test_golden(model: BundleModel, name: str) -> None:
    stored = golden(model.bundle.path.name)
    assert stored["model_id"] == model.model_id.hex(), "another model: write the golden files anew"
    case = stored["files"][name]
    data = bytes.fromhex(case["file"])
    assert latents(model, data) == case["latents_sha256"]
    found, damage = decompress(model, data)
    assert damage == []
    pixels = zlib.decompress(bytes.fromhex(case["pixels"]))
    wanted = np.frombuffer(pixels, found.image.dtype.newbyteorder("<")).reshape(found.image.shape)
    allowed = model.bundle.graph("decoder").parity["image"]["allowed"]
    assert np.abs(found.image.astype(int) - wanted).max() <= allowed


@pytest.mark.parametrize("name", ["odd, low", "odd, tiles"])
def test_golden_with_the_prior_in_numpy(model: BundleModel, name: str) -> None:
    """The reference without an engine decodes the same latents."""

    class Reference(BundleModel):
        def prior(self, z, y, pass_, quality):
            found = reference(
                {"z": z, "y": y, "pass": np.array([pass_]), "quality": np.array([quality])}
            )
            return found["index"], found["mean"]

    reference = NumpyPrior(model.bundle.read("prior.npz"))
    case = golden(model.bundle.path.name)["files"][name]
    assert latents(Reference(model.bundle), bytes.fromhex(case["file"])) == case["latents_sha256"]


@pytest.mark.parametrize("model", WRITERS, indirect=True)
@pytest.mark.parametrize("size", [(1, 1), (5, 200), (33, 31), (100, 64)])
def test_round_trip(model: BundleModel, size: tuple[int, int]) -> None:
    """Any size, and more bytes for a better picture, by what the weights were trained for."""
    photo, errors, sizes = drawn(model, *size), [], []
    for quality in (10, 60):
        data = compress(model, photo, quality, tile=64)
        found, damage = decompress(model, data)
        assert damage == []
        assert found.image.shape == photo.image.shape
        errors.append(np.square(found.image.astype(float) - photo.image).mean())
        sizes.append(len(data))
    if model.bundle.manifest.config["distortion"] == "mse":
        assert errors[1] < errors[0]
    assert sizes[1] > sizes[0]


def test_each_bundle_is_found_by_what_it_wrote(model: BundleModel) -> None:
    name = model.bundle.path.name
    data = bytes.fromhex(golden(name)["files"]["1 x 1"]["file"])
    assert find_bundle(read_container(data).header) == model.bundle.path
    other = open_model(SHIPPED / WRITERS[0], threads=1)
    if name != WRITERS[0]:
        with pytest.raises(CodecError, match="give the bundle that compressed it"):
            decompress(other, data)


def test_a_retired_bundle_writes_nothing() -> None:
    (name,) = set(BUNDLES) - set(WRITERS)
    model = open_model(SHIPPED / name, threads=1)
    words = (
        f"{name} reads the files that it once wrote and has no encoder to write any; leave --model"
    )
    with pytest.raises(InputError, match=words):
        compress(model, drawn(model, 8, 8), 30)
    assert find_bundle(None).name == "unet_codec"


def write() -> None:
    """Run by hand when a bundle was replaced or added."""
    for bundle in WRITERS:
        model = open_model(SHIPPED / bundle, threads=1)
        files = {}
        for name, (height, width, quality, tile) in CASES.items():
            data = compress(model, drawn(model, height, width), quality, tile=tile)
            image = decompress(model, data)[0].image
            little = image.astype(image.dtype.newbyteorder("<")).tobytes()
            files[name] = {
                "file": data.hex(),
                "latents_sha256": latents(model, data),
                "pixels": zlib.compress(little, 9).hex(),
            }
        record = {"model_id": model.model_id.hex(), "files": files}
        (GOLDEN / f"shipped-{bundle}.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__" and "--write" in sys.argv:
    write()
