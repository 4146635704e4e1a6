"""A language model in whole numbers: near the float one, the same bits in every engine, text that packs."""

import keras
import numpy as np
import onnxruntime
import pytest
from dimaging_edge import open_bundle
from dimaging_edge.commands.main import main
from dimaging_edge.common.errors import CodecError, InputError
from dimaging_edge.common.random import gumbel, whole_noise
from dimaging_edge.generate import text
from dimaging_edge.lossless import text as packed
from dimaging_export import export
from dimaging_export.errors import ExportError
from dimaging_export.integer.text_twin import LIMIT, integer_text_twin
from keras import layers as L

from dimaging_tf.models.char_lm import CharLM, Config

VOCABULARY = ("\n", " ", *"abcdefgh")
CONFIGS = {
    "one layer": {"units": 12},
    "two layers": {"units": 7, "layers": 2},
    "as on the slide": {"units": 12, "candidate": "sigmoid"},
}


def model_of(name):
    keras.utils.set_random_seed(0)
    model = CharLM(Config((16,), VOCABULARY, **CONFIGS[name]))
    for weight in model.weights:
        weight.assign(np.random.default_rng(weight.shape[0]).normal(size=weight.shape))
    return model


def rows(count=40):
    return np.random.default_rng(0).integers(0, 10, (count, 16)).astype(np.int32)


@pytest.fixture(scope="module", params=CONFIGS)
def bundle(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("text") / "bundle"
    export(model_of(request.param), folder, precision="integer", data=rows())
    return open_bundle(folder, threads=1)


@pytest.mark.parametrize("name", CONFIGS)
def test_it_is_near_the_float_model(name):
    model = model_of(name)
    twin = integer_text_twin(model)
    tokens = rows()
    floats = model.run("reader", tokens=tokens, **model.zeros(40))["logits"]
    found = twin.run("reader", tokens=tokens, **twin.zeros(40))
    assert np.abs(found["logits"] - floats).max() < 0.15
    assert twin.score(twin.run, tokens) == pytest.approx(model.score(model.run, tokens), abs=0.01)
    odds = found["weights"] / found["weights"].sum(-1, keepdims=True)
    expected = np.exp(found["logits"]) / np.exp(found["logits"]).sum(-1, keepdims=True)
    np.testing.assert_allclose(odds, expected, atol=0.01)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_value_is_whole_and_no_sum_can_be_inexact(name):
    twin = integer_text_twin(model_of(name))
    found = twin.run("reader", tokens=rows(), **twin.zeros(40))
    for key, value in found.items():
        steps = 4096 if key == "logits" else 1
        np.testing.assert_array_equal(value * steps, np.rint(value * steps))
    for layer in twin.reader.layers:
        weights = [np.abs(np.asarray(w, np.float64)) for w in layer.get_weights()]
        if not weights:
            continue
        *kernels, bias = weights
        products = kernels[1:] if getattr(layer, "tokens", None) else kernels
        told = kernels[0].max(0) if len(kernels) > len(products) else 0
        assert (256 * sum(w.sum(0) for w in products) + told + bias).max() < LIMIT


def test_the_step_reads_what_the_reader_reads(bundle):
    tokens = rows(3)
    states = {t.name: np.zeros((3, t.example[1]), np.float32)
              for t in bundle.graph("step").inputs if t.name != "tokens"}  # fmt: skip
    whole = bundle.run("reader", tokens=tokens, **states)
    for k in range(16):
        found = bundle.run("step", tokens=tokens[:, k : k + 1], **states)
        np.testing.assert_array_equal(found["weights"][:, 0], whole["weights"][:, k])
        states = {name: found[f"{name}_out"] for name in states}


def test_the_host_and_the_loop_write_the_same_text(bundle):
    written = "".join(text.write(bundle, "abc", 150, seed=3, temperature=0.9))
    tokens = [text.read_vocabulary(bundle).index(c) for c in "abc"]
    steps = text._by_steps(bundle, tokens, 150, 0.9, 3, 10)
    assert written == "".join(VOCABULARY[k] for piece in steps for k in piece)
    assert len(written) == 150


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_ALL"])
def test_threads_and_optimisation_change_no_bit(bundle, threads, level):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    session = onnxruntime.InferenceSession(str(bundle.file("reader")), options)
    states = {x.name: np.zeros((5, x.shape[1]), np.float32) for x in session.get_inputs()[1:]}
    found = session.run(["weights"], {"tokens": rows(5), **states})[0]
    np.testing.assert_array_equal(found, bundle.run("reader", tokens=rows(5), **states)["weights"])


def test_noise_in_whole_steps():
    noise = gumbel(0, (100,))
    found = whole_noise(noise, 0.7)
    np.testing.assert_array_equal(found * 4096, np.rint(found * 4096))
    np.testing.assert_allclose(found, 0.7 * noise, atol=1e-3)
    assert not whole_noise(noise, 0).any()


@pytest.mark.parametrize(
    ("precision", "target", "words"),
    [
        (
            "fp16",
            "cpu",
            "exported as fp32, as integer: the same text on every device, or as int8: faster",
        ),
        ("int8", "phone", "makes the loop that writes faster, and target 'phone' has no loops"),
        ("integer", "phone", "precision"),
    ],
)
def test_what_is_refused(tmp_path, precision, target, words):
    with pytest.raises(ExportError) as error:
        export(
            model_of("one layer"), tmp_path / "b", precision=precision, target=target, data=rows()
        )
    assert words in str(error.value)
    assert not (tmp_path / "b").exists()


def test_a_layer_without_an_integer_form():
    model = model_of("one layer")
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = L.Embedding(10, 4, name="table")(tokens)
    model.reader = keras.Model(tokens, {"logits": L.Dense(10)(x)})
    with pytest.raises(ExportError, match=r"'table' \(Embedding\) has no integer form"):
        integer_text_twin(model)


TEXT = "abc abc\n" * 40 + "hgf e"


@pytest.mark.parametrize("lanes", [None, 1, 2, 7, 325])
def test_a_text_comes_back_as_it_was(bundle, lanes):
    stream = packed.pack(bundle, TEXT, lanes=lanes)
    assert packed.unpack(bundle, stream) == TEXT
    header = packed.read_header(stream)
    assert (header.characters, header.vocabulary) == (len(TEXT), 10)


@pytest.mark.parametrize("text_", ["a", "\n", "ab"])
def test_short_texts(bundle, text_):
    assert packed.unpack(bundle, packed.pack(bundle, text_)) == text_


def test_every_flipped_byte_is_found(bundle):
    stream = packed.pack(bundle, TEXT[:60])
    for place in range(len(stream)):
        damaged = bytearray(stream)
        damaged[place] ^= 1 << place % 8
        with pytest.raises(CodecError):
            packed.unpack(bundle, bytes(damaged))
    for cut in range(len(stream)):
        with pytest.raises(CodecError):
            packed.unpack(bundle, stream[:cut])


@pytest.mark.parametrize(
    ("text_", "lanes", "words"),
    [
        ("", None, "the text is empty; expected one character or more"),
        ("abcxyz", None, "has never seen 'x', 'y', 'z'"),
        ("abc", 4, "lanes: expected 1 to 3, received 4"),
    ],
)
def test_texts_that_do_not_pack(bundle, text_, lanes, words):
    with pytest.raises(InputError) as error:
        packed.pack(bundle, text_, lanes=lanes)
    assert words in str(error.value)


def test_packed_by_the_command(bundle, tmp_path, capsys):
    (tmp_path / "poem.txt").write_bytes(TEXT.encode())
    folder, out = str(bundle.path), str(tmp_path / "poem.dtxt")
    assert main(["pack", folder, str(tmp_path / "poem.txt"), "--out", out]) == 0
    assert "bits a character" in capsys.readouterr().out
    assert main(["unpack", folder, out, "--out", str(tmp_path / "again.txt")]) == 0
    assert (tmp_path / "again.txt").read_bytes() == TEXT.encode()
    (tmp_path / "marked.txt").write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    assert main(["pack", folder, str(tmp_path / "marked.txt"), "--out", out + "2"]) == 1
    assert "begins with a byte order mark" in capsys.readouterr().err
    assert not (tmp_path / "poem.dtxt2").exists()


def test_a_float_model_and_another_model_are_told_apart(bundle, tmp_path):
    floats = open_bundle(export(model_of("one layer"), tmp_path / "floats", data=rows()))
    with pytest.raises(InputError, match="export it again: --precision integer"):
        packed.pack(floats, TEXT)
    other = model_of("one layer")
    other.weights[0].assign(other.weights[0] * 0.5)
    export(other, tmp_path / "other", precision="integer", data=rows())
    with pytest.raises(CodecError, match="unpack it with the bundle that packed it"):
        packed.unpack(open_bundle(tmp_path / "other"), packed.pack(bundle, TEXT))
