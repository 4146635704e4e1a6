"""A writer in bytes: weights of 7 bits, near what Keras draws, and a bundle of a file a third as large."""

import keras
import numpy as np
import pytest
from dimaging_edge import open_bundle
from dimaging_edge.generate import text
from dimaging_export import export
from dimaging_export.errors import ParityError
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
    assert count(file)["MatMulInteger"] == 2 * (
        2 * cells - 1
    )  # while it reads a prime, and while it writes
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


def test_its_bundle_writes(tmp_path):
    model = CharLM(Config((16,), VOCABULARY, units=40))
    rows = np.random.default_rng(0).integers(0, 10, (40, 16)).astype(np.int32)
    opened = open_bundle(export(model, tmp_path / "bundle", precision="int8", data=rows))
    assert len("".join(text.write(opened, "abc", 80))) == 80
    assert opened.manifest.precision == "int8"
    quality = opened.manifest.quality
    assert quality
    assert quality["onnx"] == pytest.approx(quality["keras"], abs=0.02)
    size = (opened.path / "writer.onnx").stat().st_size
    assert size < 0.6 * len(writer(model.reader).SerializeToString())
    assert all(one.ok for graph in opened.check().values() for one in graph.values())
