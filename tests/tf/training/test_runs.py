"""Runs: resumed after a kill, stopped by NaN, recorded, never half-written."""

import itertools
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from dimaging_edge.common.errors import DimagingError
from dimaging_edge.common.files import read_json_lines, whole_file, write_json
from dimaging_edge.common.locks import sole_writer
from dimaging_edge.common.stopping import Terminated
from helpers import forked
from helpers.pages import ENV, run_warm
from helpers.small_runs import SMALL, small

from dimaging_tf.errors import TrainingError, UserError
from dimaging_tf.training import runs
from dimaging_tf.training.callbacks import (
    Checkpoint,
    RunRecord,
    StopOnInterrupt,
    StopOnNaN,
    TimeBudget,
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of one epoch, which the tests read or copy."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    runs.train(small("vae", epochs=1), folder)
    return folder


class Kill(keras.callbacks.Callback):
    """Stop as a kill would, in the middle of the second epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == 1.5 * self.params["steps"] // 1:
            raise KeyboardInterrupt


@pytest.mark.parametrize("model", SMALL)
def test_resumed_run_gives_the_weights_of_an_uninterrupted_one(model, tmp_path):
    settings = small(model)
    whole = runs.train(settings, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        runs.train(settings, tmp_path / "killed", callbacks=[Kill()])
    resumed = runs.train(runs.read_settings(tmp_path / "killed"), tmp_path / "killed", resume=True)
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    records = [read_json_lines(tmp_path / name / "metrics.jsonl") for name in ("whole", "killed")]
    assert [{**r, "seconds": 0} for r in records[0]] == [{**r, "seconds": 0} for r in records[1]]
    assert [r["epoch"] for r in records[1]] == [1, 2, 3]


def test_a_run_may_start_with_the_weights_of_another(finished, tmp_path):
    # A rate of 0 keeps what it began with.
    settings = replace(small("vae", epochs=1), init=str(finished), learning_rate=0.0)
    second = runs.train(settings, tmp_path / "second")
    first = keras.saving.load_model(finished / "best.keras")
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert runs.read_settings(tmp_path / "second").init == str(finished)


@pytest.mark.parametrize(
    "other", [small("vae", changes={"latent_dim": 3, "hidden": (16,)}), small("autoencoder")]
)
def test_weights_of_another_network_are_refused(other, finished, tmp_path):
    with pytest.raises(UserError, match="with other weights; expected a .* of the same sizes"):
        runs.train(replace(other, init=str(finished)), tmp_path / "second")


def test_command_killed_by_the_system_resumes(tmp_path):
    """The real thing: SIGKILL to the command after two epochs, --resume, equal weights."""
    command = [sys.executable, "-m", "dimaging_tf.commands.app", "train"]
    settings = "vae --data digits --epochs 8 --set hidden=(16,) --batch 50".split()
    words = [[*command, *settings, "--out", str(tmp_path / name)] for name in ("whole", "killed")]
    done = subprocess.run(words[0], env=ENV, capture_output=True, text=True, check=True)
    expected = f"{tmp_path / 'whole'}  next: dimaging export {tmp_path / 'whole'}"
    assert done.stdout.strip() == expected
    # One line per epoch, and nothing of TensorFlow's own.
    assert [line.split("  ")[0] for line in done.stderr.splitlines()] == [
        f"vae epoch {epoch}" for epoch in range(1, 9)
    ]
    killed = forked.start(words[1], tmp_path, ENV)
    while len(read_json_lines(tmp_path / "killed" / "metrics.jsonl")) < 2:
        assert killed.poll() is None
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert len(read_json_lines(tmp_path / "killed" / "metrics.jsonl")) < 8
    run_warm([*command, "--resume", "--out", str(tmp_path / "killed")], tmp_path)
    models = [
        keras.saving.load_model(tmp_path / name / "last.keras") for name in ("whole", "killed")
    ]
    for a, b in zip(*(m.get_weights() for m in models), strict=True):
        np.testing.assert_array_equal(a, b)


def test_record_says_what_the_run_was(tmp_path):
    runs.train(small("vae", epochs=1, seed=3), tmp_path / "run")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["model"] == "vae"
    assert record["seed"] == 3
    assert record["config"]["shape"] == [8, 8, 1]
    assert record["config"]["seed"] == 3  # of the training noise
    assert record["data"] == {
        "name": "digits", "licence": record["data"]["licence"],
        "kind": "image", "shape": [8, 8, 1], "range": [0.0, 1.0],
        "examples": [1500, 297],
    }  # fmt: skip
    assert set(record["versions"]) == {"python", "dimaging", "tensorflow", "keras", "numpy"}
    assert (tmp_path / "run" / "samples" / "epoch-0001.png").stat().st_size > 100
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "best.keras", "last.keras", "metrics.jsonl", "run.json", "samples",
    ]  # fmt: skip
    assert runs.load_model(tmp_path / "run").config.shape == (8, 8, 1)


def test_nan_stops_and_names_the_loss(tmp_path):
    settings = small("vae", epochs=1, learning_rate=1e20)
    with pytest.raises(
        TrainingError, match="became NaN or infinite. The checkpoints of earlier"
    ) as error:
        runs.train(settings, tmp_path / "run")
    assert "kl" in str(error.value)
    assert not (tmp_path / "run" / "last.keras").exists()


BEST = [  # monitored values of the epochs -> the epoch whose weights are in best.keras
    ([None, None, None], 3),  # no validation: the latest
    ([3.0, 1.0, 2.0], 2),
    ([math.nan, 2.0, 3.0], 2),
    ([math.nan, math.nan, math.nan], 1),
]


@pytest.mark.parametrize(("values", "best"), BEST)
def test_best_is_the_smallest_or_the_latest(values, best, tmp_path):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    checkpoint = Checkpoint(tmp_path)
    checkpoint.set_model(model)
    checkpoint.on_train_begin()
    for epoch, value in enumerate(values):
        model.set_weights([np.full((1, 1), epoch + 1)])
        checkpoint.on_epoch_end(epoch, {"loss": 1.0} if value is None else {"val_loss": value})
    kept, last = (
        keras.saving.load_model(tmp_path / f"{n}.keras").get_weights()[0] for n in ("best", "last")
    )
    assert (kept, last) == (best, 3)


def test_nan_of_the_validation_stops_too():
    stop = StopOnNaN()
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    stop.set_model(model)
    stop.on_epoch_end(0, {"loss": 1.0, "val_loss": 2.0})
    with pytest.raises(TrainingError, match="val_loss became NaN or infinite"):
        stop.on_epoch_end(1, {"loss": 1.0, "val_loss": math.nan})


def test_ctrl_c_after_the_last_step_is_not_lost():
    with pytest.raises(KeyboardInterrupt), StopOnInterrupt() as stop:
        stop._ask(signal.SIGINT, None)  # while the last checkpoint is written, no step follows
    other = StopOnInterrupt()
    other.asked = True
    other.__exit__(TrainingError, TrainingError("its own trouble goes first"), None)


@pytest.mark.parametrize(
    ("number", "raised"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)],
)
def test_a_signal_stops_at_the_end_of_the_step(number, raised):
    # In the background SIGINT is ignored.
    past = signal.signal(signal.SIGINT, signal.default_int_handler)
    with StopOnInterrupt() as stop:
        stop.on_train_batch_end(0)
        os.kill(os.getpid(), number)
        time.sleep(0.01)  # in the middle of a step nothing happens
        with pytest.raises(KeyboardInterrupt) as caught:
            stop.on_train_batch_end(1)
        stop.asked = 0
    assert caught.type is raised
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, past)


def test_ctrl_c_callback_without_its_context_does_nothing():
    stop = StopOnInterrupt()
    stop.on_train_batch_end(0)
    stop.on_test_batch_end(0)


def test_a_run_by_the_clock_keeps_its_record_and_ends_once(tmp_path):
    settings = small("vae", epochs=None, minutes=0.01)
    runs.train(settings, tmp_path)
    before = (tmp_path / "metrics.jsonl").read_text()
    last = json.loads(before.splitlines()[-1])
    assert last["seconds"] >= 0.6
    assert last["step"] == int(
        keras.saving.load_model(tmp_path / "last.keras").optimizer.iterations
    )
    with pytest.raises(UserError, match="has trained its 0.01 minutes; nothing is left to do"):
        runs.train(settings, tmp_path, resume=True)
    assert (tmp_path / "metrics.jsonl").read_text() == before


@pytest.mark.parametrize("more", [{"epochs": 2}, {"minutes": 0.005}], ids=str)
@pytest.mark.parametrize("first", [{"epochs": 1}, {"epochs": None, "minutes": 0.005}], ids=str)
def test_a_finished_run_goes_on(first, more, tmp_path):
    """Its epochs are kept and others follow, with the optimizer's moments and a rate above 0."""
    ticks = itertools.count(0, 0.01)  # a slow machine would use the time up in its first step
    clock = lambda: next(ticks)  # noqa: E731
    once = runs.train(small("vae", **first), tmp_path, clock=clock)
    epochs = (tmp_path / "metrics.jsonl").read_text().splitlines()
    steps, weights = int(once.optimizer.iterations), once.get_weights()
    settings = runs.longer(tmp_path, more.get("minutes"), more.get("epochs"))
    again = runs.train(settings, tmp_path, resume=True, clock=clock)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert lines[: len(epochs)] == epochs
    if "epochs" in more:
        assert (
            len(lines) >= len(epochs) + 2
        )  # one that the clock cut short is trained to its end first
    assert int(again.optimizer.iterations) > steps
    assert any((a != b).any() for a, b in zip(weights, again.get_weights(), strict=True))
    assert runs.read_settings(tmp_path) == settings


@pytest.mark.parametrize(("hold", "after"), [(0.0, 5.5 / 12), (0.25, (5.5 / 12 - 0.25) / 0.75)])
def test_time_budget_holds_falls_by_a_half_cosine_and_stops(hold, after):
    now = iter(np.arange(0, 100, 0.5))
    budget = TimeBudget(0.2, clock=lambda: next(now), hold=hold)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    rates = []
    see = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: rates.append(float(model.optimizer.learning_rate))
    )
    model.fit(
        np.zeros((500, 1)),
        np.zeros((500, 1)),
        batch_size=1,
        epochs=5,
        verbose=0,
        callbacks=[budget, see],
    )
    assert len(rates) == 12  # seconds of budget, one clock second a step
    assert rates[0] < 0.02  # warm-up
    np.testing.assert_allclose(rates[5], 6 / 100 * 0.5 * (1 + np.cos(np.pi * after)), rtol=1e-5)


def test_callbacks_serve_a_plain_fit_script(tmp_path):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)], name="mine")
    model.compile("sgd", "mse")
    callbacks = [StopOnNaN(), RunRecord(tmp_path), Checkpoint(tmp_path, monitor="loss")]
    model.fit(np.ones((4, 1)), np.ones((4, 1)), epochs=2, verbose=0, callbacks=callbacks)
    assert json.loads((tmp_path / "run.json").read_text())["model"] == "mine"
    assert len(read_json_lines(tmp_path / "metrics.jsonl")) == 2


def damage_inside(run):
    """A run whose file is a zip archive as it should be, but for a byte of what it holds."""
    write_json(run / "run.json", {"model": "vae"})
    with zipfile.ZipFile(run / "best.keras", "w") as archive:
        archive.writestr("config.json", "{}" * 50)
    content = bytearray((run / "best.keras").read_bytes())
    content[60] ^= 1
    (run / "best.keras").write_bytes(content)


ERRORS = {
    "run there already": (lambda p: (write_json(p / "run.json", {}), runs.train(small("vae"), p)), "holds a run already: continue it with --resume"),
    "not a run": (lambda p: runs.read_settings(p), "is not a run folder: it has no run.json"),
    "fit script": (lambda p: (write_json(p / "run.json", {"model": "vae"}), runs.read_settings(p)), "was not made by dimaging train"),
    "no checkpoint": (lambda p: runs.latest(p), "neither best.keras nor last.keras"),
    "damaged": (lambda p: (write_json(p / "run.json", {"model": "vae"}), (p / "best.keras").write_bytes(b"PK"), runs.load_model(p)), "best.keras cannot be opened: it is damaged, or a version with other networks wrote it"),
    "damaged inside": (lambda p: (damage_inside(p), runs.load_model(p)), "best.keras cannot be opened: it is damaged, or a version with other networks wrote it"),
    "strategy": (lambda p: runs.train(small("vae", strategy="many"), p / "b"), "--strategy must be single, mirrored or multiworker. Received: 'many'"),
    "devices": (lambda p: runs.train(small("vae", strategy="mirrored", batch=51), p / "b"), "--batch must be a multiple of the 2 devices. Received: 51"),
    "masks": (lambda p: runs.train(small("unet", changes={"width": 4, "depth": 1}), p / "b"), "unet: segmentation learns from masks, one class a pixel; digits has labels of whole images."),
    "model": (lambda p: runs.default_settings("vea"), "no model 'vea'; did you mean 'vae'?"),
}  # fmt: skip


@pytest.mark.parametrize("more", [3, -2])
def test_a_run_whose_data_has_changed_is_not_resumed(more, tmp_path):
    """It would see other batches, and end at once where there are fewer: epochs are counted in steps."""
    for count in (8, 8 + more):
        x = np.zeros((count, 8, 8, 1), np.uint8)
        np.savez(tmp_path / "mine.npz", x=x)
        settings = small("vae", data=str(tmp_path / "mine.npz"), batch=2, epochs=1)
        if count == 8:
            runs.train(settings, tmp_path / "run")
    longer = runs.longer(tmp_path / "run", None, 1)
    words = rf"mine.npz has changed since .*: 7 \+ 1 examples of 8 x 8 x 1 then, {7 + more} \+ 1 .*--init"
    with pytest.raises(UserError, match=words):
        runs.train(longer, tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    "error", [MemoryError(), tf.errors.ResourceExhaustedError(None, None, "OOM")]
)
def test_too_little_memory_is_said_in_words(error, tmp_path, monkeypatch):
    def start(*_):
        raise error

    monkeypatch.setattr(runs, "_start", start)
    with pytest.raises(
        TrainingError, match="memory does not suffice for vae with batches of 50.*--size"
    ):
        runs.train(small("vae"), tmp_path)


@pytest.mark.parametrize("below", ["", "run"])
def test_a_file_where_the_run_should_lie(below, tmp_path):
    (tmp_path / "there").write_text("mine")
    with pytest.raises(UserError, match="there is a file; expected a folder to write the run into"):
        runs.train(small("vae"), tmp_path / "there" / below)
    assert (tmp_path / "there").read_text() == "mine"


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case, tmp_path):
    act, words = ERRORS[case]
    with pytest.raises(UserError) as error:
        act(tmp_path)
    assert words in str(error.value)


def test_two_writers_of_one_folder(tmp_path):
    settings = small("vae", epochs=1)
    with (
        sole_writer(tmp_path / "run", tmp_path / "run" / ".dimaging-lock"),
        pytest.raises(DimagingError, match="run is being written by this process; wait until"),
    ):
        runs.train(settings, tmp_path / "run")


def test_resuming_clears_what_a_kill_left(finished, tmp_path):
    settings = small("vae", epochs=1)
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    mark = f"{dead.pid}-0123456789abcdef.dimaging"
    (tmp_path / f".last-{mark}.keras").write_bytes(b"half")
    (tmp_path / "samples" / f".epoch-0002-{mark}.png").write_bytes(b"half")
    ours = [".gitignore", ".notes-2024.txt", ".last-4711.keras", "samples/.epoch-1.png"]
    for name in ours:
        (tmp_path / name).write_text("mine")
    runs.train(settings, tmp_path, resume=True)
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob(".*"))
    assert left == sorted(ours)


def test_a_full_disk_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "x.json", {"old": 1})

    def fail():
        with whole_file(tmp_path / "x.json") as temporary:
            temporary.write_text("{")
            raise OSError(28, "No space left on device")

    with pytest.raises(DimagingError, match=r"cannot write .*x\.json: No space left"):
        fail()
    assert json.loads((tmp_path / "x.json").read_text()) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_the_seconds_of_the_record_are_those_of_the_run_s_clock(tmp_path):
    ticks = itertools.count(0, 100)  # far ahead of the wall's
    runs.train(small("vae", epochs=1), tmp_path, clock=lambda: next(ticks))
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line)["seconds"] == 100
