"""Text, recordings and movies of a person's own go the whole road: train, export with real inputs, run."""

from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import pytest
import tifffile
from dimaging_edge import open_bundle
from dimaging_edge.common.errors import InputError
from dimaging_export import export
from dimaging_export.errors import ExportError
from keras import layers

from dimaging_tf import registry
from dimaging_tf.data import load
from dimaging_tf.deployable import DeployableModel, FigureOfMerit
from dimaging_tf.errors import DataError, UserError
from dimaging_tf.training import runs


@dataclass(frozen=True)
class Config:
    """Three lines."""

    shape: tuple[int, ...] = (8,)
    units: int = 5
    vocabulary: tuple[str, ...] = ()


class Recurrent(DeployableModel):
    """An LSTM over whatever `embedded` makes of the steps; it tells one of `outputs` classes."""

    config_class = Config
    figure_of_merit = FigureOfMerit("accuracy", "", True, {})
    every_step, outputs, dtype_in = False, 2, "float32"

    def __init__(self, config: Config | None = None, **kwargs):
        super().__init__(config, **kwargs)
        x = keras.Input(self.config.shape, dtype=self.dtype_in, name="x")
        state = layers.LSTM(self.config.units, return_sequences=self.every_step)(self.embedded(x))
        count = len(self.config.vocabulary) or self.outputs
        self.network = keras.Model(x, {"logits": layers.Dense(count)(state)}, name="network")

    def embedded(self, x):
        return x

    def call(self, x):
        return self.network(x)["logits"]

    def graphs(self):
        return {"network": self.network}

    def objective(self):
        return {"loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True)}

    def transform(self, x, label, seed):
        return x, label

    def examples(self, x, label=None, seed=0):
        return {"network": {"x": x}}

    def score(self, run, x, label=None, seed=0):
        return float((run("network", x=x)["logits"].argmax(-1) == label).mean())

    def picture(self, x, label=None, seed=0):
        return None


@keras.saving.register_keras_serializable("throw-away")
class Writer(Recurrent):
    registry_name = "writer"
    kinds = ("tokens",)
    reads_streams, every_step, dtype_in = True, True, "int32"

    @property
    def ranges(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        return {"x": (0, len(self.config.vocabulary) - 1), "logits": None}

    def embedded(self, x):
        return layers.Embedding(len(self.config.vocabulary), 4)(x)


@keras.saving.register_keras_serializable("throw-away")
class Listener(Recurrent):
    registry_name = "listener"
    kinds = ("series",)
    ranges = {"x": None, "logits": None}


@keras.saving.register_keras_serializable("throw-away")
class Watcher(Recurrent):
    registry_name = "watcher"
    kinds = ("movie",)
    ranges = {"x": (0.0, 1.0), "logits": None}

    def embedded(self, x):
        frames = layers.TimeDistributed(layers.Conv2D(3, 3, activation="relu"))(x)
        return layers.TimeDistributed(layers.Flatten())(frames)


def text(folder):
    (folder / "song.txt").write_text("to be or not to be, " * 60)
    return folder / "song.txt", {"length": 10}


def recordings(folder):
    rng = np.random.default_rng(0)
    for k in range(24):
        (folder / "recordings" / "ab"[k % 2]).mkdir(parents=True, exist_ok=True)
        rows = rng.normal(k % 2, 40, (9, 3)).round(3)
        lines = [",".join(map(str, row)) for row in rows]
        (folder / "recordings" / "ab"[k % 2] / f"{k}.csv").write_text("\n".join(lines))
    return folder / "recordings", {}


def movies(folder):
    rng = np.random.default_rng(0)
    for k in range(24):
        (folder / "movies" / "ab"[k % 2]).mkdir(parents=True, exist_ok=True)
        frames = rng.integers(0, 128 * (1 + k % 2), (4, 6, 5), np.uint8)
        tifffile.imwrite(
            folder / "movies" / "ab"[k % 2] / f"{k}.tif", frames, photometric="minisblack"
        )
    return folder / "movies", {}


SYSTEMS = {
    "writer": (Writer, text),
    "listener": (Listener, recordings),
    "watcher": (Watcher, movies),
}


@dataclass(frozen=True)
class Row(registry.Entry):
    """A row of the registry whose class is one of this file."""

    def model_class(self):
        return SYSTEMS[self.name][0]


@pytest.fixture(scope="module", params=SYSTEMS)
def trained(request, tmp_path_factory):
    """(name, run folder, data path)."""
    folder, name = tmp_path_factory.mktemp(request.param), request.param
    path, options = SYSTEMS[name][1](folder)
    entry = Row(name, "", "", "", "", data="digits", epochs=2, batch=6, learning_rate=1e-2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.REGISTRY, name, entry)
        # The product reads `kinds` from the source of its own models, before TensorFlow is loaded.
        patch.setattr(runs, "kinds_learned", lambda entry: entry.model_class().kinds)
        settings = runs.default_settings(name, data=str(path), data_options=options)
        runs.train(settings, folder / "run")
        yield name, folder / "run", path


def test_train_export_and_run(trained, tmp_path):
    name, run, path = trained
    record = runs.read_record(run)["data"]
    kind = SYSTEMS[name][0].kinds[0]
    assert (record["kind"], record["licence"]) == (kind, "not stated: your own data")
    bundle = open_bundle(export(run, tmp_path / "bundle"))
    dataset = runs.load_data(runs.read_settings(run))
    assert dataset.shape == tuple(record["shape"])
    x = dataset.valid.inputs(slice(3))
    found = bundle.run("network", x=x)["logits"]
    np.testing.assert_allclose(found, runs.load_model(run).run("network", x=x)["logits"], atol=1e-5)
    (tensor,) = bundle.manifest.graphs["network"].inputs
    assert tensor.layout == {"tokens": "NT", "series": "NTC", "movie": "NTHWC"}[kind]
    assert tensor.dtype == ("int32" if kind == "tokens" else "float32")
    card = (tmp_path / "bundle" / "CARD.md").read_text()
    assert (
        f"Real inputs it was proven and judged on: {path.name} (not stated: your own data)." in card
    )
    assert (bundle.manifest.quality or {})["name"] == "accuracy"


def test_the_edge_refuses_what_is_out_of_range(trained, tmp_path):
    name, run, _ = trained
    if name == "listener":
        pytest.skip("any finite value is in range")
    bundle = open_bundle(export(run, tmp_path / "bundle"))
    x = runs.load_data(runs.read_settings(run)).valid.inputs(slice(1))
    with pytest.raises(InputError, match="'x'"):
        bundle.run("network", x=x + 1000)


class Kill(keras.callbacks.Callback):
    """Stop as a kill would, in the middle of the second epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == self.params["steps"] + 1:
            raise KeyboardInterrupt


def test_a_killed_run_goes_on(trained, tmp_path):
    _, run, _ = trained
    settings = runs.read_settings(run)
    with pytest.raises(KeyboardInterrupt):
        runs.train(settings, tmp_path / "killed", callbacks=[Kill()])
    again = runs.train(settings, tmp_path / "killed", resume=True)
    whole = keras.saving.load_model(run / "last.keras")
    for a, b in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_model_without_a_picture_says_so(trained):
    from typer.testing import CliRunner

    from dimaging_tf.commands.app import app

    name, run, _ = trained
    found = CliRunner().invoke(app, ["sample", str(run)])
    assert isinstance(found.exception, UserError)
    assert f"{name} draws no picture of its examples; export it and run it" in str(found.exception)


def test_it_is_exported_on_other_data_of_its_kind_and_no_other(trained, tmp_path):
    name, run, path = trained
    (tmp_path / "more").mkdir()
    other, _ = SYSTEMS[name][1](tmp_path / "more")
    export(run, tmp_path / "b", data=str(other), size=None)
    export(run, tmp_path / "c", data=load(path, **runs.data_options(runs.read_settings(run))))
    with pytest.raises(
        ExportError, match=rf"{name} works on .*; digits holds images \[N, H, W, C\]\. Pass"
    ):
        export(run, tmp_path / "d", data="digits")


def test_a_run_whose_data_has_moved_says_how_to_go_on(trained, tmp_path):
    """Also a path that was typed in another folder, which is recorded as it was."""
    _, run, path = trained
    moved = path.rename(path.with_name(f"moved{path.suffix}"))
    try:
        with pytest.raises(
            ExportError, match=r"learned from, .* is not there; export from the fold"
        ):
            export(run, tmp_path / "b")
        assert not (tmp_path / "b").exists()
        export(run, tmp_path / "b", data=str(moved))
    finally:
        moved.rename(path)


def test_data_of_another_kind_is_refused(trained, tmp_path):
    name, _, _ = trained
    settings = runs.default_settings(name, data="digits")
    with pytest.raises(
        DataError, match=rf"{name} learns from .*; digits holds images \[N, H, W, C\]\. Ch"
    ):
        runs.train(settings, tmp_path / "run")
    with pytest.raises(
        DataError, match=r"augment 'flips' varies images; .* holds .*Choose --augment none"
    ):
        runs.train(replace(runs.read_settings(trained[1]), augment="flips"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
