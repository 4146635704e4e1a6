"""GAN and DCGAN: shapes from the config, classes, samples, the run folder, words."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from PIL import Image

from dimaging_tf.errors import DataError, UserError
from dimaging_tf.models.dcgan import DCGAN
from dimaging_tf.models.dcgan import Config as DCGANConfig
from dimaging_tf.models.gan import GAN, Config
from dimaging_tf.training import runs

SMALL = {"shape": (8, 8, 1), "latent_dim": 5}
GAME = GAN(Config(**SMALL, g_hidden=(8,), d_hidden=(8,)))
TOLD = GAN(Config(**SMALL, g_hidden=(8,), d_hidden=(8,), classes=3))


def test_the_lectures_discriminator():
    found = [
        (layer.units, layer.activation.__name__)
        for layer in GAN(Config()).discriminator.layers
        if isinstance(layer, keras.layers.Dense)
    ]
    assert found == [(512, "linear"), (256, "linear"), (1, "linear")]
    leaky = [x for x in GAN().discriminator.layers if isinstance(x, keras.layers.LeakyReLU)]
    assert [layer.negative_slope for layer in leaky] == [0.2, 0.2]


@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
@pytest.mark.parametrize(
    ("shape", "maps"),
    [
        ((28, 28, 1), [(7, 7), (14, 14), (28, 28)]),
        ((32, 32, 3), [(4, 4), (8, 8), (16, 16), (32, 32)]),
        ((64, 64, 3), [(4, 4), (8, 8), (16, 16), (32, 32), (64, 64)]),
        ((16, 24, 1), [(4, 6), (8, 12), (16, 24)]),
    ],
)
def test_sizes_of_the_convolutional_networks(shape, maps, upsampling):
    model = DCGAN(DCGANConfig(shape=shape, width=2, latent_dim=3, upsampling=upsampling))
    kind = (keras.layers.Conv2DTranspose, keras.layers.Conv2D)[upsampling == "resize"]
    deconvs = [x.output.shape[1:3] for x in model.generator.layers if isinstance(x, kind)]
    assert deconvs == maps[1:]
    convs = [
        x.output.shape[1:3]
        for x in model.discriminator.layers
        if isinstance(x, keras.layers.Conv2D)
    ]
    assert convs == maps[-2::-1]
    assert model.sample(2).shape == (2, *shape)


def test_samples_are_images_and_reproducible():
    drawn = GAME.sample(5, seed=1)
    assert drawn.shape == (5, 8, 8, 1)
    assert 0 <= drawn.min() <= drawn.max() <= 1
    np.testing.assert_array_equal(drawn, GAME.sample(5, seed=1))
    assert not np.array_equal(drawn, GAME.sample(5, seed=2))
    np.testing.assert_array_equal(drawn, GAME.sample(5, z=GAME.noise(5, seed=1)))
    assert GAME.sample(0).shape == (0, 8, 8, 1)


def test_classes_are_drawn_in_turn_or_as_told():
    np.testing.assert_array_equal(TOLD.inputs(5)["label"].argmax(1), [0, 1, 2, 0, 1])
    np.testing.assert_array_equal(TOLD.inputs(2, label=2)["label"].argmax(1), [2, 2])
    np.testing.assert_array_equal(TOLD.inputs(2, label=[1, 0])["label"].argmax(1), [1, 0])
    one, two = (TOLD.sample(2, seed=3, label=label) for label in (0, 1))
    assert not np.array_equal(one, two)


class Digits:
    name, classes, unlabelled = "digits", (), ""

    class train:
        image, label, label_kind = np.zeros((60, 8, 8, 1)), None, None

    valid = train


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: GAME.sample(2, z=np.zeros((2, 4))), "z: expected [2, 5]. Received: [2, 4]"),
        (lambda: GAME.sample(2, label=1), "gan has no classes; leave the label out"),
        (lambda: TOLD.sample(2, label=3), "label: expected 0 to 2. Received: 3 to 3"),
        (lambda: TOLD.condition_of(None), "classes=3 needs labels: fit(images, labels)"),
        (
            lambda: TOLD.check_data(Digits),
            "gan: it learns from one label an image; digits has no labels. With classes=3 it draws classes; "
            "take --set classes=0, or a folder with one folder a class",
        ),
        (lambda: Config(latent_dim=0), "latent_dim must be 1 or more. Received: 0"),
        (lambda: DCGANConfig(shape=(30, 30, 1)), "doubled a few times, such as 28, 32"),
        (lambda: DCGANConfig(upsampling="bilinear"), "transposed or resize. Received: 'bilinear'"),
        (
            lambda: DCGANConfig(d_batch_norm=True, spectral_normalisation=True),
            "d_batch_norm would undo spectral_normalisation; choose one",
        ),
    ],
)
def test_errors_say_what_is_wrong(build, words):
    with pytest.raises((ValueError, DataError)) as error:
        build()
    assert words in str(error.value)


def settings(**given):
    changes = {"latent_dim": 4, "width": 4, "classes": 10}
    return runs.default_settings(
        "dcgan", data="digits", batch=50, **{"epochs": 3, "changes": changes, **given}
    )


def test_a_run_resumes_and_tells_its_story(tmp_path):
    whole = runs.train(settings(), tmp_path / "whole")
    first = runs.train(settings(), tmp_path / "part", callbacks=[StopAfter(2)])
    assert int(first.optimizer.iterations) < int(whole.optimizer.iterations)
    again = runs.train(runs.read_settings(tmp_path / "part"), tmp_path / "part", resume=True)
    for a, b in zip(whole.variables, again.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)
    folder = tmp_path / "part"
    with Image.open(folder / "samples/training.webp") as film:
        assert getattr(film, "n_frames", 0) == 3
    records = (folder / "metrics.jsonl").read_text()
    for name in ("d_loss", "g_loss", "d_real", "d_fake", "diversity", "val_d_real"):
        assert f'"{name}":' in records
    assert runs.load_model(folder).sample(2).shape == (2, 8, 8, 1)


class StopAfter(keras.callbacks.Callback):
    """As a kill between two epochs would."""

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch + 1 == self.epochs


def test_a_data_set_smaller_than_a_batch_is_refused(tmp_path):
    with pytest.raises(
        UserError, match=r"training images, fewer than the 5000 of one batch.*--batch"
    ):
        runs.train(replace(settings(), batch=5000), tmp_path / "run")
