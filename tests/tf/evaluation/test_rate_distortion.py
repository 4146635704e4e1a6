"""Rate and distortion: known curves, real files of every rival, the command from end to end."""

import json
import zlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from dimaging_edge.common.version import __version__
from dimaging_edge.photo.bundle_model import find_bundle, open_model
from dimaging_edge.photo.reading import read_container
from PIL import Image

from dimaging_tf.commands.rate_distortion import learned_codec
from dimaging_tf.errors import UserError
from dimaging_tf.evaluation import codecs as stored
from dimaging_tf.evaluation import plots, published
from dimaging_tf.evaluation import rate_distortion as rd


def rows_of(codec: str, bits, psnr) -> rd.Rows:
    """One picture; MS-SSIM as many decibels as PSNR."""
    similar = 1 - 10 ** (-np.asarray(psnr) / 10)
    return [
        {"codec": codec, "setting": i, "image": "x", "bpp": b, "psnr": p, "ms_ssim": s}
        for i, (b, p, s) in enumerate(zip(bits, psnr, similar, strict=True))
    ]


@pytest.mark.parametrize("quality", rd.METRICS)
@pytest.mark.parametrize("factor", [0.5, 1.0, 1.3])
def test_bd_rate_of_a_curve_moved_along_its_rate(quality, factor):
    bits, psnr = np.array([0.2, 0.4, 0.9, 1.5]), np.array([28.0, 31.0, 35.0, 37.0])
    rows = rows_of("a", bits, psnr) + rows_of("b", factor * bits, psnr)
    assert rd.bd_rate(rows, "a", "b", quality) == pytest.approx(100 * (factor - 1), abs=1e-9)


def test_bd_rate_counts_shared_qualities_only():
    """Exponential rates: log bits are straight lines, so PCHIP is exact and the answer known."""
    a, b = np.array([20.0, 30.0, 40.0]), np.array([30.0, 35.0, 45.0])
    rows = rows_of("a", np.exp(0.1 * a), a) + rows_of("b", np.exp(0.2 * b - 4), b)
    # log difference 0.1 q - 4, mean over 30..40 is -0.5
    assert rd.bd_rate(rows, "a", "b") == pytest.approx(100 * np.expm1(-0.5))
    rows = rows_of("a", [1, 2], [20, 25]) + rows_of("b", [1, 2], [30, 35])
    with pytest.raises(UserError, match="a and b reach no psnr in common"):
        rd.bd_rate(rows, "a", "b")
    assert rd.summary(rows, "b") == {"a": {"psnr": None, "ms_ssim": None}}
    assert rd.bd_rates(rows, "a", "b") == []


def test_bd_rate_of_each_picture():
    bits, psnr = np.array([0.2, 0.4, 0.9, 1.5]), np.array([28.0, 31.0, 35.0, 37.0])
    rows = rows_of("a", bits, psnr) + rows_of("b", 0.5 * bits, psnr)
    rows += [
        row | {"image": "y"} for row in rows_of("a", bits, psnr) + rows_of("b", 2 * bits, psnr)
    ]
    assert rd.bd_rates(rows, "a", "b") == pytest.approx([-50, 100])


def test_a_stopped_measurement_goes_on(picture, tmp_path):
    calls = []
    (jpeg, *_) = stored.rivals()

    def encode(image, setting):
        calls.append(setting)
        return jpeg.encode(image, setting)

    codec = replace(jpeg, encode=encode, settings=(10, 60))
    kept = tmp_path / "new" / "rows.jsonl"
    first = rd.measure({"a": picture}, [codec], kept=kept)
    cut = kept.read_text().strip().splitlines()
    kept.write_text(cut[0] + "\n" + cut[1][:40])  # as a kill leaves it
    again = rd.measure({"renamed": picture}, [codec], kept=kept)
    assert calls == [10, 60, 60]
    assert [row["bytes"] for row in first] == [row["bytes"] for row in again]
    assert {row["image"] for row in again} == {"renamed"}
    rd.measure({"a": picture}, [replace(codec, version="newer")], kept=kept)
    assert calls == [10, 60, 60, 10, 60]


def test_kept_rows_know_the_learned_encoder_and_the_distribution():
    codec = learned_codec(None)
    model = open_model(find_bundle(None), threads=1)
    assert codec.version == f"{model.model_id.hex()} dimaging {__version__}"


def test_the_learned_codec_also_codes_at_half_size(picture):
    codec = learned_codec(None, 2, halves=(0, 16))
    assert codec.settings == [-64, -48, 0, 63]
    files = [codec.encode(picture, setting) for setting in codec.settings[:3]]
    assert [read_container(file).half for file in files] == [True, True, False]
    assert [read_container(file).header.quality for file in files] == [0, 16, 0]
    assert len(files[0]) < min(map(len, files[1:]))
    assert all(codec.decode(file).shape == picture.shape for file in files)


def test_the_pixels_of_an_image_are_summed_once(picture, tmp_path, monkeypatch):
    sums = []
    monkeypatch.setattr(
        rd, "zlib", SimpleNamespace(crc32=lambda data: sums.append(0) or zlib.crc32(data))
    )
    jpeg = replace(stored.rivals()[0], settings=(10, 60))
    rd.measure({"a": picture, "b": picture}, [jpeg], kept=tmp_path / "rows.jsonl")
    assert len(sums) == 2


def test_published_curves_stand_beside_the_classical_photographs_alone(tmp_path):
    names = [f"kodim{number:02d}.png" for number in range(1, 25)]
    assert published.is_classical(names)
    assert not published.is_classical(names[1:])
    assert not published.is_classical([*names, "mine.png"])
    rows = published.published_rows()
    rate = rd.bd_rate(rows, "VTM, published", "mbt2018-mean, published")
    assert rate == pytest.approx(21, abs=1)  # what the papers say
    assert rd.summary(rows, "VTM, published")["ELIC, published"]["ms_ssim"] is None
    plots.save_figure(plots.rate_distortion(rows, "ms_ssim"), tmp_path / "published.png")


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    from skimage import data

    return np.ascontiguousarray(data.astronaut()[:192, 150:342])


@pytest.mark.parametrize("codec", [*stored.rivals(), learned_codec(None, 2)], ids=lambda c: c.name)
def test_grey_pictures_are_stored_as_such(picture, codec):
    grey = np.repeat(picture[..., 1:2], 3, axis=2)
    assert stored.as_stored(grey).shape == (192, 192)
    assert stored.as_stored(picture) is picture
    middle = codec.settings[-1]
    data = codec.encode(grey, middle)
    back = codec.decode(data)
    assert back.shape == grey.shape
    assert codec.name == "webp" or (back == back[..., :1]).all()  # WebP has no grey
    assert len(data) < len(codec.encode(picture, middle))


def test_every_rival_writes_files_that_come_back(picture, tmp_path):
    codecs = [replace(c, settings=(c.settings[1], c.settings[-1])) for c in stored.rivals()]
    assert {"jpeg", "webp", "jpeg2000", "avif", "avif 4:4:4"} <= {c.name for c in codecs}
    slow = {c.name for c in stored.rivals(slow=True)} - {c.name for c in codecs}
    assert slow == {"avif speed 0", "avif 4:4:4 speed 0"}
    heard = []
    rows = rd.measure({"astronaut": picture}, codecs, lambda *at: heard.append(at))
    assert heard[-1] == (2 * len(codecs), 2 * len(codecs))
    for codec in codecs:
        small, large = (r for r in rows if r["codec"] == codec.name)
        assert small["bytes"] < large["bytes"]
        assert 15 < small["psnr"] < large["psnr"] < 60
        assert 0.5 < small["ms_ssim"] < large["ms_ssim"] < 1
        assert small["bpp"] == pytest.approx(8 * small["bytes"] / 192**2)
    for quality in rd.METRICS:
        plots.save_figure(plots.rate_distortion(rows, quality), tmp_path / f"{quality}.png")
    json.dumps(rows, allow_nan=False)


def test_folder_of_pictures(picture, tmp_path):
    with pytest.raises(UserError, match="is not a folder. Expected: a folder of photographs"):
        rd.read_folder(tmp_path / "none")
    with pytest.raises(UserError, match="holds no pictures that Pillow can read"):
        rd.read_folder(tmp_path)
    for name in ("b.png", "a.png"):
        Image.fromarray(picture).save(tmp_path / name)
    (tmp_path / "0.txt").write_text("no picture")
    assert list(rd.read_folder(tmp_path)) == ["a.png", "b.png"]
    assert list(rd.read_folder(tmp_path, 1)) == ["a.png"]


def test_small_pictures_are_refused():
    small = np.zeros((100, 300, 3), np.uint8)
    with pytest.raises(UserError, match="at least 176 pixels high and wide. Received: 300 x 100"):
        rd.ms_ssim(small, small)


def test_small_pictures_are_said_before_anything_is_measured(tmp_path):
    for name, size in (("a", (300, 300)), ("b", (100, 300)), ("c", (300, 120))):
        Image.fromarray(np.zeros((*size, 3), np.uint8)).save(tmp_path / f"{name}.png")
    with pytest.raises(
        UserError, match=r"at least 176 .* Received: b.png 300 x 100, c.png 120 x 300"
    ):
        rd.read_folder(tmp_path)
