"""A writer in bytes: weights of 7 bits, near what Keras draws, and a bundle of a file a third as large."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from dimaging_edge import open_bundle
from dimaging_edge.generate import text
from dimaging_export import export
from dimaging_export.bundle.subject import load_subject
from dimaging_export.errors import ParityError, PrecisionError
from dimaging_export.exporting import family_of
from dimaging_export.graph.passes import count
from dimaging_export.integer.text_bytes import byte_text_twin, seven_bits
from dimaging_export.prove.runners import onnx_graph
from dimaging_export.samplers.build_text import (
    BYTE_CLEAR,
    _feed,
    _scores,
    clear_example,
    prove_writer,
)
from dimaging_export.samplers.byte_products import byte_product
from dimaging_export.samplers.text import writer
from dimaging_export.samplers.text_reader import told_reader
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dimaging_tf.models.char_lm import CharLM, Config

VOCABULARY = ("\n", " ", *"abcdefgh")
NUMBERS = st.floats(-8, 8, width=32, allow_subnormal=False)


@pytest.fixture(scope="module", params=[1, 2])
def model(request):
    keras.utils.set_random_seed(0)
    return CharLM(Config((16,), VOCABULARY, units=40, layers=request.param))


@given(arrays.arrays(np.float32, (5, 3), elements=NUMBERS))
def test_weights_are_near_and_come_back(weights):
    whole, scale = seven_bits(weights)
    assert np.abs(whole).max() <= 63
    assert (np.abs(whole * scale - weights) <= 0.5001 * scale).all()
    again, same = seven_bits(whole * scale)
    np.testing.assert_array_equal(again, whole)
    used = whole.any(0)
    np.testing.assert_allclose(same[used], scale[used], rtol=1e-6)


def test_it_is_proven_against_its_twin(model):
    twin = byte_text_twin(model)
    file = writer(twin.reader, byte_product)
    cells = model.config.layers
    assert count(file)["MatMulInteger"] == 2 * cells - 1
    report = prove_writer(twin, onnx_graph(file, whole=True), None, coarse=True)
    assert 0 < report["c1_out"]["max_abs"] < 0.05
    with pytest.raises(ParityError):
        prove_writer(twin, onnx_graph(file, whole=True), None)


@pytest.mark.parametrize("seed", range(3))
def test_every_token_of_its_example_wins_clearly(model, seed):
    """Of 16 tokens some are always nearly tied; a device that rounds otherwise would draw others there."""
    twin = byte_text_twin(model)
    run = onnx_graph(writer(twin.reader, byte_product), whole=True)
    feed = _feed(twin, None, 1, 0.7, 5, seed, steps=16)
    example = clear_example(twin, run, feed, BYTE_CLEAR)
    np.testing.assert_array_equal(example["text"], run(feed)["text"])
    scores = np.sort(_scores(twin, example, example["text"])[0], -1)
    assert (scores[..., -1] - scores[..., -2]).min() > 0.999 * BYTE_CLEAR
    before = np.sort(_scores(twin, feed, example["text"])[0], -1)
    assert (before[..., -1] - before[..., -2]).min() < BYTE_CLEAR


@pytest.fixture(scope="module")
def sharp():
    """A model that is sure of most tokens, and rows that it wrote: a difference of its logits costs bits."""
    model = CharLM(Config((16,), VOCABULARY, units=40))
    rng = np.random.default_rng(0)
    for weight in model.weights:
        head = weight.shape == (40, 10)
        weight.assign(rng.normal(size=weight.shape, scale=2 if head else 0.35))
    feed = {
        "prime": np.zeros((40, 1), np.int32),
        "noise": rng.gumbel(size=(40, 16, 10)).astype(np.float32),
        "temperature": np.ones(1, np.float32),
    }
    written = onnx_graph(writer(model.reader), whole=True)({**feed, **model.zeros(40)})
    return model, written["text"]


def test_the_reader_that_is_scored_rounds_outputs_to_bytes(sharp):
    model, rows = sharp
    twin = byte_text_twin(model)
    told = onnx_graph(told_reader(twin.reader, byte_product))
    found = told({"tokens": rows, **twin.zeros(len(rows))})["logits"]
    kernel, recurrent, bias, head, offset = (np.asarray(w) for w in twin.reader.get_weights())
    h = c = np.zeros((len(rows), 40))
    emulated = []
    for k in range(rows.shape[1]):
        gates = kernel[rows[:, k]] + bias + np.rint(h * 127) / 127 @ recurrent
        i, f, new, o = np.split(gates, 4, -1)
        c = c / (1 + np.exp(-f)) + np.tanh(new) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
        emulated.append(h @ head + offset)
    floats = twin.run("reader", tokens=rows, **twin.zeros(len(rows)))["logits"]
    missed = np.abs(found - np.stack(emulated, 1)).mean()  # what float32 rounds to another byte
    assert missed < 0.1 * np.abs(found - floats).mean()


def test_its_bundle_writes(sharp, tmp_path):
    model, rows = sharp
    opened = open_bundle(export(model, tmp_path / "bundle", precision="int8", data=rows))
    assert len("".join(text.write(opened, "abc", 80))) == 80
    assert opened.manifest.precision == "int8"
    quality = opened.manifest.quality
    assert quality
    assert isinstance(quality["keras"], float)
    assert quality["keras"] < 1.5  # of 3.3 bits for 10 tokens
    judged = rows[20:]
    twin = byte_text_twin(model)
    told = onnx_graph(told_reader(twin.reader, byte_product))
    in_bytes = twin.score(lambda _, **given: told(given), judged)
    assert quality["onnx"] == pytest.approx(in_bytes, abs=1e-6)
    assert quality["onnx"] != pytest.approx(twin.score(twin.run, judged), abs=1e-6)
    size = (opened.path / "writer.onnx").stat().st_size
    assert size < 0.6 * len(writer(model.reader).SerializeToString())
    assert all(one.ok for graph in opened.check().values() for one in graph.values())
    card = (opened.path / "CARD.md").read_text("utf-8")
    assert "calibrated on" not in card
    assert "graphs with convolutions" not in card


def test_a_miss_of_the_quality_is_no_reason_to_build_it_again(sharp, tmp_path, monkeypatch):
    model, rows = sharp
    built = []

    def build(*_):
        built.append(1)
        raise PrecisionError("too many bits")

    row = replace(family_of(load_subject(model)), build=build)
    monkeypatch.setattr("dimaging_export.exporting.family_of", lambda _: row)
    with pytest.raises(PrecisionError, match="too many bits"):
        export(model, tmp_path / "bundle", precision="int8", data=rows)
    assert built == [1]
