"""The character language model: streams, the chain rule, what it writes, a run that resumes."""

import math
import re

import keras
import numpy as np
import pytest
from dimaging_edge.common.files import read_json_lines
from keras import layers as L

from dimaging_tf import data
from dimaging_tf.data import pipeline
from dimaging_tf.data.dataset import Split
from dimaging_tf.errors import DataError
from dimaging_tf.models.char_lm import CharLM, Config
from dimaging_tf.training import runs

VOCABULARY = ("\n", *"abcdefgh")
SMALL = Config((16,), VOCABULARY, units=12)


@pytest.fixture
def rows():
    """A text in which each letter is often the one after the letter before: [40, 16]."""
    rng = np.random.default_rng(0)
    steps = rng.choice([1, 1, 1, 2], 640)
    return ((np.cumsum(steps) % 8) + 1).astype(np.int32).reshape(40, 16)


def compiled(config=SMALL, rate=1e-2):
    keras.utils.set_random_seed(0)
    model = CharLM(config)
    model.compile(keras.optimizers.Adam(rate), jit_compile=False)
    return model


def fit(model, rows, streams=4, epochs=1):
    batches = pipeline.batches(Split(rows, kind="tokens"), streams, seed=0, streams=True)
    steps = len(rows) // streams
    return model.fit(batches, steps_per_epoch=steps, epochs=epochs, shuffle=False, verbose=0)


@pytest.mark.parametrize("layers", [1, 2])
def test_rows_of_a_stream_are_read_as_one_text(rows, layers):
    model = compiled(Config((16,), VOCABULARY, units=12, layers=layers, dropout=0.0), rate=0.0)
    loss = fit(model, rows).history["loss"][0]
    whole = rows.reshape(4, -1)
    before = np.concatenate([np.full((4, 1), model.start), whole[:, :-1]], 1).astype(np.int32)
    logits = model.run("reader", tokens=before, **model.zeros(4))["logits"]
    own = np.take_along_axis(np.asarray(L.Softmax()(logits)), whole[..., None], -1)
    assert loss == pytest.approx(float(-np.log(own).mean()), rel=1e-5)
    batches = pipeline.valid_batches(Split(rows, kind="tokens"), 4, seed=0, streams=True)
    found = model.evaluate(batches, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(loss, rel=1e-5)
    assert found["bits"] == pytest.approx(loss / math.log(2), rel=1e-5)


def test_it_learns_what_there_is_to_learn(rows):
    model = compiled()
    past = fit(model, rows, epochs=30).history["loss"]
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert past[0] > 1.5
    assert past[-1] < entropy + 0.25
    text = model.write("abc", 40, temperature=0.0)
    assert text.startswith("defgh")


def test_the_likelihoods_of_all_texts_add_up_to_one():
    model = CharLM(Config((3,), ("\n", "a", "b"), units=5))
    texts = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    bits = [model.score(model.run, text[None].astype(np.int32)) * 3 for text in texts]
    assert np.sum(2.0 ** -np.array(bits)) == pytest.approx(1, abs=1e-5)


def test_a_batch_of_another_size_begins_from_zeros(rows):
    model = compiled(Config((16,), VOCABULARY, units=12, dropout=0.0), rate=0.0)
    model.fit(rows[:10], batch_size=4, shuffle=False, verbose=0)  # 4, 4, 2
    last = model.training_state.take(2)
    expected = model.run(
        "reader",
        tokens=np.concatenate([np.zeros((2, 1), np.int32), rows[8:10, :-1]], 1),
        **model.zeros(2),
    )
    np.testing.assert_allclose(last["h1"], expected["h1_out"], atol=1e-6)
    np.testing.assert_array_equal(last["past"], rows[8:10, -1] + 1)


def test_the_step_goes_on_where_the_reader_ends(rows):
    model = CharLM(Config((16,), VOCABULARY, units=12, layers=2))
    whole = model.run("reader", tokens=rows, **model.zeros(40))
    states = model.zeros(40)
    for t in range(16):
        found = model.run("step", tokens=rows[:, t : t + 1], **states)
        states = {name: found[f"{name}_out"] for name in states}
    np.testing.assert_allclose(found["logits"][:, 0], whole["logits"][:, -1], atol=1e-6)


@pytest.mark.parametrize("candidate", ["tanh", "sigmoid"])
def test_numpy_writes_what_keras_draws(candidate):
    model = CharLM(Config((16,), VOCABULARY, units=12, layers=2, candidate=candidate))
    text = model.write("abc", 30, temperature=0.7, seed=5)
    assert text == model.write("abc", 30, temperature=0.7, seed=5)
    assert text[:10] == model.write("abc", 10, temperature=0.7, seed=5)
    tokens = np.array([[VOCABULARY.index(c) for c in "abc" + text[:-1]]], np.int32)
    logits = model.run("reader", tokens=tokens, **model.zeros(1))["logits"][0, 2:]
    noise = np.random.default_rng(5).gumbel(size=(30, 9)) * 0.7
    assert "".join(VOCABULARY[k] for k in (logits + noise).argmax(-1)) == text


def test_it_reloads_and_goes_on(rows, tmp_path):
    once, twice = compiled(), compiled()
    fit(once, rows, epochs=2)
    fit(twice, rows)
    twice.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    fit(again, rows)
    for a, b in zip(once.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert again.config == SMALL


def test_dimaging_train_reads_a_text_of_your_own(tmp_path):
    (tmp_path / "abc.txt").write_text("the cat sat on the mat. " * 200)
    settings = runs.default_settings(
        "char_lm", data=str(tmp_path / "abc.txt"), epochs=3, batch=4, changes={"units": 16}
    )
    model = runs.train(settings, tmp_path / "run")
    assert set(model.config.vocabulary) == set("the cat sat on the mat. ")
    records = read_json_lines(tmp_path / "run" / "metrics.jsonl")
    assert records[-1]["val_loss"] < records[0]["val_loss"]
    samples = sorted((tmp_path / "run" / "samples").iterdir())
    assert [path.name for path in samples] == [f"epoch-000{k}.txt" for k in (1, 2, 3)]
    assert len(samples[-1].read_text()) == 501


def test_data_of_another_kind_and_too_many_streams(tmp_path):
    with pytest.raises(
        DataError, match=re.escape("char_lm learns from tokens [N, T]; digits holds")
    ):
        runs.train(runs.default_settings("char_lm", data="digits"), tmp_path / "a")
    (tmp_path / "short.txt").write_text("abcd" * 400)
    settings = runs.default_settings("char_lm", data=str(tmp_path / "short.txt"))
    with pytest.raises(DataError, match="64 streams need as many rows of text.*Choose --batch 2"):
        runs.train(settings, tmp_path / "b")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"units": 0}, "units and layers are at least 1"),
        ({"recurrent_dropout": 1.0}, "dropout and recurrent_dropout are in .0, 1."),
        ({"dropout": 1.0}, r"dropout and recurrent_dropout are in \[0, 1\)"),
        ({"vocabulary": ("a", "a")}, "2 or more texts that differ"),
        ({"candidate": "relu"}, "candidate is 'tanh' or 'sigmoid'"),
    ],
)
def test_settings_out_of_range(changes, words):
    with pytest.raises(ValueError, match=words):
        CharLM(Config(**changes))


def test_characters_outside_the_vocabulary():
    with pytest.raises(
        ValueError, match="the vocabulary has no 'Z', 'é'; leave that out, or train"
    ):
        CharLM(SMALL).write("aZé")


@pytest.mark.parametrize("given", [{"n": 0}, {"temperature": -0.1}, {"temperature": float("nan")}])
def test_what_it_cannot_write(given):
    with pytest.raises(ValueError, match="n is at least 1, temperature at least 0. Received: "):
        CharLM(SMALL).write("a", **given)


def test_the_default_data_is_a_text():
    assert data.KINDS[runs.default_settings("char_lm").data] == "tokens"
