"""Many to one: what the fixed layer does, members that stay apart, and a class that is found in noise."""

import math

import keras
import numpy as np
import pytest

from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.data.eeg_trials import draw_trials, load_eeg_trials
from dimaging_tf.errors import DataError
from dimaging_tf.models.eeg import EEG, Config
from dimaging_tf.sequence.ensemble import BlockDiagonal, BlockNormal, block_mask
from dimaging_tf.sequence.whitening import whitening

SMALL = Config((12, 3), window=2, baseline=2, late=2, members=3, units=2)


def model_of(config=SMALL):
    keras.utils.set_random_seed(0)
    return EEG(config)


def series(count=40, shape=(12, 3)):
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, *shape)).astype(np.float32), np.arange(count) % 2


def test_whitened_noise_is_white():
    rng = np.random.default_rng(0)
    label = np.arange(4000) % 2
    mixed = rng.normal(size=(4000, 3)) @ rng.normal(size=(3, 3)) + label[:, None] * [3.0, -2.0, 1.0]
    matrix = whitening(mixed[:, None], label, mixed).astype(np.float64)
    white = mixed @ matrix
    rest = white - np.stack([white[label == k].mean(0) for k in (0, 1)])[label]
    covariance = np.cov(rest.T)
    assert white.std() == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(
        covariance / covariance[0, 0], np.eye(3), atol=0.02
    )  # shrunk a little


def test_a_channel_that_never_changes_is_no_division_by_zero():
    x, label = series()
    x[..., 1] = 5.0
    model = model_of()
    model.measure(x, label)
    assert np.isfinite(model.run("eeg", series=x)["logits"]).all()


def test_the_front_whitens_takes_means_and_subtracts_the_baseline():
    x, label = series()
    model = model_of()
    model.measure(x, label)
    matrix = model.members.get_layer("whitening").get_weights()[0]
    windows = (x @ matrix).reshape(len(x), 6, 2, 3).mean(2)
    expected = windows[:, 2:] - windows[:, :2].mean(1, keepdims=True)
    front = keras.Model(model.members.input, model.members.get_layer("without_baseline").output)
    np.testing.assert_allclose(front(x), expected, atol=1e-5)


@pytest.mark.parametrize("scale", [1e-9, 1e-4, 1.0, 1e4, 1e9])
@pytest.mark.parametrize("shared", [True, False])
def test_a_channel_in_another_unit_hides_no_other(scale, shared):
    """Shrinking adds the mean variance to all channels, which drowned those of a smaller unit."""
    rng = np.random.default_rng(0)
    label = np.arange(200) % 2
    noise = rng.normal(size=(200, 3)) + label[:, None] * [2.0, 0.0, 0.0]
    unit = np.array([scale, scale, scale if shared else 1.0])
    white = (noise * unit) @ whitening((noise * unit)[:, None], label, noise * unit)
    apart = white[label == 1].mean(0) - white[label == 0].mean(0)
    spread = np.concatenate([white[label == k] - white[label == k].mean(0) for k in (0, 1)])
    assert np.linalg.norm(apart) > 1.8 * spread.std(0).max()
    assert spread.std(0).min() > 0.8 * spread.std(0).max()


def test_series_without_noise_are_only_scaled():
    label = np.arange(8) % 2
    series = np.repeat(label[:, None, None] * 3.0, 4, 1) + np.zeros((8, 4, 2))
    matrix = whitening(series, label, series.mean(1))
    np.testing.assert_allclose(matrix, np.eye(2) / 1.5, rtol=1e-6)
    np.testing.assert_array_equal(whitening(0 * series, label, 0 * series[:, 0]), np.eye(2))


def test_whitening_does_not_train_and_members_stay_apart():
    x, label = series()
    model = model_of()
    model.measure(x, label)
    fixed = model.members.get_layer("whitening").get_weights()[0]
    model.compile(keras.optimizers.Adam(100.0, epsilon=100.0, beta_2=0.0))
    model.fit(x, label, batch_size=20, epochs=3, verbose=0)
    np.testing.assert_array_equal(model.members.get_layer("whitening").get_weights()[0], fixed)
    kernel, recurrent, _ = model.members.get_layer("members").get_weights()
    for weight, gates in ((kernel, 3), (recurrent, 3)):
        outside = block_mask(weight.shape, 3, gates) == 0
        assert outside.sum() == weight.size * 2 / 3
        assert not weight[outside].any()
        assert weight[~outside].all()


def test_a_member_alone_is_the_same_network():
    """The answers of a member depend on its own filters and on no other's."""
    x, _ = series()
    model = model_of()
    before = np.asarray(model.members(x))
    filters = model.members.get_layer("filters")
    changed = filters.get_weights()[0]
    changed[:, 2:4] += 1  # of the second member
    filters.set_weights([changed])
    after = np.asarray(model.members(x))
    differs = np.abs(after - before).max((0, 2)) > 1e-6
    np.testing.assert_array_equal(differs, [False, True, False])


def test_it_finds_the_hand():
    trials = load_eeg_trials()
    keras.utils.set_random_seed(0)
    model = EEG(Config())
    model.measure(trials.train.x, trials.train.label)
    model.compile(keras.optimizers.Adam(100.0, epsilon=100.0, beta_2=0.0))
    model.fit(trials.train.x, np.asarray(trials.train.label), batch_size=100, epochs=20, verbose=0)
    assert model.score(model.run, trials.valid.x, trials.valid.label) > 75


def test_trials_are_a_function_of_the_seed():
    x, label = draw_trials(6, np.random.default_rng(3))
    again, same = draw_trials(6, np.random.default_rng(3))
    np.testing.assert_array_equal(x, again)
    np.testing.assert_array_equal(label, same)
    assert (x.shape, sorted(label)) == ((6, 50, 28), [0, 0, 0, 1, 1, 1])


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Config(members=0), "members, filters and units are at least 1"),
        *(
            (
                lambda changes=changes: Config(**changes),
                "noise is in [0, 1], smoothing in [0, 1), decay finite",
            )
            for changes in (
                {"noise": -0.1},
                {"noise": 1.1},
                {"noise": math.nan},
                {"smoothing": 1.0},
                {"smoothing": math.nan},
                {"decay": -1.0},
                {"decay": math.inf},
            )
        ),
        (lambda: Config((12, 3), window=5), "need 45 steps, in windows of 5. Received: 12"),
        (lambda: Config(names=("left",)), "as many as the 2 classes, or none. Received: 1"),
        (lambda: block_mask((4, 6), 2, 2), "4 x 6 cannot be shared out among 2 members of 2 gates"),
        (lambda: model_of().measure(series()[0], None), "measure needs the labels"),
        (
            lambda: model_of().score(lambda graph, inputs: {}, series()[0]),
            "the accuracy needs labels",
        ),
    ],
)
def test_wrong_settings(build, words):
    with pytest.raises(ValueError, match=".") as error:
        build()
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (None, "has no labels. Put the recordings of each class into a folder of their own"),
        (np.zeros((4, 12), np.int32), "has one a step"),
        (np.array([0, 1, 2, 1], np.int32), "reach from 0 to 2; expected 0 to 1"),
        (np.zeros(4, np.int32), "all training series of mine have one label"),
    ],
)
def test_data_that_it_cannot_learn_from(label, words):
    split = Split(series(4)[0], label, "series")
    with pytest.raises(DataError) as error:
        model_of().check_data(Dataset("mine", split, split, "", "", ""))
    assert words in str(error.value)


def test_pieces_of_the_ensemble_are_rebuilt_from_their_configuration():
    for one in (BlockDiagonal(3, 2), BlockNormal(3, 2)):
        assert type(one).from_config(one.get_config()).get_config() == one.get_config()
