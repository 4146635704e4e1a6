"""One file that says sentences: the same as the search in numpy, at every batch and beam; a bundle and its verb."""

import keras
import numpy as np
import pytest
from dimaging_edge import open_bundle
from dimaging_edge.commands.main import main
from dimaging_edge.common.beam import beam_search
from dimaging_edge.common.errors import BundleError, InputError
from dimaging_edge.generate import captioning
from dimaging_export import export
from dimaging_export.errors import ParityError
from dimaging_export.graph.passes import count
from dimaging_export.prove.runners import onnx_graph
from dimaging_export.samplers import build_captions
from dimaging_export.samplers.build_captions import prove_captioner
from dimaging_export.samplers.captioner import captioner
from PIL import Image

from dimaging_tf.models.captioning import Captioning, Config
from dimaging_tf.sequence.speaker import numpy_speaker

WORDS = ("a", "big", "blue", "circle", "red", "square", "two", "<unk>")


def model_of(seed=0, length=6):
    keras.utils.set_random_seed(seed)
    config = Config((8, 8, 3), WORDS, length, filters=(4,), features=5, embedding=4, units=12)
    model = Captioning(config)
    for weight in model.reader.weights:  # sentences that differ from image to image, and end
        weight.assign(np.random.default_rng(weight.shape[0]).normal(size=weight.shape) * 1.5)
    return model


@pytest.fixture(scope="module")
def model():
    return model_of()


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return rng.uniform(size=(24, 8, 8, 3)).astype(np.float32), rng.integers(1, 8, (24, 6), np.int32)


@pytest.fixture(scope="module", params=["cpu", "phone"])
def bundle(request, model, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("captions")
    return open_bundle(export(model, folder / "bundle", data=data, target=request.param))


@pytest.mark.parametrize("beam", [1, 2, 3, 5, 20])
@pytest.mark.parametrize("batch", [1, 2, 7])
def test_it_says_what_a_search_in_numpy_says(model, batch, beam):
    features = np.random.default_rng(batch).normal(size=(batch, 5)).astype(np.float32)
    file = captioner(model.reader, 6, model.never)
    feed = {"features": features, "beam": np.array([beam], np.int32)}
    found = onnx_graph(file, whole=True)(feed)
    assert found["captions"].dtype == np.int32
    assert found["captions"].shape == (batch, beam, 6)
    zeros = np.zeros((beam, 12), np.float32)
    for row, said, scores in zip(features, found["captions"], found["scores"], strict=True):
        step = numpy_speaker(model.reader)(row)
        expected, odds = beam_search(step, {"h": zeros, "c": zeros}, beam, 6, model.never)
        possible = odds > -1e8
        np.testing.assert_array_equal(said[possible], expected[possible])
        np.testing.assert_allclose(scores[possible], odds[possible], atol=1e-4)
    assert not (found["captions"][found["scores"] > -1e8] == 8).any()  # <unk> is never said
    assert count(file)["Loop"] == 1


def test_numpy_speaks_as_keras_does(model):
    features = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    words = np.array([0, 3, 5, 8], np.int32)
    state = {s: np.random.default_rng(1).uniform(-1, 1, (4, 12)).astype(np.float32) for s in "hc"}
    keras_says = model.run("step", features=features, past=words[:, None], **state)
    for i, row in enumerate(features):
        one = {name: value[i : i + 1] for name, value in state.items()}
        logits, after = numpy_speaker(model.reader)(row)(words[i : i + 1], one)
        np.testing.assert_allclose(logits, keras_says["logits"][i], atol=1e-5)
        np.testing.assert_allclose(after["c"], keras_says["c_out"][i : i + 1], atol=1e-5)


def test_a_wrong_captioner_is_not_written(model):
    run = onnx_graph(captioner(model.reader, 6, model.never), whole=True)

    def wrong(feed):
        found = run(feed)
        return {**found, "captions": np.where(found["captions"] == 0, 0, 3)}

    def boasting(feed):
        found = run(feed)
        return {**found, "scores": found["scores"] + 0.01}

    with pytest.raises(ParityError, match="graph 'captioner'"):
        prove_captioner(model, wrong, None)
    with pytest.raises(ParityError, match=r"'scores' differs by 0.01 nats from Keras"):
        prove_captioner(model, boasting, None)


@pytest.mark.parametrize(
    ("words", "length"), [(("cat", "<unk>"), 1), (("cat",), 1), (("cat",), 2), (("a", "b"), 1)]
)
@pytest.mark.parametrize("target", ["cpu", "phone"])
def test_fewer_sentences_than_the_beam(words, length, target, tmp_path):
    """A photograph is `cat` or nothing: rows of a beam that are no sentence are compared with nothing."""
    keras.utils.set_random_seed(0)
    config = Config((8, 8, 3), words, length, filters=(4,), features=5, embedding=4, units=3)
    model = Captioning(config)
    rng = np.random.default_rng(0)
    data = rng.random((24, 8, 8, 3), np.float32), rng.integers(1, len(words) + 1, (24, length))
    bundle = open_bundle(export(model, tmp_path / "bundle", data=data, target=target))
    image = np.zeros((8, 8, 3), bundle.tensor("encoder", "image", 4).dtype)
    said = captioning.caption(bundle, image, beam=9)
    plain = [word for word in words if word != "<unk>"]
    assert len({str(sentence) for sentence in said}) == len(said)
    assert len(said) == sum(len(plain) ** n for n in range(length + 1))
    if "<unk>" not in words:
        assert sum(sentence.probability for sentence in said) == pytest.approx(1, abs=1e-5)
    assert main(["check", str(bundle.path)]) == 0


def test_near_ties_are_told(model):
    """Sentences as likely as each other may come out in another order on another device."""
    tied = {"captions": np.ones((1, 3, 6), np.int32), "scores": np.full((1, 3), -2, np.float32)}
    with pytest.warns(
        UserWarning, match="in each of 100 searches two sentences were within 0.001 nats"
    ):
        build_captions._example(model, lambda feed: tied, None)


def test_the_bundle_says_what_keras_says(bundle, model, data):
    assert ("captioner" in bundle.graphs) == (bundle.manifest.target == "cpu")
    assert captioning.read_vocabulary(bundle) == WORDS
    assert all(one.ok for graph in bundle.check().values() for one in graph.values())
    wanted = bundle.tensor("encoder", "image", 4)
    for image in data[0][:6]:
        levels = np.rint(image * 255)
        given = levels.astype(np.uint8) if wanted.dtype == "uint8" else image
        seen = levels / np.float32(255) if wanted.dtype == "uint8" else image
        for beam in (1, 3):
            found = captioning.caption(bundle, given, beam)
            assert str(found[0]) == model.caption(seen[None], beam)[0]
            odds = [sentence.probability for sentence in found]
            assert odds == sorted(odds, reverse=True)
            assert 0 < sum(odds) <= 1


def test_the_verb_reads_any_picture(bundle, model, data, tmp_path, capsys):
    pixels = np.rint(data[0][0] * 255).astype(np.uint8)
    large = Image.fromarray(pixels).resize((64, 40), Image.Resampling.NEAREST)
    exact, photo, palette = (tmp_path / f"{n}.png" for n in ("exact", "photo", "palette"))
    Image.fromarray(pixels).save(exact)
    large.save(photo)
    large.convert("P").save(palette)
    assert main(["caption", str(bundle.path), str(exact)]) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == model.caption(pixels[None] / np.float32(255))[0]
    for path in (photo, palette):
        assert main(["caption", str(bundle.path), str(path), "--beam", "2", "--all"]) == 0
        lines = capsys.readouterr().out.splitlines()[-2:]
        assert len(lines) == 2
        assert float(lines[0].split()[0]) >= float(lines[1].split()[0])


BAD = {
    "a beam of 0": ({"beam": 0}, "beam: expected 1 to 100, received 0"),
    "a beam too wide": ({"beam": 101}, "beam: expected 1 to 100, received 101"),
    "a large image": (
        {"image": np.zeros((9, 8, 3), np.float32)}, r"expected one image .*received \[1, 9, 8, 3\]; scale",
    ),
    "half a beam": ({"beam": 2.5}, "beam: expected 1 to 100, received 2.5"),
    "a batch": ({"image": np.zeros((2, 8, 8, 3), np.float32)}, r"received \[2, 8, 8, 3\]"),
    "no image": ({"image": np.zeros(3, np.float32)}, r"received \[3\]"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "words"), BAD.values(), ids=BAD)
def test_bad_input(bundle, changes, words):
    given = {"image": np.zeros((8, 8, 3), np.float32), "beam": 3, **changes}
    with pytest.raises(InputError, match=words):
        captioning.caption(bundle, **given)


def test_the_verb_says_what_is_wrong(bundle, tmp_path, capsys):
    assert main(["caption", str(bundle.path), str(tmp_path / "none.png")]) == 1
    assert "no file" in (said := capsys.readouterr().err)
    assert said.endswith("none.png\n")  # and no word of other commands
    np.save(tmp_path / "small.npy", np.zeros((1, 4, 4, 3), np.float32))
    assert main(["caption", str(bundle.path), str(tmp_path / "small.npy")]) == 1
    assert "expected one image [8, 8, 3]" in capsys.readouterr().err.replace(
        "[3, 8, 8]", "[8, 8, 3]"
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("red\n", ""), "expected 8 words, a line each; found 7"),
        (lambda text: b"\xff\n" * 8, "no UTF-8 text"),
    ],
)
def test_a_damaged_vocabulary(bundle, monkeypatch, change, words):
    text = "".join(f"{word}\n" for word in WORDS)
    damaged = change(text)
    damaged = damaged if isinstance(damaged, bytes) else damaged.encode()
    monkeypatch.setattr(bundle, "read", lambda name: damaged)
    with pytest.raises(BundleError, match=words):
        captioning.read_vocabulary(bundle)


def test_another_bundle_says_nothing(tmp_path):
    from dimaging_tf.models.autoencoder import Autoencoder
    from dimaging_tf.models.autoencoder import Config as Settings

    model = Autoencoder(Settings((8, 8, 1), code_dim=2))
    other = open_bundle(export(model, tmp_path / "b", data=np.zeros((4, 8, 8, 1), np.float32)))
    with pytest.raises(InputError, match="says nothing about images; export a model that does"):
        captioning.caption(other, np.zeros((8, 8, 1), np.float32))
