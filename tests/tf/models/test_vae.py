"""The VAE's losses against closed forms."""

import keras
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from dimaging_tf.evaluation import metrics
from dimaging_tf.latent.sampler import fit_gaussian
from dimaging_tf.models.vae import VAE, Config
from dimaging_tf.models.vae_faces import Config as FaceConfig
from dimaging_tf.models.vae_faces import FaceVAE


def test_kl_against_the_closed_form():
    mean, log_variance = np.array([[0.0, 0.0], [1.0, -2.0]]), np.array([[0.0, 0.0], [0.5, -1.0]])
    by_hand = 0.5 * ((1 + np.exp(0.5) - 1 - 0.5) + (4 + np.exp(-1) - 1 + 1))
    np.testing.assert_allclose(metrics.gaussian_kl(mean, log_variance), [0, by_hand], atol=1e-12)


def test_bernoulli_of_a_fair_coin_is_log_2_per_pixel():
    image = np.random.default_rng(0).integers(0, 2, (3, 4, 4, 1))
    np.testing.assert_allclose(
        metrics.bernoulli_nll(np.full(image.shape, 0.5), image), 16 * np.log(2)
    )


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_training_loss_is_the_metric(likelihood):
    """The loss that fit minimises equals the float64 figure computed from the exported graphs' outputs."""
    model = VAE(Config((4, 4, 1), 3, (8,), likelihood, sigma=0.3))
    # Means well inside [0, 1]: the exported decoder clips a Gaussian's mean.
    model.decoder.set_weights(
        [0.1 * w for w in model.decoder.get_weights()[:-1]] + [np.full(16, 0.5)]
    )
    image = np.random.default_rng(0).random((5, 4, 4, 1), np.float32)
    noise = np.random.default_rng(7).standard_normal((5, 3), np.float32)
    reconstruction, kl = model.losses_of(image, noise)
    score = model.score(model.run, image, seed=7)
    assert float(np.mean(reconstruction + kl)) == pytest.approx(score, rel=1e-5)


@pytest.mark.parametrize("shape", [(32, 32, 1), (64, 64, 3)])
def test_the_convolutional_network_halves_and_doubles(shape):
    model = VAE(Config(shape, 5, (7,), channels=(4, 6, 8)))
    small = shape[0] // 8
    maps = [layer.output.shape[1:] for layer in model.encoder.layers if "conv" in layer.name]
    assert maps == [(small * 4, small * 4, 4), (small * 2, small * 2, 6), (small, small, 8)]
    wide = [layer.output.shape[1:] for layer in model.decoder.layers if "conv" in layer.name]
    assert wide == [(small * 2, small * 2, 6), (small * 4, small * 4, 4), shape]
    assert model.sample(2).shape == (2, *shape)


def test_a_network_without_channels_is_the_dense_one():
    """Files and seeds of before stay valid: the same layers in the same order."""
    model = VAE(Config((4, 4, 1), 3, (8,)))
    shapes = [w.shape for w in model.get_weights()]
    dense = [(16, 8), (8,), (8, 3), (3,), (8, 3), (3,), (3, 8), (8,), (8, 16), (16,)]
    assert shapes == dense


def test_faces_are_judged_by_psnr():
    model = FaceVAE(FaceConfig((8, 8, 1), 3, channels=(4,)))
    image = np.random.default_rng(0).random((5, 8, 8, 1), np.float32)
    again = np.clip(np.asarray(model(image)), 0, 1)
    assert model.score(model.run, image) == pytest.approx(metrics.psnr(again, image), rel=1e-5)


def test_the_seed_draws_the_training_noise():
    image = np.random.default_rng(0).random((5, 4, 4, 1), np.float32)

    def trained(seed):
        keras.utils.set_random_seed(0)  # equal weights to start from
        model = VAE(Config((4, 4, 1), 3, (8,), seed=seed))
        model.compile(keras.optimizers.SGD(0.01))
        model.fit(image, batch_size=5, epochs=2, shuffle=False, verbose=0)
        return model.decoder.get_weights()[-1]

    np.testing.assert_array_equal(trained(1), trained(1))
    assert not np.array_equal(trained(1), trained(2))


def test_importance_weighted_bound_is_the_likelihood_where_the_posterior_is_exact():
    """Linear decoder with orthogonal rows: p(x) = N(b, W'W + sigma^2) and q can be the posterior itself."""
    sigma = 0.5
    model = VAE(Config((2, 2, 1), 2, (), "gaussian", sigma))
    weight = np.array([[0.6, -0.2, 0.0, 0.3], [0.2, 0.6, 0.5, 0.0]])
    bias = np.array([0.1, -0.3, 0.2, 0.0])
    variance = 1 / (1 + (weight**2).sum(1) / sigma**2)
    gain = (weight * variance[:, None] / sigma**2).T
    model.decoder.set_weights([weight, bias])
    model.encoder.get_layer("mean").set_weights([gain, -bias @ gain])
    model.encoder.get_layer("log_variance").set_weights([np.zeros((4, 2)), np.log(variance)])
    image = np.random.default_rng(0).normal(0, 1, (6, 2, 2, 1)).astype(np.float32)
    covariance = weight.T @ weight + sigma**2 * np.eye(4)
    exact = multivariate_normal(bias, covariance).logpdf(image.reshape(6, 4))
    for samples in (1, 10):
        np.testing.assert_allclose(
            model.importance_weighted_bound(image, samples), exact, atol=1e-4
        )


def test_importance_weighted_bound_tightens_with_samples():
    model = VAE(Config((4, 4, 1), 3, (8,)))
    image = np.random.default_rng(0).random((20, 4, 4, 1), np.float32)
    bounds = [float(np.mean(model.importance_weighted_bound(image, k))) for k in (1, 10, 100)]
    assert bounds == sorted(bounds)


def test_samples_are_images_and_reproducible():
    model = VAE(Config((4, 4, 1), 3, (8,)))
    drawn = model.sample(5, seed=1)
    assert drawn.shape == (5, 4, 4, 1)
    np.testing.assert_array_equal(drawn, model.sample(5, seed=1))
    assert not np.array_equal(drawn, model.sample(5, seed=2))


def test_the_gaussian_of_the_aggregate_posterior():
    """Posteriors N(m_i, v_i) of two images: the mixture's mean and covariance, by hand."""
    mean = np.array([[1.0, 0.0], [-1.0, 0.0]])
    log_variance = np.log(np.array([[0.5, 2.0], [1.5, 4.0]]))
    centre, factor = fit_gaussian(mean, log_variance)
    np.testing.assert_allclose(centre, [0, 0], atol=1e-7)
    np.testing.assert_allclose(factor @ factor.T, [[1 + 1, 0], [0, 3]], rtol=1e-6)


def fitted() -> tuple[VAE, np.ndarray]:
    keras.utils.set_random_seed(0)
    model = VAE(Config((4, 4, 1), 3, (8,)))
    image = np.random.default_rng(0).random((50, 4, 4, 1), np.float32)
    model.encoder.get_layer("mean").bias.assign([3.0, 0.0, -2.0])
    model.fit_sampler(image)
    return model, image


def test_samples_come_from_the_fitted_sampler_or_from_the_prior():
    model, image = fitted()
    z = model.run("sampler", noise=np.random.default_rng(1).standard_normal((4000, 3), np.float32))[
        "z"
    ]
    code = model.run("encoder", image=image)
    np.testing.assert_allclose(z.mean(0), code["mean"].mean(0), atol=0.1)
    expected = np.cov(code["mean"], rowvar=False, ddof=0) + np.diag(
        np.exp(code["log_variance"]).mean(0)
    )
    np.testing.assert_allclose(np.cov(z, rowvar=False), expected, atol=0.15)
    assert not np.allclose(model.sample(5), model.sample(5, prior=True))
    assert set(model.graphs()) == {"encoder", "decoder", "sampler"} == set(model.examples(image))


def test_the_sampler_travels_in_the_file(tmp_path):
    model, _ = fitted()
    model.save(tmp_path / "vae.keras")
    again = keras.saving.load_model(tmp_path / "vae.keras")
    np.testing.assert_array_equal(again.sample(5), model.sample(5))
    model.sampler = None
    model.save(tmp_path / "without.keras")
    assert keras.saving.load_model(tmp_path / "without.keras").sampler is None


@pytest.mark.parametrize("beta", [0.25, 4.0])
def test_beta_weighs_the_kl_in_the_gradient_and_not_in_the_loss(beta: float):
    image = np.random.default_rng(0).random((5, 4, 4, 1), np.float32)
    moved, losses = [], []
    for value in (1.0, beta):
        keras.utils.set_random_seed(0)
        model = VAE(Config((4, 4, 1), 3, (), kl_warmup=0, beta=value))
        model.compile(keras.optimizers.SGD(1.0))
        start = model.encoder.get_layer("mean").bias.numpy().copy()
        losses.append(model.train_on_batch(image, return_dict=True)["loss"])
        moved.append(model.encoder.get_layer("mean").bias.numpy() - start)
    assert losses[0] == pytest.approx(losses[1])
    keras.utils.set_random_seed(0)
    # The gradient of the KL at a mean is the mean itself.
    code = VAE(Config((4, 4, 1), 3, ())).run("encoder", image=image)["mean"]
    np.testing.assert_allclose(moved[0] - moved[1], (beta - 1) * code.mean(0), atol=1e-5)


def test_a_beta_of_nothing_is_refused():
    with pytest.raises(ValueError, match="vae: beta must be more than 0. Received: 0"):
        Config(beta=0.0)
