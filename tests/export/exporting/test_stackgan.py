"""What reads words: Embedding and GRU as ONNX, and a whole StackGAN from Keras to pictures of a device."""

import json

import keras
import numpy as np
import pytest
from dimaging_edge import open_bundle
from dimaging_edge.common.errors import InputError
from dimaging_edge.generate import captions
from dimaging_edge.generate import latent as generators
from dimaging_export import export
from dimaging_export.convert.to_onnx import convert
from dimaging_export.errors import ExportError
from keras import layers as L

from dimaging_tf.data import shapes
from dimaging_tf.models.stackgan import Config, StackGAN

# Settings, not layers: a layer starts TensorFlow, whose devices other tests set before that.
GRUS = {
    "reset_after": {},
    "reset_before": {"reset_after": False},
    "no_bias": {"use_bias": False},
    "sequences": {"return_sequences": True},
}


@pytest.mark.parametrize("settings", GRUS.values(), ids=GRUS)
def test_gru_is_one_op(settings, run, randomised):
    layer = L.GRU(5, **settings)
    tokens = keras.Input((4,), dtype="int32", name="tokens")
    model = randomised(keras.Model(tokens, {"y": layer(L.Embedding(7, 3)(tokens))}))
    file = convert(model, converter="direct")
    assert [node.op_type for node in file.graph.node].count("GRU") == 1
    for batch in (1, 3):
        given = np.random.default_rng(batch).integers(0, 7, (batch, 4)).astype(np.int32)
        expected = model(given)["y"].numpy()
        np.testing.assert_allclose(run(file, tokens=given)["y"], expected, atol=2e-6)


def test_whole_numbers_go_to_embeddings_only():
    tokens = keras.Input((4,), dtype="int32", name="tokens")
    model = keras.Model(tokens, {"y": L.Dense(2)(tokens)})
    with pytest.raises(ExportError, match="reads int32; its emitter knows float32"):
        convert(model, converter="direct")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return StackGAN(
        Config(
            shape=(16, 16, 3),
            words=shapes.CAPTIONED.words,
            factor=2,
            embedding=4,
            recurrent=6,
            text_dim=5,
            encoder=4,
            condition_dim=4,
            noise_dim=3,
            generator1=8,
            generator2=6,
            discriminator1=4,
        )
    )


@pytest.fixture(scope="module")
def dataset():
    return shapes.load_shapes(16, train=40, valid=16)


@pytest.mark.parametrize(
    ("precision", "target"), [("fp32", "cpu"), ("fp16", "cpu"), ("int8", "cpu"), ("fp32", "phone")]
)
def test_a_bundle_draws_what_keras_draws(model, dataset, tmp_path, precision, target):
    folder = export(model, tmp_path / "b", precision=precision, target=target, data=dataset)
    bundle = open_bundle(folder, threads=1)
    assert captions.read_words(bundle) == shapes.CAPTIONED.words
    assert all(one.ok for outputs in bundle.check().values() for one in outputs.values())
    tokens = bundle.graph("text_encoder").inputs[0]
    assert (tokens.dtype, tokens.range) == ("int32", (0, 29))
    assert not {"Loop", "Scan", "If"} & {
        op for g in bundle.manifest.graphs.values() for op in g.nodes
    }
    caption = "a small red circle at the top left"
    drawn = captions.imagine(bundle, caption, 2)
    assert drawn.shape == (2, 16, 16, 3)
    if (precision, target) == ("fp32", "cpu"):
        np.testing.assert_allclose(drawn[:1], by_keras(model, caption), atol=1e-4)
    assert json.loads((folder / "bundle.json").read_text())["quality"]["name"] == "R-precision"
    with pytest.raises(InputError, match="no images from noise alone.*dimaging-edge imagine"):
        generators.draw(bundle, 1)


def by_keras(model, caption):
    """The first picture of seed 0, with the noise that a device takes."""
    from dimaging_edge.common.random import normal

    told = captions.encode([caption], shapes.CAPTIONED.words, 12)
    text = model.run("text_encoder", tokens=told)["text"]
    noise = [normal(0, (1, size), stream) for stream, size in enumerate((4, 4, 3))]
    low = model.run("stage1", text=text, condition_noise=noise[0], noise=noise[2])["low"]
    return model.run("stage2", low=low, text=text, condition_noise=noise[1])["image"]
