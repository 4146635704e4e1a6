"""One row per model: it trains, saves whole, reloads without custom_objects, and goes on identically."""

from dataclasses import FrozenInstanceError, dataclass, field
from typing import Any

import keras
import numpy as np
import pytest

from dimaging_tf.compression.base import LearnedCodec
from dimaging_tf.density.base import ExplicitDensity
from dimaging_tf.models.autoencoder import Autoencoder
from dimaging_tf.models.autoencoder import Config as AutoencoderConfig
from dimaging_tf.models.classifier import Classifier
from dimaging_tf.models.classifier import Config as ClassifierConfig
from dimaging_tf.models.compressive_autoencoder import CompressiveAutoencoder
from dimaging_tf.models.compressive_autoencoder import Config as CompressiveConfig
from dimaging_tf.models.dcgan import DCGAN
from dimaging_tf.models.dcgan import Config as DCGANConfig
from dimaging_tf.models.denoiser import Config as DenoiserConfig
from dimaging_tf.models.denoiser import Denoiser
from dimaging_tf.models.gan import GAN
from dimaging_tf.models.gan import Config as GANConfig
from dimaging_tf.models.pixelcnn import Config as PixelCNNConfig
from dimaging_tf.models.pixelcnn import PixelCNN
from dimaging_tf.models.unet import UNet, padded
from dimaging_tf.models.vae import VAE
from dimaging_tf.models.vae import Config as VAEConfig
from dimaging_tf.models.vae_faces import Config as FaceConfig
from dimaging_tf.models.vae_faces import FaceVAE
from dimaging_tf.registry import REGISTRY

SIZE = 16


@dataclass
class Row:
    model: type
    config: Any
    graphs: dict[str, tuple[set[str], set[str]]]  # graph -> inputs, outputs
    label: str = field(default="")  # of each "image" or "pixel"

    def __repr__(self):
        return f"{self.model.__name__}-{'-'.join(str(v) for v in vars(self.config).values())}"


CODE = {"encoder": ({"image"}, {"code"}), "decoder": ({"code"}, {"image"})}
POSTERIOR = {"encoder": ({"image"}, {"mean", "log_variance"}), "decoder": ({"z"}, {"image"})}
SHAPE = (SIZE, SIZE, 1)
GAME = {"generator": ({"z"}, {"image"}), "discriminator": ({"image"}, {"logit"})}
ROWS = [
    Row(GAN, GANConfig(shape=SHAPE, latent_dim=3, g_hidden=(8,), d_hidden=(8,)), GAME),
    Row(DCGAN, DCGANConfig(shape=SHAPE, latent_dim=3, width=4, d_hidden=4), GAME),
    Row(VAE, VAEConfig(SHAPE, 3, (8,)), POSTERIOR),
    Row(VAE, VAEConfig(SHAPE, 3, (), "gaussian", 0.2), POSTERIOR),
    Row(VAE, VAEConfig((SIZE, SIZE, 3), 3, (8,), channels=(4, 8)), POSTERIOR),
    Row(FaceVAE, FaceConfig(SHAPE, 3, channels=(4,)), POSTERIOR),
    Row(
        Classifier,
        ClassifierConfig((SIZE, SIZE, 3), 3, channels=(4,), units=8, dropout=0.5),
        {"classifier": ({"image"}, {"logits"})},
        label="image",
    ),
    Row(Autoencoder, AutoencoderConfig(SHAPE, 4), CODE),
    Row(Autoencoder, AutoencoderConfig(SHAPE, 4, (4, 8)), CODE),
    *(
        Row(
            CompressiveAutoencoder,
            CompressiveConfig((None, None, channels), (4, 4), 3),
            {"compress": ({"image"}, {"code"}), "decompress": ({"symbols"}, {"image"})},
        )
        for channels in (1, 3)
    ),
    Row(Denoiser, DenoiserConfig(depth=2, width=4), {"denoiser": ({"noisy"}, {"image"})}),
    Row(
        Denoiser,
        DenoiserConfig((None, None, 3), depth=1, width=4),
        {"denoiser": ({"noisy"}, {"image"})},
    ),
    Row(
        PixelCNN,
        PixelCNNConfig(SHAPE, blocks=1, filters=4, middle=4, head=4),
        {"density": ({"image"}, {"log_likelihood"})},
    ),
    Row(UNet, padded(depth=2, width=4), {"unet": ({"image"}, {"probabilities"})}, label="pixel"),
    Row(
        UNet,
        padded(depth=1, width=4, outputs=1, head="regression"),
        {"unet": ({"image"}, {"estimate"})},
    ),
]
rows = pytest.mark.parametrize("row", ROWS, ids=repr)


def images(row: Row, count: int = 12) -> tuple[np.ndarray, np.ndarray | None]:
    rng = np.random.default_rng(0)
    image = rng.random((count, SIZE, SIZE, row.config.shape[-1]), np.float32)
    if row.label == "image":
        return image, np.arange(count, dtype=np.int32) % row.config.classes
    return image, (image[..., 0] > 0.5).astype(np.int32) if row.label else None


def compiled(row: Row):
    keras.utils.set_random_seed(1)
    model = row.model(row.config)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), **model.objective())
    return model


def pairs(row: Row, model) -> tuple:
    image, label = images(row)
    found = model.transform(image, label, np.array([1, 2], np.int32))
    return found if isinstance(found, tuple) else (found,)


@rows
def test_save_load_and_continue_equals_no_interruption(row, tmp_path):
    once = compiled(row)
    once.fit(*pairs(row, once), epochs=2, batch_size=4, shuffle=False, verbose=0)
    twice = compiled(row)
    twice.fit(*pairs(row, twice), epochs=1, batch_size=4, shuffle=False, verbose=0)
    twice.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    again.fit(*pairs(row, again), epochs=1, batch_size=4, shuffle=False, verbose=0)
    assert int(again.optimizer.iterations) == 6
    for a, b in zip(once.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@rows
def test_graphs_have_the_declared_names_and_take_their_own_examples(row):
    model = row.model(row.config)
    graphs = model.graphs()
    image, label = images(row)
    examples = model.examples(image, label)
    assert set(graphs) == set(row.graphs) == set(examples)
    for name, (inputs, outputs) in row.graphs.items():
        assert {t.name for t in graphs[name].inputs} == inputs == set(examples[name])
        found = model.run(name, **examples[name])
        assert set(found) == outputs
        assert inputs | outputs <= set(model.ranges)
        for tensor, value in {**examples[name], **found}.items():
            low, high = model.ranges[tensor] or (-np.inf, np.inf)
            assert low <= value.min()
            assert value.max() <= high


def test_strong_noise_stays_in_the_range_that_a_bundle_declares():
    model = Denoiser(DenoiserConfig(depth=1, width=4, test_noise="gaussian:500"))
    noisy = model.examples(np.full((2, SIZE, SIZE, 1), 0.5, np.float32))["denoiser"]["noisy"]
    assert (noisy.min(), noisy.max()) == (-1, 2)


@rows
def test_score_and_picture(row):
    model = row.model(row.config)
    image, label = images(row)
    score = model.score(model.run, image, label, seed=3)
    assert np.isfinite(score)
    assert score == model.score(model.run, image, label, seed=3)
    picture = model.picture(image, label)
    assert picture.ndim == 5
    assert picture.min() >= 0
    assert picture.max() <= 1


@rows
def test_one_trace_for_all_steps(row):
    """A Python number handed to the compiled step would trace it in every step; creating variables may take a second."""
    model = compiled(row)
    traces = []
    step = model.train_step
    model.train_step = lambda data: (traces.append(1), step(data))[1]
    model.fit(*pairs(row, model), epochs=2, batch_size=4, verbose=0)
    assert len(traces) <= 2 < int(model.optimizer.iterations)


@rows
def test_config_is_frozen(row):
    with pytest.raises(FrozenInstanceError):
        row.config.shape = (1, 1, 1)


@pytest.mark.parametrize("entry", REGISTRY.values(), ids=lambda e: e.name)
def test_registry_entry(entry):
    model = entry.model_class()
    assert model.registry_name == entry.name
    config = model.config_for((16, 16, 1), entry.changes)
    judged = {ExplicitDensity: {"integer"}, LearnedCodec: {"fp32"}}
    kind = next((kind for kind in judged if issubclass(model, kind)), None)
    assert set(model(config).figure_of_merit.allowed_loss) == judged.get(kind, {"fp16", "int8"})
    assert config.shape[-1] == 1


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (
            lambda: VAEConfig(likelihood="poisson"),
            "vae: likelihood must be bernoulli or gaussian. Received: 'poisson'",
        ),
        (lambda: VAEConfig((30, 30, 1), channels=(4, 8)), "divisible by 4. Received: 30x30"),
        (
            lambda: AutoencoderConfig((30, 30, 1), channels=(4, 8)),
            "divisible by 4. Received: 30x30",
        ),
        (
            lambda: padded(padding="reflect"),
            "unet: padding must be one of valid, same. Received: 'reflect'",
        ),
        (lambda: ClassifierConfig(classes=1), "classes must be at least 2. Received: 1"),
        (
            lambda: ClassifierConfig(names=("cat",)),
            "as many as the 10 classes, or none. Received: 1",
        ),
        (lambda: padded(head="boxes"), "unet: head must be one of segmentation, regression"),
        (lambda: padded(outputs=1), "segmentation needs outputs of at least 2, the background"),
        (lambda: DenoiserConfig(noise="gaussian:5-"), "'5-' is no level of gaussian"),
        (lambda: DenoiserConfig(test_noise="gausian:25"), "did you mean 'gaussian'?"),
        (
            lambda: padded(padding="valid", shape=(570, 572, 1)),
            "such as 556, 572, 588. Received: 570",
        ),
        (
            lambda: padded(padding="valid", shape=(572, 572, 1), stem=2),
            "stem > 1 needs padding='same'",
        ),
        (
            lambda: VAE.config_for((8, 8, 1), {"latent": 2}),
            "vae has no setting 'latent'; did you mean 'latent_dim'?",
        ),
    ],
)
def test_errors_say_what_is_wrong(build, words):
    with pytest.raises(ValueError, match=".") as error:
        build()
    assert words in str(error.value)
