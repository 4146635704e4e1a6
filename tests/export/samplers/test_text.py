"""One file that writes: the same text as step by step in Keras, pieces that join, a bundle and its command."""

import json

import keras
import numpy as np
import pytest
from dimaging_edge import open_bundle
from dimaging_edge.commands.main import main
from dimaging_edge.common.errors import InputError
from dimaging_edge.common.random import gumbel
from dimaging_edge.generate import text
from dimaging_export import export
from dimaging_export.errors import ExportError, ParityError
from dimaging_export.graph.passes import count
from dimaging_export.prove.runners import onnx_graph
from dimaging_export.samplers.build_text import prove_writer
from dimaging_export.samplers.text import writer
from keras import layers as L

from dimaging_tf.layers.lstm import SlideLSTM
from dimaging_tf.models.char_lm import CharLM, Config

VOCABULARY = ("\n", "\r", *"abcdefgh")
CONFIGS = {
    "one layer": {"units": 12},
    "two layers": {"units": 7, "layers": 2},
    "as on the slide": {"units": 12, "candidate": "sigmoid"},
}


def model_of(name):
    keras.utils.set_random_seed(0)
    model = CharLM(Config((16,), VOCABULARY, **CONFIGS[name]))
    for weight in model.weights:  # logits that differ, so that few tokens are a tie
        weight.assign(np.random.default_rng(weight.shape[0]).normal(size=weight.shape) ** 3)
    return model


@pytest.fixture(scope="module", params=CONFIGS)
def model(request):
    return model_of(request.param)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    model = model_of("two layers")
    rows = np.random.default_rng(0).integers(0, 10, (40, 16)).astype(np.int32)
    return model, open_bundle(export(model, folder / "bundle", data=rows))


def by_steps(model, prime, noise, temperature, states):
    """Keras, one token at a time: int [B, T]."""
    drawn, waiting = [], list(prime.T)
    while len(drawn) < noise.shape[1]:
        tokens = waiting.pop(0)[:, None].astype(np.int32)
        found = model.run("step", tokens=tokens, **states)
        states = {name: found[f"{name}_out"] for name in states}
        if not waiting:
            scores = found["logits"][:, 0] + temperature * noise[:, len(drawn)]
            drawn.append(scores.argmax(-1))
            waiting.append(drawn[-1])
    return np.stack(drawn, 1)


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize(("length", "temperature"), [(1, 1.0), (6, 0.5), (3, 0.0)])
def test_it_writes_what_keras_writes(model, batch, length, temperature):
    rng = np.random.default_rng(batch)
    file = writer(model.reader)
    noise = rng.gumbel(size=(batch, 30, 10)).astype(np.float32)
    prime = rng.integers(0, 10, (batch, length)).astype(np.int32)
    feed = {"prime": prime, "noise": noise, "temperature": np.array([temperature], np.float32)}
    found = onnx_graph(file, whole=True)({**feed, **model.zeros(batch)})
    assert found["text"].dtype == np.int32
    np.testing.assert_array_equal(
        found["text"], by_steps(model, prime, noise, temperature, model.zeros(batch))
    )
    assert count(file)["Loop"] == 1


def test_a_text_in_pieces_is_the_text_at_once(model):
    run = onnx_graph(writer(model.reader), whole=True)
    noise = np.random.default_rng(0).gumbel(size=(2, 40, 10)).astype(np.float32)
    prime, temperature = np.array([[2, 3], [4, 5]], np.int32), np.ones(1, np.float32)
    whole = run({"prime": prime, "noise": noise, "temperature": temperature, **model.zeros(2)})
    states, pieces = model.zeros(2), []
    for part in np.split(noise, [7, 8, 31], 1):
        found = run({"prime": prime, "noise": part, "temperature": temperature, **states})
        states = {name: found[f"{name}_out"] for name in states}
        prime = found["text"][:, -1:]
        pieces.append(found["text"])
    np.testing.assert_array_equal(np.concatenate(pieces, 1), whole["text"])


def test_drawn_tokens_follow_the_softmax():
    model = model_of("one layer")
    run = onnx_graph(writer(model.reader), whole=True)
    prime = np.full((20000, 1), 3, np.int32)
    noise = gumbel(0, (20000, 1, 10))
    feed = {"prime": prime, "noise": noise, "temperature": np.ones(1, np.float32)}
    drawn = run({**feed, **model.zeros(20000)})["text"][:, 0]
    logits = model.run("step", tokens=prime[:1], **model.zeros(1))["logits"][0, 0]
    expected = np.asarray(L.Softmax()(logits))
    np.testing.assert_allclose(np.bincount(drawn, minlength=10) / 20000, expected, atol=0.015)


def test_a_wrong_writer_is_not_written(model):
    run = onnx_graph(writer(model.reader), whole=True)

    def wrong(feed):
        found = run(feed)
        return {**found, "text": (found["text"] + 1) % 10}

    def drifting(feed):
        found = run(feed)
        return {**found, "c1_out": found["c1_out"] + 0.01}

    with pytest.raises(ParityError, match="tokens are not what Keras draws from the same past"):
        prove_writer(model, wrong, None)
    with pytest.raises(ParityError, match="output 'c1_out' differs by 0.01"):
        prove_writer(model, drifting, None)


def test_another_network_has_no_writer():
    x = keras.Input((None, 3))
    with pytest.raises(ExportError, match="received GRU, Dense"):
        writer(keras.Model(x, L.Dense(4)(L.GRU(3)(x))))
    y = SlideLSTM(3)(x)
    with pytest.raises(ExportError, match="received SlideLSTM, LayerNormalization"):
        writer(keras.Model(x, L.LayerNormalization()(y)))


def test_the_bundle_holds_all_that_writing_needs(bundle):
    _, opened = bundle
    assert opened.graphs == ("reader", "step", "writer")
    assert text.read_vocabulary(opened) == VOCABULARY
    assert opened.graph("writer").outputs[0].shape == ("batch", "steps")
    assert opened.manifest.config["vocabulary"] == 10  # a manifest holds no line ends of Windows
    assert json.loads((opened.path / "vocabulary.json").read_text()) == list(VOCABULARY)
    assert all(one.ok for graph in opened.check().values() for one in graph.values())
    assert opened.manifest.quality
    assert opened.manifest.quality["name"] == "bits a character"


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_the_device_writes_what_keras_writes(bundle, temperature):
    model, opened = bundle
    pieces = list(text.write(opened, "abc", 150, temperature=temperature, seed=3))
    assert [len(piece) for piece in pieces] == [64, 64, 22]
    noise = np.concatenate([gumbel(3, (1, 64, 10), stream) for stream in range(3)], 1)[:, :150]
    prime = np.array([[2, 3, 4]])
    expected = by_steps(model, prime, noise, temperature, model.zeros(1))
    assert "".join(pieces) == "".join(VOCABULARY[k] for k in expected[0])
    shorter = "".join(text.write(opened, "abc", 70, temperature=temperature, seed=3))
    assert shorter == "".join(pieces)[:70]


def test_without_a_loop_the_host_writes_the_same(bundle, tmp_path):
    model, opened = bundle
    rows = np.random.default_rng(0).integers(0, 10, (40, 16)).astype(np.int32)
    phone = open_bundle(export(model, tmp_path / "phone", data=rows, target="phone"))
    assert phone.graphs == ("reader", "step")
    assert phone.graph("step").inputs[0].shape == (1, 1)
    same = ("abc", 100)
    assert list(text.write(phone, *same, seed=1)) == list(text.write(opened, *same, seed=1))


def test_a_text_without_a_beginning_follows_a_line_break(bundle):
    assert list(text.write(bundle[1], "", 9)) == list(text.write(bundle[1], "\n", 9))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"prime": "aZ~"},
            r"never seen 'Z', '~'; it knows '\\n\\rabcdefgh'. Leave others out, or train",
        ),
        ({"prime": b"abc"}, r"expected a text, received bytes \(bytes become one by \.decode"),
        ({"n": 0}, "expected 1 token or more, received 0"),
        ({"n": 2.5}, "expected 1 token or more, received 2.5"),
        ({"temperature": "hot"}, "temperature: expected 0 to 100, received 'hot'"),
        ({"temperature": -1.0}, "temperature: expected 0 to 100, received -1"),
        ({"temperature": float("nan")}, "temperature: expected 0 to 100, received nan"),
    ],
)
def test_arguments_out_of_range(bundle, arguments, words):
    with pytest.raises(InputError, match=words):
        text.write(bundle[1], **arguments)


def test_another_precision_is_refused(bundle, tmp_path):
    with pytest.raises(ExportError, match="'fp16': a writer reads its own tokens again"):
        export(bundle[0], tmp_path / "b", precision="fp16", data=np.zeros((20, 16), np.int32))


def test_the_command_writes(bundle, capsys, tmp_path):
    folder = str(bundle[1].path)
    asked = ["write", folder, "--prime", "abc", "--n", "100", "--temperature", "0.5", "--seed", "2"]
    assert main(asked) == 0
    printed = capsys.readouterr().out
    expected = "abc" + "".join(text.write(bundle[1], "abc", 100, temperature=0.5, seed=2))
    assert printed == expected + "\n"
    assert main([*asked, "--out", str(tmp_path / "a.txt")]) == 0
    assert (tmp_path / "a.txt").read_bytes().decode() == expected
    assert main(["write", folder, "--prime", "Q"]) == 1
    assert "never seen 'Q'" in capsys.readouterr().err
