"""What users of Keras are used to, on a model of each family: it works, or is refused with the mend.

One table, models x habits. Mixed precision, weights of examples and images of 0..255: test_silence.
"""

import re
from functools import cache

import keras
import keras_tuner
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from helpers.fitting import compiled, pairs
from table import TABLE

from dimaging_tf.models import VAE, VAEConfig
from dimaging_tf.training.callbacks import optimizers

KINDS = (
    "vae",
    "dcgan",
    "pixelcnn",
    "segmenter",
    "denoiser",
    "classifier",
    "labels_joint",
    "eeg",
    "char_lm",
)
ROWS = {row.id: row for row in TABLE if row.id in KINDS}
models = pytest.mark.parametrize("name", KINDS)


@cache
def model_of(name: str):
    """A compiled model, which the tests share: they change its weights, and nothing else."""
    model = compiled(ROWS[name], eager=True)
    return model, pairs(ROWS[name], model)


def test_every_kind_has_its_row():
    assert set(ROWS) == set(KINDS)


@models
def test_tensorboard(name, tmp_path):
    model, data = model_of(name)
    board = keras.callbacks.TensorBoard(tmp_path)
    model.fit(*data, batch_size=12, verbose=0, callbacks=[board])
    assert list(tmp_path.rglob("events.out.tfevents.*"))


@models
def test_a_reloaded_model_goes_on_with_its_optimizer(name, tmp_path):
    model, data = model_of(name)
    model.fit(*data, batch_size=12, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")  # a warning would be an error
    before, after = (
        [np.asarray(value) for each in optimizers(one) for value in each.variables]
        for one in (model, loaded)
    )
    assert int(optimizers(loaded)[0].iterations) > 0
    for was, now in zip(before, after, strict=True):
        np.testing.assert_array_equal(was, now)


@models
def test_summary_and_drawing(name):
    """`keras.utils.plot_model` is this and a call of the program `dot`, which is no Python package."""
    model, _ = model_of(name)
    lines: list[str] = []
    model.summary(expand_nested=True, print_fn=lines.append)
    assert "Total params" in "\n".join(lines)
    for graph in model.graphs().values():
        assert keras.utils.model_to_dot(graph, show_shapes=True, expand_nested=True).get_nodes()


@models
@pytest.mark.parametrize("given", [{"loss": "mse"}, {"metrics": ["mae"]}], ids=str)
def test_a_loss_and_metrics_count_or_are_refused(name, given):
    model = ROWS[name].make()
    (word,) = given
    if type(model).train_step is not keras.Model.train_step:
        with pytest.raises(
            ValueError, match=f"computes its own loss.*: {word}= of compile would change"
        ):
            model.compile(optimizer="adam", **given)
        return
    x, y = pairs(ROWS[name], model)
    if word == "metrics":
        given = {"metrics": ["mae" if y.dtype.kind == "f" else "sparse_categorical_accuracy"]}
    model.compile(optimizer="adam", run_eagerly=True, **{**model.objective(), **given})
    if word == "metrics":
        assert given["metrics"][0] in model.fit(x, y, batch_size=12, verbose=0).history
    elif y.dtype.kind == "f":  # of classes, the mean square of a number is no loss
        found = model.fit(x, y, batch_size=12, verbose=0).history["loss"][0]
        before = ROWS[name].make().predict(x, verbose=0)
        assert found == pytest.approx(np.square(before - y).mean(), rel=1e-3)


@models
def test_a_dataset_of_pairs(name):
    model, (x, *y) = model_of(name)
    label = y[0] if y else np.zeros(12, np.int32)
    batches = tf.data.Dataset.from_tensor_slices((x, label)).batch(4)
    logs = model.fit(batches, shuffle=False, verbose=0).history
    assert np.isfinite([values[0] for values in logs.values()]).all()


@models
def test_examples_of_another_shape(name):
    model, (x, *y) = model_of(name)
    if name == "char_lm":
        return  # a text of any length
    if model.example_shape[0] is None:
        wrong = np.concatenate([x, x, x, x], -1)
    else:
        wrong = {k: v[:, :3] for k, v in x.items()} if isinstance(x, dict) else x[:, :3]
    shape = wrong["series"].shape if isinstance(wrong, dict) else wrong.shape
    words = rf"was made for examples \[N, .*; received {re.escape(str(list(shape)))}\. Make it for yours"
    with pytest.raises(ValueError, match=words):
        model.fit(wrong, *y, verbose=0)


STATED = {
    "vae": lambda run, x: run("decoder", z=run("encoder", image=x)["mean"])["image"],
    "dcgan": lambda run, z: run("generator", z=z)["image"],
    "pixelcnn": lambda run, x: run("density", image=x)["log_likelihood"],
    "segmenter": lambda run, x: np.log(run("unet", image=x)["probabilities"]),
    "denoiser": lambda run, x: run("denoiser", noisy=x)["image"],
    "classifier": lambda run, x: run("classifier", image=x)["logits"],
    "labels_joint": lambda run, x: run("labels", **{k: np.asarray(v) for k, v in x.items()})[
        "logits"
    ],
    "eeg": lambda run, x: run("eeg", series=x)["logits"],
    "char_lm": lambda run, x: run("reader", tokens=x, **dict.fromkeys(("h1", "c1"), NOTHING))[
        "logits"
    ],
}
"""What `predict` gives, by graphs: reconstructions, images of codes, log-likelihoods, logits, restored images."""
NOTHING = np.zeros((12, 6), np.float32)
"""The state before a text."""


@models
def test_predict_means_what_is_stated(name):
    model, (x, *_) = model_of(name)
    if name == "dcgan":
        x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    found = np.asarray(model.predict(x, verbose=0))
    if name == "segmenter":
        found = np.asarray(keras.ops.log_softmax(found))
    if name == "denoiser":
        found = found.clip(0, 1)  # as the graph does, whose answer is an image
    np.testing.assert_allclose(found, STATED[name](model.run, x), rtol=1e-4, atol=1e-5)


@models
def test_a_model_of_several_networks_says_which_to_export(name, tmp_path):
    model, _ = model_of(name)
    if len(graphs := list(model.graphs())) > 1:
        with pytest.raises(
            ValueError, match=rf"networks, .*model\.graphs\(\)\['{graphs[0]}'\]\.export"
        ):
            model.export(tmp_path / "saved")
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["vae", "classifier"])
def test_a_saved_model_computes_the_same(name, tmp_path):
    model, (x, *_) = model_of(name)
    (model if name == "classifier" else model.graphs()["encoder"]).export(tmp_path, verbose=False)
    loaded = tf.saved_model.load(str(tmp_path))
    served = loaded.serve(x)
    for output, value in model.run(next(iter(model.graphs())), image=x).items():
        np.testing.assert_allclose(served[output], value, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of tf2onnx, by which Keras writes it
def test_an_onnx_file_of_keras_computes_the_same(tmp_path):
    model, (x, _) = model_of("classifier")
    model.export(tmp_path / "classifier.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(
        tmp_path / "classifier.onnx", providers=["CPUExecutionProvider"]
    )
    (logits,) = session.run(None, {"image": x})
    np.testing.assert_allclose(logits, model.predict(x, verbose=0), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of KerasTuner
def test_keras_tuner_over_a_config(tmp_path):
    """Whatever searches settings needs a function that makes a model of them, no class of ours."""
    _, (x,) = model_of("vae")

    def build(hp):
        hidden = hp.Choice("hidden", [4, 8])
        model = VAE(
            VAEConfig(shape=(8, 8, 1), latent_dim=hp.Int("latent_dim", 2, 3), hidden=(hidden,))
        )
        model.compile(optimizer="adam")
        return model

    tuner = keras_tuner.RandomSearch(
        build,
        objective=keras_tuner.Objective("val_loss", "min"),
        max_trials=2,
        seed=0,
        directory=tmp_path,
    )
    tuner.search(x, validation_data=(x,), batch_size=12, epochs=1, verbose=0)
    best = tuner.get_best_hyperparameters()[0].values
    assert best["latent_dim"] in (2, 3)
    assert best["hidden"] in (4, 8)
