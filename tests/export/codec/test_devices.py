"""A codec for a browser and for a phone: other files of the same model, so that compressed files interchange."""

import keras
import numpy as np
import onnx
import pytest
from dimaging_edge.bundle.open import open_bundle
from dimaging_edge.common.errors import InputError
from dimaging_edge.photo.bundle_model import BundleModel, open_model
from dimaging_edge.photo.codec import compress, decompress
from dimaging_edge.photo.symbol_model import Photo
from dimaging_edge.photo.windows import boxes, spans
from dimaging_export import export
from dimaging_export.errors import ExportError
from helpers.small_codec import SMALL, pictures

from dimaging_tf.models.unet_codec import Config, UNetCodec

WINDOW = 160  # the smallest: halos of 64 and a core of 32
TARGETS = ("cpu", "web", "phone")


@pytest.fixture(scope="module")
def model() -> UNetCodec:
    keras.utils.set_random_seed(0)
    found = UNetCodec(Config(**{**SMALL, "shape": (None, None, 3), "tradeoff": (0.002, 0.2)}))
    found.adapt(pictures(4, WINDOW))
    return found


@pytest.fixture(scope="module")
def bundles(model, tmp_path_factory):
    folder, data = tmp_path_factory.mktemp("devices"), pictures(2, WINDOW)
    return {
        target: export(model, folder / target, target=target, data=data, size=WINDOW)
        for target in TARGETS
    }


@pytest.fixture(scope="module")
def models(bundles) -> dict[str, BundleModel]:
    return {target: open_model(path, threads=1) for target, path in bundles.items()}


def photo(height: int = 300, width: int = 340) -> Photo:
    wide = np.concatenate(list(pictures(3, 192)), 1)
    return Photo(
        np.rint(255 * np.concatenate([wide, wide[::-1]], 0)[:height, :width]).astype(np.uint8)
    )


def test_one_model_three_bundles(models):
    assert len({one.model_id for one in models.values()}) == 1


@pytest.mark.parametrize("reader", TARGETS)
@pytest.mark.parametrize("writer", TARGETS)
def test_files_interchange(models, writer, reader):
    source = photo()
    data = compress(models[writer], source, 40, tile=256)
    back, damage = decompress(models[reader], data)
    own, _ = decompress(models[writer], data)
    assert damage == []
    assert np.abs(back.image.astype(int) - own.image).max() <= 1


def test_encoders_give_the_same_latents(models):
    """Within float rounding: 1/256 of a step here and there."""
    image = photo(256, 320).image[None]
    z, y = models["cpu"].encode(image, 32)
    for target in ("web", "phone"):
        other = models[target].encode(image, 32)
        np.testing.assert_array_equal(other[0], z)
        assert np.abs(other[1] - y).max() <= 8


@pytest.mark.parametrize("target", ["web", "phone"])
def test_no_control_flow_and_no_int64(bundles, target):
    bundle = open_bundle(bundles[target])
    assert list(bundle.graphs) == ["prior_0", "prior_1", "encoder", "decoder"]
    for graph in bundle.manifest.graphs.values():
        assert not {"If", "Loop", "Scan"} & set(graph.nodes)
        assert "int64" not in {tensor.dtype for tensor in (*graph.inputs, *graph.outputs)}
        onnx.checker.check_model(onnx.load(bundles[target] / graph.file), full_check=True)
    shape = bundle.graph("encoder").inputs[0].shape
    assert shape == ((1, WINDOW, WINDOW, 3) if target == "phone" else (1, "height", "width", 3))


def test_the_bundles_prove_themselves(bundles):
    for path in bundles.values():
        found = open_bundle(path, "cpu", 1).check()
        assert all(one.ok for outputs in found.values() for one in outputs.values())


def test_small_pictures_are_refused_by_a_phone_s_windows(models):
    with pytest.raises(
        InputError, match="takes windows of 160 pixels, .* has 96: use larger tiles"
    ):
        compress(models["phone"], photo(90, 300), 30)


def test_windows_that_leave_no_core_are_refused(model, tmp_path):
    with pytest.raises(ExportError, match=r"windows of 64 x 64 .* at least 160.*give --size"):
        export(model, tmp_path / "x", target="phone", data=pictures(), size=64)


@pytest.mark.parametrize("length", range(160, 800, 32))
def test_cores_cover_a_side_once_and_lie_a_halo_inside(length):
    found, end = spans(length, WINDOW, 64), 0
    for span in found:
        assert span.first == end < span.last
        assert 0 <= span.start <= length - WINDOW
        assert span.first - span.start >= 64 or span.start == 0 == span.first
        assert span.start + WINDOW - span.last >= 64 or span.last == length == span.start + WINDOW
        end = span.last
    assert end == length


def test_without_a_window_there_is_one_box():
    (box,) = boxes((64, 96), None, 64)
    array = np.arange(64 * 96).reshape(1, 64, 96, 1)
    out = np.zeros_like(array)
    box.keep(out, box.window(array), 1)
    np.testing.assert_array_equal(out, array)
