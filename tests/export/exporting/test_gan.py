"""Generators as files: every precision and target proves itself, the averaged weights go out, the command draws."""

from typing import Any

import keras
import numpy as np
import pytest
from dimaging_edge import open_bundle
from dimaging_edge.commands import main as cli
from dimaging_edge.commands.grids import LINE
from dimaging_edge.common.errors import InputError
from dimaging_edge.generate import captions
from dimaging_edge.generate import latent as generators
from dimaging_export import export
from PIL import Image

from dimaging_tf.models.autoencoder import Autoencoder
from dimaging_tf.models.autoencoder import Config as CodeConfig
from dimaging_tf.models.dcgan import DCGAN
from dimaging_tf.models.dcgan import Config as DCGANConfig
from dimaging_tf.models.gan import GAN, Config
from dimaging_tf.models.vae import VAE
from dimaging_tf.models.vae import Config as VAEConfig

SMALL = {"shape": (8, 8, 1), "latent_dim": 5}
MODELS = {
    "gan": lambda: GAN(Config(**SMALL, g_hidden=(16,), d_hidden=(8,))),
    "spectral, told": lambda: GAN(
        Config(**SMALL, g_hidden=(16,), d_hidden=(8,), spectral_normalisation=True, classes=3)
    ),
    "dcgan": lambda: DCGAN(DCGANConfig(**SMALL, width=8)),
    "resize, told": lambda: DCGAN(DCGANConfig(**SMALL, width=8, upsampling="resize", classes=3)),
    "batch norm": lambda: DCGAN(DCGANConfig(**SMALL, width=8, d_batch_norm=True, kernel=5)),
    "spectral": lambda: DCGAN(
        DCGANConfig(**SMALL, width=8, spectral_normalisation=True, d_hidden=4)
    ),
}
ROWS = [
    *((name, "cpu", "fp32") for name in MODELS),
    *(("dcgan", target, p) for target in ("cpu", "phone", "web") for p in ("fp16", "int8")),
    ("resize, told", "phone", "int8"), ("spectral, told", "web", "int8"), ("gan", "phone", "int8"),
]  # fmt: skip


def made(name):
    keras.utils.set_random_seed(0)
    model = MODELS[name]()
    # Statistics that batch normalisation has after training: a mistake in folding them shows.
    rng = np.random.default_rng(0)
    for network in (model.average, model.discriminator):
        for weight in network.weights:
            if "moving" in weight.path:
                weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return model


@pytest.mark.parametrize(("name", "target", "precision"), ROWS)
def test_every_file_is_proven(name, target, precision, digits, tmp_path):
    model = made(name)
    out = export(model, tmp_path / "b", precision=precision, target=target, data=digits)
    bundle = open_bundle(out)
    assert set(bundle.graphs) == {"generator", "discriminator"}
    assert bundle.manifest.tools["converter"] == "dimaging direct"
    assert all(check.ok for checks in bundle.check().values() for check in checks.values())
    quality: Any = bundle.manifest.quality
    assert quality["loss"] <= quality["allowed"]
    if precision == "int8":
        assert quality["allowed"] == pytest.approx(0.1 * quality["keras"])
    drawn = generators.draw(bundle, 3, seed=1)
    assert drawn.shape == (3, 8, 8, 1)
    z = generators.normal(1, (3, 5))
    expected = model.sample(3, z=z)
    np.testing.assert_allclose(drawn, expected, atol=2e-2 if precision != "fp32" else 1e-4)


@pytest.fixture(scope="module")
def told(digits, tmp_path_factory):
    model = made("spectral, told")
    return export(model, tmp_path_factory.mktemp("told") / "b", data=digits)


def test_the_command_draws_a_grid(told, tmp_path, capsys):
    for name, seed in (("a.png", "3"), ("b.png", "3"), ("c.png", "4")):
        words = ["sample", str(told), "--n", "5", "--seed", seed, "--out", str(tmp_path / name)]
        assert cli.main(words) == 0
    a, b, c = (np.asarray(Image.open(tmp_path / f"{n}.png")) for n in "abc")
    height, width = 12 * (2 * 9 - 1), 12 * (3 * 9 - 1)  # enlarged, to be seen
    assert a.shape[:2] == (height + 2 * LINE, width)  # with the class below each
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    assert cli.main(["sample", str(told), "--label", "3"]) == 1
    assert "--label: '3' is no class; known: 0 to 2" in capsys.readouterr().err


def test_a_picture_does_not_depend_on_how_many_are_drawn(told):
    bundle = open_bundle(told)
    few, many = (generators.draw(bundle, n, seed=2, label=1) for n in (2, 70))
    np.testing.assert_allclose(few, many[:2], atol=1e-6)


def test_a_bundle_that_draws_nothing_says_what_does(digits, tmp_path):
    bundle = open_bundle(export(Autoencoder(CodeConfig((8, 8, 1))), tmp_path / "a", data=digits))
    with pytest.raises(
        InputError, match="no images from noise alone, .* dimaging train dcgan does"
    ):
        generators.draw(bundle, 1)
    with pytest.raises(InputError, match="draws no captions; .* dimaging train stackgan"):
        captions.imagine(bundle, "a red circle")


def test_the_decoder_of_a_vae_draws_too(digits, tmp_path):
    vae = VAE(VAEConfig((8, 8, 1), 3, (16,)))
    bundle = open_bundle(export(vae, tmp_path / "vae", data=digits))
    assert generators.draw(bundle, 2).shape == (2, 8, 8, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 0}, "expected 1 image or more, received 0"),
        ({"n": 2, "z": np.zeros((2, 4))}, r"z: expected shape \(2, 5\), received \(2, 4\)"),
        ({"n": 2, "label": 3}, "label: expected 0 to 2, received 3"),
    ],
)
def test_errors_say_what_is_wrong(told, arguments, words):
    with pytest.raises(InputError, match=words):
        generators.draw(open_bundle(told), **arguments)
