"""Explicit densities: likelihoods against closed forms, causality, exact drawing; one row per network."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from helpers.densities import ROWS, SMALL, random_model

from dimaging_tf.density.base import log_likelihood, uniform
from dimaging_tf.density.likelihoods import Bernoulli, Categorical, LogisticMixture
from dimaging_tf.density.likelihoods_integer import IntegerBernoulli, IntegerCategorical
from dimaging_tf.layers.masked import MaskedConv2D
from dimaging_tf.models.pixelcnn import Config, PixelCNN

rows = pytest.mark.parametrize("name", ROWS)


def random_images(model, count: int = 3):
    rng = np.random.default_rng(1)
    image = rng.random((count, *model.config.shape), np.float32)
    return model.prepared(image, np.arange(count) % 3)


def jacobian(model: PixelCNN, image, condition) -> np.ndarray:
    """|d parameters / d image| [pixel, colour, pixel, colour]: one copy of the image for each output."""
    height, width, channels = model.config.shape
    colours, pixels = model.config.colours, height * width
    copies = pixels * colours
    given = None if condition is None else np.repeat(condition[:1], copies, 0)
    with tf.GradientTape() as tape:
        x = tf.constant(np.repeat(image[:1], copies, 0))
        tape.watch(x)
        parameters = tf.reshape(model.parameters(x, given), (copies, pixels, -1, colours))
        mix = np.random.default_rng(0).normal(size=parameters.shape[2]).astype(np.float32)
        mixed = tf.reshape(tf.tensordot(parameters, mix, [2, 0]), (copies, copies))
        total = tf.linalg.trace(mixed)
    found = np.abs(np.asarray(tape.gradient(total, x)))
    return found.reshape(pixels, colours, pixels, channels)


@rows
def test_no_pixel_sees_itself_or_a_later_one(name):
    """A pixel's parameters depend on earlier pixels, and a colour's on earlier colours of its own."""
    model = random_model(ROWS[name])
    image, condition = random_images(model, 1)
    colours = model.config.colours
    found = jacobian(model, image, condition)
    for pixel, colour in np.ndindex(found.shape[:2]):
        assert found[pixel, colour, pixel + 1 :].max(initial=0) == 0
        assert found[pixel, colour, pixel, colour if colours > 1 else 0 :].max() == 0
    for earlier, colour in itertools.combinations(range(colours), 2):
        assert max(found[p, colour, p, earlier] for p in range(len(found))) > 0


@pytest.mark.parametrize(("stacks", "blocks", "missed"), [("gated", 4, 0), ("residual", 1, 3)])
def test_receptive_field(stacks, blocks, missed):
    """Two stacks see every earlier pixel; one stack is blind to what lies to the right above."""
    model = random_model(Config((4, 6, 1), stacks=stacks, **{**SMALL, "blocks": blocks}))
    seen = jacobian(model, *random_images(model, 1))[:, 0, :, 0] > 0
    earlier = 3 * 6 + 1  # of row 3, column 1
    assert earlier - seen[earlier, :earlier].sum() >= missed
    assert missed or seen[earlier, :earlier].all()


def test_a_label_beside_a_condition_is_refused():
    model = random_model(next(r for r in ROWS.values() if getattr(r, "classes", 0)))
    condition = model.default_condition(2, 1)
    words = r"label stands instead of a condition; give one of them. Received: .*\[2, 3\], label=1"
    with pytest.raises(ValueError, match=words):
        model.sample(2, condition=condition, label=1)


@rows
def test_fixed_point_is_the_sequential_sample(name):
    """Pixel after pixel, colour after colour, a whole forward pass each: the naive way."""
    model = random_model(ROWS[name])
    canvas, condition = random_images(model)
    rng = np.random.default_rng(2)
    noise = uniform(rng, (*canvas.shape[:3], model.likelihood.noise))
    mask = (rng.random((*canvas.shape[:3], 1)) < 0.3).astype(np.float32)
    known = {"condition": condition, "canvas": canvas, "mask": mask}
    found = model.sample(len(canvas), noise=noise, **known)
    naive = np.zeros_like(canvas)
    for r, c, k in np.ndindex(*model.config.shape):
        drawn = model.likelihood.draw(model.parameters(naive, condition), noise).numpy()
        naive[:, r, c, k] = np.where(mask[:, r, c, 0] > 0.5, canvas[:, r, c, k], drawn[:, r, c, k])
    # A mixture's value is rounded to a level; the compiled and the eager pass may round apart.
    slack = 1.5 / 255 if model.config.components else 1e-6
    np.testing.assert_allclose(found, naive, atol=slack)


@pytest.mark.parametrize(
    ("name", "size"), [("residual", (2, 3)), ("gated", (3, 2)), ("softmax", (2, 2))]
)
def test_probabilities_of_all_images_sum_to_one(name, size):
    config = ROWS[name]
    levels = config.levels
    model = random_model(Config((*size, 1), levels=levels, stacks=config.stacks, **SMALL))
    symbols = itertools.product(range(levels), repeat=size[0] * size[1])
    images = np.array(list(symbols), np.float32).reshape(-1, *size, 1) / (levels - 1)
    total = tf.reduce_sum(model(images), [1, 2, 3])
    assert float(tf.reduce_sum(tf.exp(total))) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("levels", [2, 4, 256])
def test_uniform_model_costs_the_logarithm_of_the_alphabet(levels):
    model = PixelCNN(Config((4, 4, 1), levels=levels, **SMALL))
    for weight in model.network.weights:
        weight.assign(np.zeros(weight.shape))
    image, _ = random_images(model)
    per_pixel = np.log(levels) if levels == 2 else np.log2(levels)
    expected = per_pixel * (16 if levels == 2 else 1)  # nats an image, bits a dimension
    assert model.score(model.run, image) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("levels", [2, 16, 256])
@pytest.mark.parametrize("channels", [1, 3])
def test_mixture_is_a_distribution(levels, channels):
    """The levels of one colour, given the others, carry all the mass together with the others'."""
    kind = LogisticMixture(channels, 3, levels)
    rng = np.random.default_rng(0)
    parameters = rng.normal(size=(1, 1, 1, kind.count)).astype(np.float32)
    if levels**channels > 5000:
        pytest.skip("256^3 colours are too many to sum over")
    symbols = np.array(list(itertools.product(range(levels), repeat=channels)), np.float32)
    image = (symbols / (levels - 1)).reshape(-1, 1, 1, channels)
    total = np.exp(kind.log_prob(tf.repeat(parameters, len(image), 0), image)).sum()
    assert total == pytest.approx(1, abs=2e-4)


@pytest.mark.parametrize(
    "kind", [Bernoulli(1), Categorical(1, 5), Categorical(3, 3), LogisticMixture(1, 3, 8)], ids=repr
)
def test_draws_follow_the_likelihood(kind):
    """Shares of 40,000 draws against exp(log_prob)."""
    rng = np.random.default_rng(0)
    n = 40_000
    parameters = tf.repeat(rng.normal(size=(1, 1, 1, kind.count)).astype(np.float32), n, 0)
    drawn = kind.draw(parameters, uniform(rng, (n, 1, 1, kind.noise))).numpy()
    images, counts = np.unique(drawn.reshape(n, -1), axis=0, return_counts=True)
    image = images.reshape(-1, 1, 1, kind.channels).astype(np.float32)
    expected = np.exp(kind.log_prob(parameters[: len(image)], image)).reshape(-1)
    np.testing.assert_allclose(counts / n, expected, atol=4 * np.sqrt(0.25 / n))


@pytest.mark.parametrize("kind", [IntegerBernoulli(1), IntegerCategorical(1, 7)], ids=repr)
def test_integer_likelihoods_are_close_to_the_float_ones(kind):
    """Logits in steps of 1/64: the same nats to a few thousandths; draws follow the weights exactly."""
    rng = np.random.default_rng(0)
    logits = np.rint(rng.normal(size=(500, 1, 1, kind.count)) * 128).astype(np.float32)
    image = (rng.integers(0, kind.levels, (500, 1, 1, 1)) / (kind.levels - 1)).astype(np.float32)
    floats = Bernoulli(1) if kind.levels == 2 else Categorical(1, kind.levels)
    weights = kind.weights(logits).numpy()
    assert weights.min() >= 1
    np.testing.assert_array_equal(weights, np.rint(weights))
    expected = floats.log_prob(logits / 64, image).numpy()
    np.testing.assert_allclose(log_likelihood(weights, image), expected, atol=0.002, rtol=0.01)
    noise = uniform(rng, (500, 1, 1, 1))
    cumulated = np.cumsum(weights[..., 0, :].astype(np.float64), -1)
    symbol = (cumulated[..., :-1] <= (noise * cumulated[..., -1:]).astype(np.float32)).sum(-1)
    symbol = symbol if kind.levels > 2 else (noise[..., 0] * 65536 < weights[..., 0, 1]).astype(int)
    np.testing.assert_allclose(
        kind.draw(logits, noise)[..., 0], symbol / (kind.levels - 1), rtol=1e-6
    )


def test_completions_keep_what_is_known():
    model = random_model(ROWS["residual"])
    image = random_images(model)[0][0]
    mask = np.zeros((6, 5, 1), np.float32)
    mask[:3] = 1
    found = model.complete(image, mask, 8)
    assert found.shape == (8, 6, 5, 1)
    np.testing.assert_array_equal(found[:, :3], np.repeat(image[None, :3], 8, 0))
    assert len(np.unique(found.reshape(8, -1), axis=0)) > 1


def test_the_mask_removes_gradients_too():
    layer = MaskedConv2D(2, (3, 3), "A")
    with tf.GradientTape() as tape:
        y = layer(tf.random.stateless_normal((1, 4, 4, 1), (0, 0)))
        total = tf.reduce_sum(y**2)
    gradient = tape.gradient(total, layer.kernel).numpy()
    assert layer.kernel.shape == (2, 3, 1, 2)  # the causal half
    assert np.abs(gradient[1, 1:]).max() == 0
    assert np.abs(gradient[1, 0]).min() > 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stacks": "triple"}, "stacks must be residual or gated. Received: 'triple'"),
        ({"levels": 1}, "levels must be 2 to 256. Received: 1"),
        ({"shape": (8, 8, 3), "filters": 32}, "must be multiples of 3, the colours"),
    ],
)
def test_bad_configurations_are_refused(change, words):
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        Config(**change)


def test_a_mask_must_have_a_name():
    with pytest.raises(ValueError, match="mask one of A, B, above, rows. Received: .*'C'"):
        MaskedConv2D(1, (3, 3), "C")
