"""The gate itself: what it lets through, what it refuses, and the figures that it names."""

import keras
import numpy as np
import pytest
from dimaging_export.errors import ExportError, ParityError
from dimaging_export.graph.masks import left_out
from dimaging_export.prove.inputs import Inputs, example_shapes
from dimaging_export.prove.parity import Difference, judge_quality, prove

from dimaging_tf.deployable import FigureOfMerit

FEEDS = [{"x": np.full((1, 4), value, np.float32)} for value in (1.0, 2.0, 3.0)]


def off_by(delta):
    return lambda feed: {"y": feed["x"] + np.float32(delta)}


def answers():
    return [off_by(0)(feed) for feed in FEEDS]


def test_what_is_found_and_allowed():
    report = prove("g", off_by(1e-4), FEEDS, answers())
    assert report["y"]["max_abs"] == pytest.approx(1e-4, rel=0.01)
    assert report["y"]["allowed"] == pytest.approx(1e-5 + 1e-4 * 3)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (off_by(1e-3), r"'g' in fp32 does not compute.*y differs by 0.001, allowed 0.00031"),
        (lambda feed: {}, "float32 .1, 4. in Keras, nothing in the file"),
        (lambda feed: {"y": feed["x"][:, :2]}, "in Keras, float32 .1, 2. in the file"),
        (lambda feed: {"y": feed["x"].astype(np.float16)}, "float16 .1, 4. in the file"),
        (lambda feed: {"y": feed["x"] * np.inf}, "NaN or infinity in the file.*65504"),
        (lambda feed: {"y": feed["no"]}, r"'g' in fp32 fails on x \[1, 4\], which Keras takes"),
    ],
)
def test_refusals(found, words):
    with pytest.raises(ParityError, match=words):
        prove("g", found, FEEDS, answers())


@pytest.mark.parametrize("kind", ["int32", "int64", "uint8", "bool"])
def test_whole_numbers_are_equal_or_wrong(kind):
    """Token 50,001 for 50,000 is within 1e-4 of it."""
    tokens = [{"y": np.full((1, 4), 200 if kind == "uint8" else 50000).astype(kind)} for _ in FEEDS]
    assert prove("g", lambda feed: tokens[0], FEEDS, tokens)["y"] == {"max_abs": 0, "allowed": 0}
    wrong = {"y": ~tokens[0]["y"] if kind == "bool" else tokens[0]["y"] + 1}
    with pytest.raises(ParityError, match="y differs by 1, allowed 0"):
        prove("g", lambda feed: {"y": wrong["y"].astype(kind)}, FEEDS, tokens)


def test_keras_may_be_the_one_that_fails():
    with pytest.raises(ParityError, match="Keras itself gives NaN"):
        prove("g", off_by(0), FEEDS, [{"y": x["x"] * np.nan} for x in FEEDS])


def test_a_reduced_precision_is_recorded_on_real_inputs_alone():
    report = prove("g", off_by(0.1), FEEDS, answers(), "int8", typical=1)
    assert report["y"]["max_abs"] == pytest.approx(0.1, rel=1e-3)
    assert report["y"]["allowed"] == pytest.approx(0.2, rel=1e-3)


def test_without_a_figure_of_merit_the_noise_decides():
    prove("g", off_by(0.05), FEEDS, answers(), "int8", by_signal=True)
    with pytest.raises(ParityError, match=r"y has 4.\d dB, needs 20 dB"):
        prove("g", off_by(0.5), FEEDS, answers(), "int8", by_signal=True)


def test_bytes_may_differ_by_one_level():
    def levels(delta):
        return lambda feed: {"y": (feed["x"] + delta).astype(np.uint8)}

    expected = [levels(0)(feed) for feed in FEEDS]
    names = frozenset({"y"})
    assert prove("g", levels(1), FEEDS, expected, byte_names=names)["y"]["allowed"] == 1
    with pytest.raises(ParityError, match="differs by 2, allowed 1"):
        prove("g", levels(2), FEEDS, expected, byte_names=names)


@pytest.mark.parametrize("mean", [0.0, 100.0, -1e4])
def test_signal_to_noise_is_about_the_mean(mean):
    seen = Difference()
    for sign in (1, -1):  # over two runs
        seen.add(np.array([mean + sign + 0.1]), np.array([mean + sign]))
    assert seen.sqnr == pytest.approx(20, abs=1e-4)


@pytest.mark.parametrize(
    ("scale", "allowed"), [(1e-6, 1.1e-10), (0.5, 5.5e-5), (1.0, 1.1e-4), (100.0, 1.001e-2)]
)
def test_tolerance_is_on_the_scale_of_the_output(scale, allowed):
    seen = Difference()
    seen.add(np.array([scale]), np.array([-scale]))
    assert seen.allowed == pytest.approx(allowed)


def Merit(higher_is_better, **more):
    return FigureOfMerit("PSNR", "dB", higher_is_better, {"int8": 0.1}, **more)


@pytest.mark.parametrize(("higher", "score"), [(True, 29.95), (True, 31.0), (False, 30.05)])
def test_quality_passes(higher, score):
    figures = judge_quality(Merit(higher), "int8", 30.0, score)
    assert figures["onnx"] == score
    assert figures["allowed"] == 0.1


@pytest.mark.parametrize(("higher", "score"), [(True, 29.8), (False, 30.2), (True, float("nan"))])
def test_quality_refuses(higher, score):
    with pytest.raises(ParityError, match=r"PSNR goes from 30 to .* dB in int8.*allowed 0.1"):
        judge_quality(Merit(higher), "int8", 30.0, score)


def test_a_relative_loss_is_a_share_of_the_models_own_score():
    assert judge_quality(Merit(False, relative=True), "int8", 20.0, 21.9)["allowed"] == 2.0
    with pytest.raises(ParityError, match="allowed 2"):
        judge_quality(Merit(False, relative=True), "int8", 20.0, 22.1)


def test_float32_may_lose_nothing_to_speak_of():
    assert judge_quality(Merit(True), "fp32", 30.0, 29.9999)["allowed"] == pytest.approx(0.003)
    with pytest.raises(ParityError, match="in fp32"):
        judge_quality(Merit(True), "fp32", 30.0, 29.99)


def test_inputs_fill_the_declared_range_at_every_batch():
    ranges = {"image": (-1.0, 2.0), "z": None}
    real = {"image": np.zeros((9, 4, 4, 1), np.float32), "z": np.zeros((9, 2), np.float32)}
    example = {"image": (1, 4, 4, 1), "z": (1, 2)}
    inputs = Inputs(example, ranges, real, free={"image": (1, 2)})
    feeds = inputs.feeds()
    assert inputs.typical == 3
    assert [len(feed["z"]) for feed in feeds] == [1, 3, 8, 1, 3, 8, 1, 1]
    assert [feed["image"].shape for feed in feeds[-2:]] == [(1, 8, 4, 1), (1, 7, 7, 1)]
    assert inputs.sizes == [(4, 4), (8, 4), (7, 7)]
    seeded = feeds[5]["image"]
    assert seeded.dtype == np.float32
    assert -1 <= seeded.min() < -0.8
    assert 1.8 < seeded.max() <= 2
    as_bytes = inputs.feeds(frozenset({"image"}))
    assert {feed["image"].dtype for feed in as_bytes} == {np.dtype(np.uint8)}


@pytest.mark.parametrize(
    ("shape", "axes", "changed", "sizes"),
    [
        ((1, 4), (1,), [(1, 8), (1, 7)], [(4,), (8,), (7,)]),
        ((1, 4, 3), (1,), [(1, 8, 3), (1, 7, 3)], [(4,), (8,), (7,)]),
        ((1, 4, 6, 5, 1), (1,), [(1, 8, 6, 5, 1), (1, 7, 6, 5, 1)], [(4,), (8,), (7,)]),
        (
            (1, 4, 6, 5, 1),
            (1, 2, 3),
            [(1, 8, 12, 5, 1), (1, 7, 11, 8, 1)],
            [(4, 6, 5), (8, 12, 5), (7, 11, 8)],
        ),
    ],
    ids=["tokens", "series", "movie", "movie of any size"],
)
def test_a_free_number_of_steps_is_tried_at_other_lengths(shape, axes, changed, sizes):
    inputs = Inputs({"x": shape}, {}, {}, free={"x": axes})
    assert [feed["x"].shape for feed in inputs.feeds()[-2:]] == changed
    assert inputs.sizes == sizes


def test_tokens_without_a_range_lie_in_that_of_the_real_ones():
    real = {"tokens": np.array([[3, 5, 4]], np.int32)}
    for kind in ("int32", "int64"):
        inputs = Inputs({"tokens": (1, 3)}, {}, real, {}, types={"tokens": kind})
        seeded = inputs.feeds()[-1]["tokens"]
        assert (seeded.min(), seeded.max(), seeded.dtype) == (3, 5, np.dtype(kind))
    with pytest.raises(
        ExportError, match=r"'tokens' holds whole numbers; state.*or pass real ones"
    ):
        Inputs({"tokens": (1, 3)}, {}, {}, {}, types={"tokens": "int32"}).feeds()


def test_some_steps_are_those_that_a_mask_skips():
    x = keras.Input((6, 2), name="x")
    w = keras.Input((6,), dtype="int32", name="w")
    skipping = [keras.layers.Masking(-9.0)(x), keras.layers.Embedding(50, 2, mask_zero=True)(w)]
    model = keras.Model([x, w], [keras.layers.LSTM(2)(y) for y in skipping])
    example = {"x": (1, 6, 2), "w": (1, 6)}
    inputs = Inputs(
        example, {"x": (0, 1), "w": (0, 49)}, {}, {}, types={"w": "int32"}, **left_out(model)
    )
    for feed in inputs.feeds():
        assert (feed["x"][0, 3:] == -9).all()
        assert (feed["w"][0, 3:] == 0).all()
        assert feed["x"][0, :3].min() >= 0
    assert inputs.feeds()[1]["w"][1].tolist()[:3:2] == [0, 0]


def test_sizes_that_keras_refuses_are_left_out():
    def even(feed):
        if feed["image"].shape[1] % 2:
            raise ValueError("odd")
        return feed

    inputs = Inputs({"image": (1, 4, 4, 1)}, {}, {}, free={"image": (1,)})
    assert inputs.accepted(even).sizes == [(4, 4), (8, 4)]


def test_an_input_of_unknown_shape_is_asked_for():
    with pytest.raises(ExportError, match=r"input 'tokens' has free dimensions.*pass data="):
        example_shapes([("tokens", (None, None, 5))], {}, (8, 8))
