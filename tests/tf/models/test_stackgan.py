"""StackGAN: losses against closed forms, the three phases, save and continue, errors."""

import io
import zipfile
from dataclasses import replace

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.fitting import traces_of

from dimaging_tf.data import shapes
from dimaging_tf.data.dataset import to_float
from dimaging_tf.errors import DataError
from dimaging_tf.gan import caption_matching
from dimaging_tf.models.stackgan import Config, StackGAN

SMALL = Config(
    shape=(16, 16, 3), words=shapes.CAPTIONED.words, factor=2, embedding=4, recurrent=6, text_dim=5,
    condition_dim=4, noise_dim=3, encoder=4, generator1=8, generator2=6, discriminator1=4,
    discriminator2=4, matching_steps=3, stage1_steps=3, seed=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def pairs():
    split = shapes.load_shapes(16, train=12, valid=8).train
    return to_float(split.x), split.label


def compiled(config=SMALL, **more):
    keras.utils.set_random_seed(1)
    model = StackGAN(config)
    model.compile(keras.optimizers.Adam(1e-2), **more)
    return model


def fit(model, pairs, epochs):
    """Twelve pictures in fours: an epoch is three steps, one phase of SMALL."""
    return model.fit(*pairs, batch_size=4, shuffle=False, verbose=0, epochs=epochs).history


def parts(model):
    """Weights of what each of the three phases moves."""
    return [
        [w.numpy() for part in group for w in part.weights]
        for group in (
            (model.text_encoder, model.image_encoder),
            (model.stage1.generator, model.stage1.discriminator, model.stage1.average),
            (model.stage2.generator, model.stage2.discriminator, model.stage2.average),
        )
    ]


def moved(before, after):
    return [
        any(not np.array_equal(a, b) for a, b in zip(*both, strict=True))
        for both in zip(before, after, strict=True)
    ]


def test_files_name_the_weights_of_a_stage_as_ever(tmp_path):
    """Keras looks weights up by the class name, so a renamed class would not find those of older files."""
    StackGAN(SMALL).save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        weights = h5py.File(io.BytesIO(archive.read("model.weights.h5")))
    for place in (
        "layers/stage/generator",
        "layers/stage_1/discriminator",
        "layers/stage_1/average",
    ):
        assert place in weights


def test_each_phase_moves_its_own_part(pairs):
    """And each is traced once, whatever the number of steps; creating variables may take a second."""
    model = compiled()
    traces = traces_of(model)
    for phase in range(3):
        traces.clear()
        assert model.steps_to_last_phase() == (6, 3, 0)[phase]
        before = parts(model)
        history = fit(model, pairs, 1)
        assert moved(before, parts(model)) == [phase == k for k in range(3)]
        assert set(history) == {"matching"} | {
            f"stage{k}_{name}" for k in (1, 2) for name in ("d_loss", "g_loss", "d_real", "d_fake")
        }
        assert 0 < len(traces) <= 2
    traces.clear()
    fit(model, pairs, 1)
    assert not traces


def test_save_load_and_continue_equals_no_interruption(pairs, tmp_path):
    """A step of each phase and one more; not traced, for that takes long."""
    config = replace(SMALL, matching_steps=1, stage1_steps=1)

    def step(model, epochs):
        model.fit(*pairs, batch_size=12, shuffle=False, verbose=0, epochs=epochs)

    whole = compiled(config, run_eagerly=True)
    step(whole, 4)
    model = compiled(config, run_eagerly=True)
    step(model, 3)
    model.save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    model.run_eagerly = True
    step(model, 1)
    assert int(model.optimizer.iterations) == 4
    assert [int(stage.optimizer.iterations) for stage in (model.stage1, model.stage2)] == [1, 2]
    for a, b in zip(whole.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_matching_loss_of_two_pairs():
    """Cosines 1 and 0: each picture finds its caption by e^10 against 1."""
    unit = tf.eye(2)
    expected = np.log(1 + np.exp(-caption_matching.SHARPNESS))
    assert float(caption_matching.matching_loss(unit, 3 * unit)) == pytest.approx(
        expected, abs=1e-7
    )
    assert float(caption_matching.matching_loss(unit, tf.reverse(unit, [0]))) == pytest.approx(
        expected + caption_matching.SHARPNESS, rel=1e-5
    )
    np.testing.assert_array_equal(caption_matching.hits(unit, tf.reverse(unit, [0])), [0, 0])
    np.testing.assert_array_equal(caption_matching.hits(unit, unit), [1, 1])


def test_the_wrong_caption_is_a_similar_one_that_says_something_else(monkeypatch):
    texts = tf.constant([[1.0, 0.0], [1.0, 0.1], [1.0, 0.5], [-1.0, 0.0]])
    monkeypatch.setattr(caption_matching, "step_uniform", lambda shape, seed, step: tf.zeros(shape))
    wrong = caption_matching.near_miss(texts, 0, 0).numpy()
    np.testing.assert_array_equal(wrong, texts.numpy()[[2, 2, 1, 2]])


def test_the_condition_pays_its_kl(pairs):
    model = compiled(replace(SMALL, match=0.0, kl=2.0))
    stage, count = model.stage1, 4
    found = 30 * model.text_encoder(pairs[1][:count])["text"]
    noise = tf.zeros((count, stage.noise_size))
    outputs = stage.draw(noise, found)
    mean, log_variance = (outputs[n].numpy() for n in ("mean", "log_variance"))
    kl = 0.5 * np.mean(mean**2 + np.exp(log_variance) - 1 - log_variance)
    assert float(stage.generate(noise, found, False)[1]) == pytest.approx(2 * kl, rel=1e-4)


def test_graphs_take_their_own_examples_and_chain_to_a_picture(pairs):
    model = compiled()
    examples = model.examples(*pairs)
    assert {n: set(x) for n, x in examples.items()} == {
        "text_encoder": {"tokens"},
        "stage1": {"text", "condition_noise", "noise"},
        "stage2": {"low", "text", "condition_noise"},
    }
    image = model.run("stage2", **examples["stage2"])["image"]
    assert image.shape == (12, 16, 16, 3)
    np.testing.assert_allclose(image, model.draw(pairs[1]), atol=1e-6)
    assert model.run("stage1", **examples["stage1"])["low"].shape == (12, 8, 8, 3)
    for name, graph in model.graphs().items():
        assert {t.name for t in graph.inputs} == set(examples[name]) <= set(model.ranges)


def test_imagine_score_and_picture(pairs):
    model = compiled()
    drawn = model.imagine("a small red circle at the top left", 2, seed=3)
    assert drawn.shape == (2, 16, 16, 3)
    np.testing.assert_array_equal(drawn, model.imagine("a small red circle at the top left", 2, 3))
    assert 0 <= model.score(model.run, *pairs) <= 1
    assert model.picture(*pairs).shape == (5, 8, 16, 16, 3)
    assert model.files()["words.txt"].decode().split() == list(SMALL.words)


WRONG = [
    (lambda: Config(shape=(48, 48, 3)), "stackgan: factor and side / factor must be powers of 2"),
    (lambda: Config(shape=(64, 32, 3)), "images must be square"),
    (lambda: Config(factor=3), "Received: 64 x 64, factor 3"),
    (lambda: Config(g_cost="hinge"), "no g_cost 'hinge'"),
    (lambda: StackGAN(SMALL).imagine("a small rad circle"), "unknown word 'rad'"),
    (
        lambda: StackGAN(SMALL).score(StackGAN.run, np.zeros(0)),
        "expected captions, int32 [N, words]",
    ),
]


@pytest.mark.parametrize(("build", "words"), WRONG)
def test_errors_say_what_is_wrong(build, words):
    with pytest.raises(ValueError, match=".") as caught:
        build()
    assert words in str(caught.value)


def test_data_without_captions_or_with_others_is_refused(digits):
    model = StackGAN(SMALL)
    with pytest.raises(DataError, match="digits has no captions, and stackgan learns from them"):
        model.check_data(digits)
    dataset = shapes.load_shapes(16, train=2, valid=1)
    model.check_data(dataset)
    with pytest.raises(DataError, match="the captions of shapes have 2 words, at most 12"):
        model.check_data(replace(dataset, words=("a", "b")))


def test_two_devices_play_the_game_of_one(pairs):
    """A step of each phase; what looks at a batch as a whole sees the whole of it."""
    config = replace(SMALL, matching_steps=1, stage1_steps=1)
    data = tf.data.Dataset.from_tensor_slices(pairs).batch(12)
    devices = [d.name for d in tf.config.list_logical_devices("CPU")]
    both = tf.distribute.MirroredStrategy(devices, tf.distribute.ReductionToOneDevice())
    models, logs = [], []
    # Not traced on one device, for that takes long.
    for strategy, eager in ((tf.distribute.get_strategy(), True), (both, False)):
        with strategy.scope():
            models.append(compiled(config, run_eagerly=eager))
        found = list(models[-1].fit(data, epochs=2, shuffle=False, verbose=0).history.values())
        models[-1].run_eagerly = True  # stage II is traced as stage I
        models[-1].make_train_function(force=True)
        for log in (
            models[-1].fit(data, shuffle=False, verbose=0).history,
            models[-1].evaluate(data, verbose=0, return_dict=True),
        ):
            found += log.values()
        logs.append(np.concatenate([np.ravel(x) for x in found]))
    assert len(devices) == 2
    np.testing.assert_allclose(logs[0], logs[1], rtol=1e-3)
    weights = [np.concatenate([np.ravel(w) for group in parts(m) for w in group]) for m in models]
    np.testing.assert_allclose(weights[0], weights[1], atol=1e-3)
