"""The PixelRNN against the chain rule, against its paper's equations pixel by pixel, and against naive drawing."""

import itertools
import re
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit

from dimaging_tf.layers.recurrent2d import DiagonalLSTM, RowLSTM, skew, unskew
from dimaging_tf.models.pixelrnn import Config, PixelRNN

SMALL: dict[str, Any] = {"filters": 6, "head": 30, "entry": 3}
CONFIGS = {
    "row": Config((4, 5, 1), **SMALL),
    "diagonal": Config((4, 5, 1), kind="diagonal", layers=1, **SMALL),
    "row_colour": Config((3, 3, 3), levels=4, layers=1, **SMALL),
    "diagonal_colour": Config((3, 3, 3), levels=4, kind="diagonal", layers=1, **SMALL),
    "row_mixture": Config((3, 3, 3), levels=256, components=2, layers=1, **SMALL),
    "row_told": Config((3, 4, 1), classes=3, layers=1, position=False, **SMALL),
}
configs = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
kinds = pytest.mark.parametrize("kind", ["row", "diagonal"])


def randomised(weights, scale=0.4):
    for i, weight in enumerate(weights):
        weight.assign(scale * np.random.default_rng(i).normal(size=weight.shape))


def make(config):
    model = PixelRNN(config)
    randomised(model.network.weights)
    return model


def one_hot(config, n):
    return np.eye(3, dtype=np.float32)[np.arange(n) % 3] if config.classes else None


def seen(model):
    """[pixels, colours out, pixels, colours in]: does this parameter depend on that number?"""
    height, width, colours = model.config.shape
    image = tf.constant(np.random.default_rng(1).random((1, height, width, colours), np.float32))
    with tf.GradientTape() as tape:
        tape.watch(image)
        parameters = model.parameters(image, one_hot(model.config, 1))
    jacobian = np.asarray(tape.jacobian(parameters, image)) != 0
    jacobian = jacobian.reshape(height * width, -1, model.config.colours, height * width, colours)
    return jacobian.any(1)


@configs
def test_nothing_depends_on_itself_or_on_what_comes_later(config):
    found = seen(make(config))
    pixels, colours = found.shape[:2]
    later = np.triu(np.ones((pixels, pixels), bool), 1)[:, None, :, None]
    assert not (found & later).any()
    own = found[np.arange(pixels), :, np.arange(pixels)]
    assert not np.triu(own).any() if colours > 1 else not own.any()
    if colours > 1:
        assert own[:, np.tri(colours, k=-1, dtype=bool)].all()


def triangle(up, right, column, width):
    """One layer of a row LSTM over an entry of 3x3."""
    return -(up + 1) <= right <= up


def everything(up, right, column, width):
    """The last pixel of the row above has no pixel to its right whose state could bring it."""
    return up != 1 or column + right < width - 1 or column >= width - 2


@pytest.mark.parametrize(
    ("kind", "field"), [("row", triangle), ("diagonal", everything)], ids=["row", "diagonal"]
)
def test_every_earlier_pixel_of_the_receptive_field_counts(kind, field):
    height, width = 4, 5
    config = Config((height, width, 1), kind=kind, layers=1, kernel=1, filters=8, entry=3)
    found = seen(make(config)).reshape(height, width, height, width)
    for r, c, q, d in np.ndindex(found.shape):
        expected = (q, d) < (r, c) and field(r - q, d - c, c, width)
        assert found[r, c, q, d] == expected, (r, c, q, d)


def reference(layer, gates, before):
    """Equation (3), pixel by pixel; before(r, c) -> the places whose h comes in, and that of c."""
    batch, height, width, _ = gates.shape
    h, cell = np.zeros((2, batch, height + 1, width + 2, layer.filters))
    kernel = np.asarray(layer.kernel, np.float64)
    for r, c in np.ndindex(height, width):
        places, own = before(r, c)
        total = gates[:, r, c].copy()
        for (i, j), taps in zip(places, kernel, strict=True):
            total += h[:, i + 1, j + 1] @ taps
        o, f, i, g = np.split(total, 4, -1)
        cell[:, r + 1, c + 1] = expit(f) * cell[:, own[0] + 1, own[1] + 1] + expit(i) * np.tanh(g)
        h[:, r + 1, c + 1] = expit(o) * np.tanh(cell[:, r + 1, c + 1])
    return h[:, 1:, 1:-1]


def above_three(r, c):
    return [(r - 1, c - 1), (r - 1, c), (r - 1, c + 1)], (r - 1, c)


def above_and_left(r, c):
    return [(r - 1, c), (r, c - 1)], (r, c - 1)


@pytest.mark.parametrize(
    ("layer", "before"),
    [(RowLSTM(3, 5), above_three), (DiagonalLSTM(3), above_and_left)],
    ids=["row", "diagonal"],
)
def test_a_layer_is_equation_3(layer, before):
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 6)).astype(np.float32)
    layer(x)
    randomised(layer.weights)
    expected = reference(layer, np.asarray(layer.input_to_state(x), np.float64), before)
    np.testing.assert_allclose(layer(x), expected, atol=1e-6)


def test_the_right_direction_is_the_mirror_image_one_row_down():
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 6)).astype(np.float32)
    left, right = DiagonalLSTM(3, "left"), DiagonalLSTM(3, "right")
    for layer in (left, right):
        layer(x)
    randomised(left.weights)
    right.set_weights(left.get_weights())
    mirrored = np.asarray(left(x[:, :, ::-1]))[:, :, ::-1]
    np.testing.assert_allclose(right(x)[:, 1:], mirrored[:, :-1], atol=1e-6)
    assert not np.asarray(right(x))[:, 0].any()


def test_skewing_moves_row_r_by_r_places():
    x = np.arange(1.0, 13.0, dtype=np.float32).reshape(1, 3, 4, 1)
    skewed = np.asarray(skew(x))[0, :, :, 0]
    expected = [[1, 2, 3, 4, 0, 0], [0, 5, 6, 7, 8, 0], [0, 0, 9, 10, 11, 12]]
    np.testing.assert_array_equal(skewed, expected)
    np.testing.assert_array_equal(unskew(skew(x), 4), x)


@kinds
def test_all_images_together_have_the_probability_1(kind):
    images = np.array(list(itertools.product([0.0, 1.0], repeat=9)), np.float32)
    model = make(Config((3, 3, 1), kind=kind, **SMALL))
    found = np.asarray(model(images.reshape(-1, 3, 3, 1)), np.float64).sum((1, 2, 3))
    assert np.exp(found).sum() == pytest.approx(1, abs=1e-5)
    assert np.ptp(found) > 1


@configs
def test_drawing_at_once_is_drawing_one_by_one(config):
    model, (height, width, _) = make(config), config.shape
    noise = np.random.default_rng(0).random((2, height, width, model.likelihood.noise), np.float32)
    drawn = model.sample(2, noise=noise, condition=one_hot(config, 2))
    naive = np.zeros_like(drawn)
    for place in np.ndindex(config.shape):
        found = model.likelihood.draw(model.parameters(naive, one_hot(config, 2)), noise).numpy()
        naive[(slice(None), *place)] = found[(slice(None), *place)]
    np.testing.assert_allclose(drawn, naive, atol=1e-6)
    assert len(np.unique(drawn)) > 1


@kinds
def test_saved_and_loaded_it_is_the_same(kind, tmp_path):
    model = make(CONFIGS[kind])
    image = np.random.default_rng(0).integers(0, 2, (2, 4, 5, 1)).astype(np.float32)
    model.save(tmp_path / "rnn.keras")
    again = keras.models.load_model(tmp_path / "rnn.keras")
    assert again.config == model.config
    np.testing.assert_array_equal(again(image), model(image))


@pytest.mark.parametrize("layer", [RowLSTM(4, 5, "A", 2), DiagonalLSTM(4, "right", "B")])
def test_a_layer_comes_back_from_its_configuration(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert layer.compute_output_shape((None, 5, 6, 2)) == (None, 5, 6, 4)


@kinds
def test_fit_learns_a_stripe_in_one_trace(kind):
    keras.utils.set_random_seed(0)
    image = np.zeros((60, 3, 3, 1), np.float32)
    image[np.arange(60), :, np.arange(60) % 3] = 1  # one of three columns: log 3 nats
    model = PixelRNN(Config((3, 3, 1), kind=kind, filters=8, layers=1, entry=3, head=8))
    model.compile(keras.optimizers.Adam(0.03))
    traces, step = [], model.train_step
    model.train_step = lambda data: (traces.append(1), step(data))[1]
    history = model.fit(image, batch_size=20, epochs=25, verbose=0).history["loss"]
    assert len(traces) == 1
    assert np.log(3) <= history[-1] < np.log(3) + 0.3


ERRORS = [
    (lambda: Config(kind="column"), "kind must be row or diagonal. Received: 'column'"),
    (lambda: Config(levels=1), "levels must be 2 to 256. Received: 1"),
    (lambda: Config((4, 4, 3)), "filters and head must be multiples of 3"),
    (lambda: RowLSTM(4, mask="rows"), "mask must be A or B and filters a multiple of groups"),
    (lambda: RowLSTM(4, groups=3), "Received: mask='B', filters=4, groups=3"),
    (lambda: RowLSTM(4)(keras.Input((None, 5, 2))), "height and width must be known"),
    (lambda: DiagonalLSTM(4, "up"), "direction must be left or right. Received: 'up'"),
]


@pytest.mark.parametrize(("make_it", "words"), ERRORS)
def test_wrong_settings_are_named(make_it, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        make_it()
