"""The codec's bundle: a prior in whole numbers, tables that sum up, files that come back."""

import keras
import numpy as np
import pytest
from dimaging_edge.photo import symbols
from dimaging_edge.photo.bundle_model import open_model
from dimaging_edge.photo.codec import compress, decompress
from dimaging_edge.photo.neighbours import NEIGHBOURS
from dimaging_edge.photo.prior import OPS, PROGRAM, NumpyPrior
from dimaging_edge.photo.symbol_model import Photo
from dimaging_export import export
from dimaging_export.codec.build import _npz
from dimaging_export.codec.prior import prior_program
from dimaging_export.codec.program import Part, Program, short
from dimaging_export.codec.tables import SLOTS, logistic, scale_counts
from dimaging_export.errors import ExportError

from dimaging_tf.layers.codec import table_scale
from dimaging_tf.models.unet_codec import Config, UNetCodec

SIZE = 64


def pictures(count: int = 4) -> np.ndarray:
    """Float32 [count, 64, 64, 3] in [0, 1]: waves, noise and an edge."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    wave = rng.uniform(3, 15, (count, 1, 1, 3))
    found = 0.5 + 0.3 * np.sin(wave * x[None, ..., None] + wave * y[None, ..., None])
    found[:, SIZE // 3 :, SIZE // 2 :] *= 0.6
    return np.clip(found + rng.normal(0, 0.02, found.shape), 0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> UNetCodec:
    keras.utils.set_random_seed(0)
    found = UNetCodec(
        Config(skip=24, bottleneck=4, blocks=(1, 1), width=8, prior=8, tradeoff=(0.002, 0.2))
    )
    found.adapt(pictures())
    return found


@pytest.fixture(scope="module")
def bundle(model, tmp_path_factory):
    return export(model, tmp_path_factory.mktemp("codec") / "bundle", data=pictures(), size=SIZE)


@pytest.fixture(scope="module")
def coder(bundle):
    return open_model(bundle, threads=1)


def image(height: int = 64, width: int = 96) -> np.ndarray:
    wide = np.concatenate(list(pictures(2)), 1)[:height, :width]
    return np.rint(255 * wide).astype(np.uint8)


@pytest.mark.parametrize("quality", [0, 31, 63])
@pytest.mark.parametrize("size", [(64, 96), (33, 50)])
def test_a_file_comes_back(coder, quality, size):
    picture = image(*size)
    photo, damage = decompress(coder, compress(coder, Photo(picture), quality))
    assert damage == []
    assert photo.image.shape == picture.shape
    error = np.abs(photo.image.astype(int) - picture).mean()
    assert error < (8 if quality == 63 else 40)


def test_more_quality_is_larger_and_better(coder):
    files = [compress(coder, Photo(image()), q) for q in (0, 31, 63)]
    assert [len(f) for f in files] == sorted(len(f) for f in files)


def test_bytes_are_what_the_tables_say(coder, monkeypatch):
    """Real bytes against the ideal code length."""
    ideal = []
    encode = symbols.encode

    def spy(scale, rungs):
        ideal.append(sum(scale.bits(*piece) for rung in rungs for piece in rung))
        return encode(scale, rungs)

    monkeypatch.setattr(symbols, "encode", spy)
    size = len(compress(coder, Photo(image()), 63))
    assert size < 1.01 * sum(ideal) / 8 + 160  # header and directory


def test_the_numpy_prior_answers_the_same(bundle, coder):
    in_numpy = NumpyPrior((bundle / PROGRAM).read_bytes())
    rng = np.random.default_rng(1)
    for number, quality in ((0, 0), (1, 20), (1, 63)):
        feeds = {
            "z": rng.integers(-127, 128, (1, 3, 2, 4)).astype(np.int32),
            "y": rng.integers(-2000, 2001, (1, 12, 8, 24)).astype(np.int32),
            "pass": np.array([number], np.int64),
            "quality": np.array([quality], np.int64),
        }
        found = coder.bundle.run("prior", **feeds)
        for name, array in in_numpy(feeds).items():
            assert np.array_equal(found[name], array), name


def test_whole_numbers_say_what_the_float_prior_says(model, coder):
    """Nearly always: rounding moves an index by one now and then."""
    picture = pictures()[:1]
    quality = np.array([32], np.float32)
    code = model.run("encoder", image=picture, quality=quality)
    y, _ = model.coded(model.run, code, quality)
    for number in (0, 1):
        told = {"pass": np.array([number], np.float32), "quality": quality}
        wanted = model.run("prior", z=code["z"], y=y, **told)
        index, mean = coder.prior(code["z"].astype(np.int32), y.astype(np.int32), number, 32)
        assert np.abs(index - wanted["index"]).max() <= 1
        assert np.abs(mean - wanted["mean"]).max() <= 2


def test_every_step_has_a_form_in_numpy(model):
    assert {step[0] for step in prior_program(model).steps} <= set(OPS)


def test_the_bundle_says_what_a_decoder_must_know(bundle, coder):
    manifest = coder.bundle.manifest
    assert manifest.config["codec"] == {"halo": 64, "bit_depth": 8}
    assert {"scale_counts.bin", "z_index.bin", NEIGHBOURS, PROGRAM} <= set(manifest.files)
    assert manifest.graphs["prior"].parity["index"] == {"max_abs": 0.0, "allowed": 0.0}
    assert manifest.quality["loss"] <= manifest.quality["allowed"]
    assert [t.dtype for t in manifest.graphs["decoder"].inputs] == ["int32", "int32", "int64"]
    assert (coder._z_index > 0).all()


def test_another_quality_curve_is_another_model(model, bundle, tmp_path):
    """The gains are in no ONNX weight, but the files they make differ."""
    import json

    before = model.gains["y"].curve.numpy()
    model.gains["y"].curve.assign(before + 0.05)
    other = export(model, tmp_path / "other", data=pictures(), size=SIZE)
    model.gains["y"].curve.assign(before)
    ids = [json.loads((x / "bundle.json").read_text())["model_id"] for x in (bundle, other)]
    assert ids[0] != ids[1]


DARK = pictures()[..., :1] / 16


def deep_model() -> UNetCodec:
    """A codec for 16 bits, adapted to dark pictures."""
    keras.utils.set_random_seed(0)
    small = {"skip": 64, "bottleneck": 4, "blocks": (1, 1), "width": 8, "prior": 8}
    model = UNetCodec(UNetCodec.config_for((SIZE, SIZE, 1), {"bits": 16, **small}))
    model.adapt(model.varied(DARK, 0))
    return model


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deep")
    return export(deep_model(), folder / "bundle", data=DARK, size=SIZE)


def test_means_are_exact_where_a_channel_has_many_steps_a_unit(tmp_path):
    """One of 75 beside others of less than 3. Weights of a byte missed by 7 eighths of a step."""
    model, quality = deep_model(), np.array([40], np.float32)
    kernel = model.context.get_layer("mean").kernel
    kernel.assign(np.random.default_rng(0).normal(0, 0.3, kernel.shape))
    (tmp_path / PROGRAM).write_bytes(_npz(prior_program(model).stored()))
    code = model.run("encoder", image=DARK[:1], quality=quality)
    y, _ = model.coded(model.run, code, quality)
    told = {"z": code["z"], "y": y, "pass": np.ones(1, np.float32), "quality": quality}
    wanted, found = model.run("prior", **told), NumpyPrior((tmp_path / PROGRAM).read_bytes())(told)
    assert np.abs(wanted["mean"]).max() > 64
    assert np.abs(found["mean"] - wanted["mean"]).max() <= 4


@pytest.mark.parametrize("gain", [1, 16])
@pytest.mark.parametrize(("quality", "least"), [(0, 26), (32, 40), (63, 60)])
def test_sixteen_bits_come_back(deep, gain, quality, least):
    """Pictures that fill the range too; there some symbols are beyond a byte."""
    coder = open_model(deep, threads=1)
    assert (coder.bit_depth, coder.widest) == (16, 4095)
    picture = np.rint(65535 / 16 * gain * pictures(1)[0, ..., :1]).astype(np.uint16)
    picture[:8, :8], picture[8:16, :8] = 65535, 0
    data = compress(coder, Photo(picture), quality)
    photo, damage = decompress(coder, data)
    assert damage == []
    assert photo.image.dtype == np.uint16
    error = np.mean((photo.image[16:, 16:] - picture[16:, 16:].astype(float)) ** 2)
    assert 10 * np.log10(65535**2 / error) > least


def test_other_precisions_are_refused(model, tmp_path):
    with pytest.raises(
        ExportError, match="a codec is exported as fp32 .*received precision 'int8'"
    ):
        export(model, tmp_path / "x", precision="int8", data=pictures(), size=SIZE)
    assert not (tmp_path / "x").exists()


def test_a_sum_that_could_round_is_refused():
    program = Program({"x": 1 << 12})
    kernel = np.full((3, 3, 64, 1), 30.0)
    with pytest.raises(ExportError, match="wide: channel 0 could add up to .* below 2"):
        program.sum("wide", [Part("x", kernel)], [0.0])
    with pytest.raises(ExportError, match="x reaches 100000, expected less than 2"):
        Program({"x": 1e5}).scaled("y", "x", np.ones((64, 1)), 10)


def test_sums_stay_exact():
    """Worst case of the written weights, in their smallest steps."""
    rng = np.random.default_rng(0)
    program = Program({"x": 512})
    program.sum("sum", [Part("x", rng.normal(0, 1, (3, 3, 96, 8)))], rng.normal(0, 99, 8))
    kernel, bias = (program.arrays[f"sum_0/{k}"].astype(np.float64) for k in ("kernel", "bias"))
    for channel in range(8):
        values = np.append(kernel[..., channel].ravel(), bias[channel])
        steps = next(n for n in range(20) if np.array_equal(values * 2**n, np.rint(values * 2**n)))
        worst = np.abs(kernel[..., channel]).sum() * 512 + abs(bias[channel])
        assert worst * 2**steps < 1 << 24


def test_factors_have_ten_digits():
    x = np.geomspace(1e-3, 1e3, 99)
    mantissa = np.frexp(short(x))[0] * 1024
    assert np.array_equal(mantissa, np.rint(mantissa))
    np.testing.assert_allclose(short(x), x, rtol=1e-3)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("seen", [0, 1, 1000])
def test_counts_sum_up_and_have_no_holes(seen, wide):
    counts = scale_counts(np.full((64, 256), seen), wide)
    assert counts.shape == (64, 256)
    assert not wide or (counts[1:, 255] > 0).all()
    assert (counts.sum(1) == SLOTS).all()
    support = counts[:, :255] > 0
    assert np.array_equal(support, support[:, ::-1])
    symbols.ScaleTables(counts)  # which refuses holes


def test_counts_follow_what_was_seen():
    seen = np.zeros((64, 255))
    seen[20, 127] = 1e6
    counts = scale_counts(seen)
    assert counts[20, 127] > scale_counts(0 * seen)[20, 127]
    cost = -np.sum(
        logistic(float(table_scale(np.array(30))))
        * np.log2(np.maximum(counts[30, :255], 1) / SLOTS)
    )
    p = logistic(float(table_scale(np.array(30))))
    assert cost < -np.sum(p * np.log2(np.maximum(p, 1e-12))) + 0.05
