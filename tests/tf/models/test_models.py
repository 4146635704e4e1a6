"""Every row of the table of models: names, ranges, score, picture, and the words of a wrong setting."""

from dataclasses import FrozenInstanceError
from inspect import isfunction, signature

import keras
import numpy as np
import pytest
from helpers.fitting import rows
from table import TABLE

from dimaging_tf.compression.base import LearnedCodec
from dimaging_tf.density.base import ExplicitDensity
from dimaging_tf.deployable import DeployableModel
from dimaging_tf.models.autoencoder import Config as AutoencoderConfig
from dimaging_tf.models.classifier import Classifier
from dimaging_tf.models.classifier import Config as ClassifierConfig
from dimaging_tf.models.denoiser import Config as DenoiserConfig
from dimaging_tf.models.denoiser import Denoiser
from dimaging_tf.models.unet import padded
from dimaging_tf.models.vae import VAE
from dimaging_tf.models.vae import Config as VAEConfig
from dimaging_tf.registry import REGISTRY
from dimaging_tf.sequence.base import LanguageModel

HOOKS = {
    name: len(signature(hook).parameters)
    for name, hook in vars(DeployableModel).items()
    if isfunction(hook) and not name.startswith("_") and not hasattr(keras.Model, name)
}


@pytest.mark.parametrize("name", REGISTRY)
def test_what_training_calls_takes_what_training_gives(name):
    """A method of a system that has the name of a hook, and means something else, would be called by training."""
    model = REGISTRY[name].model_class()
    found = {hook: len(signature(getattr(model, hook)).parameters) for hook in HOOKS}
    assert found == HOOKS


def test_every_system_has_a_row_that_trains_and_one_that_is_exported():
    assert {row.name for row in TABLE} == set(REGISTRY)
    assert {row.name for row in TABLE if row.trained} == set(REGISTRY)
    assert {row.name for row in TABLE if row.targets} == set(REGISTRY)
    assert len({row.id for row in TABLE}) == len(TABLE)


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_graphs_have_the_declared_names_and_take_their_own_examples(row):
    model = row.make()
    graphs = model.graphs()
    image, label = row.examples()
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
    noisy = model.examples(np.full((2, 16, 16, 1), 0.5, np.float32))["denoiser"]["noisy"]
    assert (noisy.min(), noisy.max()) == (-1, 2)


@rows
def test_score_and_picture(row):
    model = row.make()
    graphs = model.graphs()
    model.graphs = lambda: graphs  # they are made anew in every run, and the score takes many
    image, label = row.examples()
    score = model.score(model.run, image, label, seed=3)
    assert np.isfinite(score)
    assert score == model.score(model.run, image, label, seed=3)
    picture = model.picture(image, label)
    if "image" not in model.kinds:
        assert picture is None
        return
    assert picture.ndim == 5
    assert picture.min() >= 0
    assert picture.max() <= 1


@rows
def test_config_is_frozen(row):
    config = row.config
    with pytest.raises(FrozenInstanceError):
        config.shape = (1, 1, 1)


@pytest.mark.parametrize("entry", REGISTRY.values(), ids=lambda e: e.name)
def test_registry_entry(entry):
    model = entry.model_class()
    assert model.registry_name == entry.name
    shape = {"tokens": (16,), "series": (16, 1), "image": (16, 16, 1), "movie": (16, 16, 16, 1)}[
        model.kinds[0]
    ]
    config = model.config_for(shape, entry.changes)
    judged = {ExplicitDensity: {"integer"}, LearnedCodec: {"fp32"}}
    judged |= {LanguageModel: {"fp32", "int8", "integer"}, Classifier: {"fp16", "int8", "integer"}}
    kind = next((kind for kind in judged if issubclass(model, kind)), None)
    assert set(model(config).figure_of_merit.allowed_loss) == judged.get(kind, {"fp16", "int8"})
    assert config.shape[-1] == shape[-1]


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
        (lambda: DenoiserConfig(noise="gaussian:5-"), "'5-' is not a level of gaussian"),
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


@pytest.mark.parametrize("count", [0, 3, 4, 9])
def test_many_items_are_run_a_part_at_a_time(monkeypatch, count):
    """So that drawing 50,000 images does not hold what lies between the layers for all of them."""
    model = VAE(VAEConfig(latent_dim=2, hidden=(8,), channels=()))
    z = np.random.default_rng(0).standard_normal((count, 2)).astype(np.float32)
    whole = model.run("decoder", z=z)["image"]
    monkeypatch.setattr("dimaging_tf.deployable.AT_ONCE", 4)
    seen = []
    layer = model.graphs()["decoder"].layers[1]
    call = layer.call
    monkeypatch.setattr(layer, "call", lambda x, **how: seen.append(len(x)) or call(x, **how))
    np.testing.assert_allclose(model.run("decoder", z=z)["image"], whole, atol=1e-6)
    assert sum(seen) == count
    assert max(seen) <= 4
