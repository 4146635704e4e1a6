"""The training of a GAN: who moves whose weights, the average, resuming, words."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.gans import SMALL, TINY, images, j_d, started, sure

from dimaging_tf.errors import DataError
from dimaging_tf.evaluation import metrics
from dimaging_tf.gan import losses
from dimaging_tf.gan.base import GANBase, GANConfig
from dimaging_tf.models.dcgan import DCGAN
from dimaging_tf.models.dcgan import Config as DCGANConfig
from dimaging_tf.models.gan import GAN, Config
from dimaging_tf.training.steps import step_normal

GAMES = {
    "plain": lambda: GAN(Config(**TINY)),
    "minimax": lambda: GAN(Config(**TINY, g_cost="minimax", label_smoothing=0.1)),
    "told": lambda: GAN(Config(**TINY, classes=3)),
    "r1": lambda: GAN(Config(**TINY, gradient_penalty=2.0)),
    "wgan-gp": lambda: GAN(Config(**TINY, gradient_penalty=2.0, penalty="wgan-gp")),
    "spectral": lambda: GAN(Config(**TINY, spectral_normalisation=True)),
    "dcgan": lambda: DCGAN(DCGANConfig(**SMALL, width=4)),
    "dcgan of 3x3": lambda: DCGAN(DCGANConfig(**SMALL, width=4, kernel=3)),
    "dcgan told": lambda: DCGAN(DCGANConfig(**SMALL, width=4, classes=3)),
    "batch norm": lambda: DCGAN(DCGANConfig(**SMALL, width=4, d_batch_norm=True)),
    "noise": lambda: GAN(Config(**TINY, instance_noise=0.3)),
}  # fmt: skip


def by_definition(model, image, label):
    """Gradients of both losses, each with passes of its own."""
    image = tf.constant(image)
    rules, condition = model.config, model.condition_of(label)
    noise = step_normal(tf.constant([len(image), 5]), rules.seed, 0)
    at = tf.random.stateless_uniform([len(image)], (rules.seed + 1, 0))

    image = model._noisy(image, rules.seed + 4, 0)

    def logits(fake):
        fake = model._noisy(fake, rules.seed + 2, 0)
        apart = [model.discriminate(x, condition, training=True) for x in (image, fake)]
        return [tf.reshape(x, [-1]) for x in apart]

    with tf.GradientTape() as tape:
        fake = tf.stop_gradient(model.generate(noise, condition, training=True)[0])
        loss = losses.discriminator_loss(*logits(fake), smoothing=rules.label_smoothing)
        if rules.gradient_penalty:
            see = lambda x: tf.reshape(model.discriminate(x, condition, training=True), [-1])  # noqa: E731
            loss += rules.gradient_penalty * losses.gradient_penalty(
                rules.penalty, see, image, fake, at
            )
    d_gradients = tape.gradient(loss, model.d_variables)
    with tf.GradientTape() as tape:
        fake = model.generate(noise, condition, training=True)[0]
        loss = losses.generator_loss(rules.g_cost, *logits(fake), smoothing=rules.label_smoothing)
    return d_gradients, tape.gradient(loss, model.g_variables)


@pytest.mark.parametrize("game", GAMES)
def test_a_step_goes_down_both_costs_at_once(game):
    """Plain gradient descent of rate 1: the change of the weights is the gradient, by the definition."""
    model = started(GAMES[game])
    data = images(classes=model.config.classes)
    gradients = by_definition(model, data[0], data[1] if len(data) > 1 else None)
    before = [[v.numpy() for v in player] for player in (model.d_variables, model.g_variables)]
    model.train_step(data if len(data) > 1 else data[0])
    for player, old, expected in zip(
        (model.d_variables, model.g_variables), before, gradients, strict=True
    ):
        for variable, start, gradient in zip(player, old, expected, strict=True):
            np.testing.assert_allclose(start - variable.numpy(), gradient, rtol=2e-3, atol=2e-6)


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("mover", ["discriminator", "generator"])
def test_a_players_step_moves_its_weights_alone(game, mover):
    model = started(GAMES[game], d=float(mover == "discriminator"), g=float(mover == "generator"))
    before = {n: getattr(model, n).get_weights() for n in ("discriminator", "generator")}
    trained = {n: len(getattr(model, n).trainable_weights) for n in before}
    data = images(classes=model.config.classes)
    model.train_step(data if len(data) > 1 else data[0])
    for name, old in before.items():
        network = getattr(model, name)
        moved = [
            not np.array_equal(a, w.numpy())
            for a, w in zip(old, network.weights, strict=True)
            if w.trainable
        ]
        assert len(moved) == trained[name]
        assert all(moved) if name == mover else not any(moved)


def test_the_discriminator_sees_images_under_noise_of_many_sizes():
    """Deviations are log-uniform from 1 % of the largest; each step, real and generated, has its own noise."""
    model = started(lambda: GAN(Config(**TINY, instance_noise=2.0)))
    image = tf.ones([2000, 8, 8, 1])
    noise = [np.subtract(model._noisy(image, *at), image) for at in ((2, 0), (2, 1), (4, 0))]
    found = np.sort(np.log(noise[0].std((1, 2, 3)) / 2) / np.log(0.01))
    np.testing.assert_allclose(found, np.linspace(0, 1, 2000), atol=0.07)
    together = np.corrcoef([x.ravel() for x in noise]) - np.eye(3)
    assert np.abs(together).max() < 0.01
    before = [v.numpy() for v in model.g_variables]
    model.train_step(images()[0])
    assert all(np.any(a != v.numpy()) for a, v in zip(before, model.g_variables, strict=True))
    plain = started(lambda: GAN(Config(**TINY)))
    assert plain._noisy(image, 2, 0) is image


def test_wrong_pairs_count_half_of_the_generated():
    class Told(GAN):
        def wrong_condition(self, condition, step):
            return tf.roll(condition, 1, 0)

    model = started(lambda: Told(Config(**TINY, classes=3)), g=0.0)
    image, label = map(tf.constant, images(classes=3))
    condition = model.condition_of(label)
    noise = step_normal(tf.constant([10, 5]), 0, 0)
    fake, _ = model.generate(noise, condition, training=True)
    parts = [(image, condition), (fake, condition), (image, tf.roll(condition, 1, 0))]
    real, made, wrong = (np.ravel(model.discriminate(*part, training=True)) for part in parts)
    found = model.train_step((image, label))
    assert float(found["d_loss"]) == pytest.approx(j_d(real, made, 0, wrong), rel=1e-5)
    assert float(found["d_real"]) == pytest.approx(sure(real).mean(), rel=1e-5)
    assert float(found["d_fake"]) == pytest.approx(sure(made).mean(), rel=1e-5)


def test_the_average_follows_the_generator():
    model = started(lambda: GAN(Config(**TINY, ema=0.5)))
    expected = model.generator.get_weights()
    for step in range(3):
        model.train_step(images()[0])
        decay = min(0.5, (1 + step) / (10 + step))
        now = model.generator.get_weights()
        expected = [decay * a + (1 - decay) * b for a, b in zip(expected, now, strict=True)]
    for found, wanted in zip(model.average.get_weights(), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)
    assert model.graphs()["generator"] is model.average
    plain = GAN(Config(**TINY, ema=0.0))
    assert plain.average is None
    assert plain.graphs()["generator"] is plain.generator


@pytest.mark.parametrize("game", ["plain", "told", "batch norm"])
def test_save_load_and_continue_with_both_optimizers(game, tmp_path):
    def fit(model, epochs):
        data = images(12, model.config.classes)
        model.fit(*data, epochs=epochs, batch_size=4, shuffle=False, verbose=0)

    whole, part = (started(GAMES[game], 1e-2, 3e-3, keras.optimizers.Adam) for _ in range(2))
    fit(whole, 2)
    fit(part, 1)
    part.save(tmp_path / "game.keras")
    again = keras.saving.load_model(tmp_path / "game.keras")
    rates = [float(x.learning_rate) for x in (again.d_optimizer, again.optimizer)]
    assert rates == pytest.approx([1e-2, 3e-3])
    fit(again, 1)
    pairs = [
        (whole, again),
        (whole.d_optimizer, again.d_optimizer),
        (whole.optimizer, again.optimizer),
    ]
    for a, b in pairs:
        for x, y in zip(a.variables, b.variables, strict=True):
            np.testing.assert_array_equal(x.numpy(), y.numpy(), err_msg=x.path)
    assert int(again.optimizer.iterations) == int(again.d_optimizer.iterations) == 6


def test_a_game_without_optimizers_is_saved_too(tmp_path):
    model = GAN(Config(**TINY))
    model.save(tmp_path / "game.keras")
    again = keras.saving.load_model(tmp_path / "game.keras")
    np.testing.assert_array_equal(again.sample(2), model.sample(2))


def test_one_optimizer_serves_as_the_model_of_both():
    model = GAN(Config(**TINY))
    model.compile(optimizer=keras.optimizers.Adam(3e-3, beta_1=0.5))
    assert model.d_optimizer is not model.optimizer
    assert model.d_optimizer.get_config() == model.optimizer.get_config()
    assert model.optimizers == [model.d_optimizer, model.optimizer]


@pytest.mark.parametrize(
    "rate", [1e-2, keras.optimizers.schedules.CosineDecay(0.0, 100, 0.0, "c", 1e-2, 10)]
)
def test_two_time_scales(rate, tmp_path):
    """The discriminator's rate is a share of the generator's, in a schedule and after loading too."""
    model = GAN(Config(**TINY, d_rate=0.25))
    model.compile(optimizer=keras.optimizers.Adam(rate))
    model.fit(*images(), batch_size=2, verbose=0)
    model.save(tmp_path / "game.keras")
    for game in (model, keras.saving.load_model(tmp_path / "game.keras")):
        d, g = (float(x.learning_rate) for x in game.optimizers)
        assert d == pytest.approx(0.25 * g)
        assert g > 0
    if rate == 1e-2:
        model.set_learning_rate(2e-3)
        assert [float(x.learning_rate) for x in model.optimizers] == pytest.approx([5e-4, 2e-3])


def test_mirrored_over_two_devices_is_the_same_game():
    def trained(strategy):
        keras.utils.set_random_seed(1)
        with strategy.scope():
            model = GAN(Config(**TINY))  # with batch normalisation
            model.compile(keras.optimizers.SGD(0.1))
        data = tf.data.Dataset.from_tensor_slices(images(16)[0]).batch(8)
        model.fit(data, epochs=2, shuffle=False, verbose=0)
        return model.get_weights()

    devices = [d.name for d in tf.config.list_logical_devices("CPU")]
    both = tf.distribute.MirroredStrategy(devices, tf.distribute.ReductionToOneDevice())
    for a, b in zip(trained(tf.distribute.get_strategy()), trained(both), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_frechet_distance_of_gaussians():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((20_000, 3))
    assert metrics.frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert metrics.frechet_distance(a + np.array([1, 2, 0]), a) == pytest.approx(5, rel=1e-6)
    # Diagonal covariances: sum of (difference of the deviations)^2.
    assert metrics.frechet_distance(a * [1, 3, 2], a) == pytest.approx(4 + 1, rel=0.05)


class Bare(GANBase):
    """No more than the game asks for."""

    def __init__(self):
        super().__init__(name="bare")
        self.config = GANConfig(ema=0.0)
        z, image = keras.Input((3,), name="z"), keras.Input((2,), name="image")
        self.generator = keras.Model(z, {"image": keras.layers.Dense(2)(z)})
        self.discriminator = keras.Model(image, {"logit": keras.layers.Dense(1)(image)})
        self.set_up_training()

    @property
    def noise_size(self) -> int:
        return 3


def test_a_bare_game_trains():
    game = started(Bare, 0.1, 0.1)
    history = game.fit(np.ones((8, 2), np.float32), batch_size=4, verbose=0)
    assert set(history.history) == {"d_loss", "g_loss", "d_real", "d_fake"}


class Few:
    name, classes, unlabelled = "digits", (), ""

    class train:
        x, label, label_kind = np.zeros((60, 8, 8, 1)), np.arange(60), "example"

    valid = train


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: GANConfig(g_cost="minmax"), "no g_cost 'minmax'; did you mean 'minimax'?"),
        (lambda: GANConfig(penalty="r2"), "no penalty 'r2'; did you mean 'r1'? known: r1, wgan-gp"),
        (
            lambda: GANConfig(label_smoothing=0.5),
            "label_smoothing must be in [0, 0.5). Received: 0.5",
        ),
        (lambda: GANConfig(ema=1.0), "ema must be in [0, 1). Received: 1.0"),
        (lambda: GANConfig(d_rate=0.0), "d_rate must be more than 0. Received: 0.0"),
        (
            lambda: GANConfig(instance_noise=-1.0),
            "instance_noise must be 0 or more. Received: -1.0",
        ),
        (
            lambda: GANConfig(gradient_penalty=-1.0),
            "gradient_penalty must be 0 or more. Received: -1.0",
        ),
        (lambda: Bare().compile(), "bare: each player needs an optimizer: compile(d_optimizer="),
        (
            lambda: Bare().compile(
                **dict.fromkeys(("d_optimizer", "g_optimizer"), keras.optimizers.Adam())
            ),
            "each player needs an optimizer of its own. Received the same one twice",
        ),
        (
            lambda: GAN().check_batch(Few, 64),
            "digits has 60 training images, fewer than the 64 of one batch",
        ),
        (
            lambda: GAN(Config(**TINY, classes=10)).check_data(Few),
            "the labels of digits reach from 0 to 59; expected 0 to 9. Number the classes 0, 1, 2, ..., or --set classes=60",
        ),
    ],
)
def test_errors_say_what_is_wrong(build, words):
    with pytest.raises((ValueError, DataError)) as error:
        build()
    assert words in str(error.value)
