"""Keras callbacks that record a training run; a `fit` script adds those that it wants.

    runs/<name>/  run.json  metrics.jsonl  last.keras  best.keras
                  samples/epoch-0001.png ... training.webp

Every file is replaced as a whole, so a kill at any moment leaves a folder that `dimaging train --resume`
continues.
"""

import json
import math
import platform
import signal
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
from dimaging_edge.common.files import read_json_lines, whole_file, write_json, write_text
from dimaging_edge.common.stopping import Terminated
from dimaging_edge.common.version import __version__

from dimaging_tf.errors import TrainingError


class StopOnNaN(keras.callbacks.Callback):
    """Raises TrainingError at the step where a loss is no longer finite, and names the loss."""

    def on_train_batch_end(self, batch, logs=None):
        """Check every tracked value; at the end of an epoch also those of the validation."""
        broken = [name for name, value in (logs or {}).items() if not np.all(np.isfinite(value))]
        if broken:
            step = steps_done(self.model)
            raise TrainingError(
                f"Training stopped at step {step}: {', '.join(broken)} became NaN or infinite. "
                "The checkpoints of earlier epochs are kept. Try a smaller --learning-rate, and look "
                "for NaN or values outside [0, 1] in the data."
            )

    on_epoch_end = on_train_batch_end


class StopOnInterrupt(keras.callbacks.Callback):
    """Raises KeyboardInterrupt at the end of the step in which Ctrl-C is pressed; pressed twice, at once.

    SIGTERM likewise raises Terminated, which is a KeyboardInterrupt. In the middle of a step, TensorFlow's
    own threads would abort the process or lose the interrupt. It is used around `fit`:
    `with StopOnInterrupt() as stop: model.fit(..., callbacks=[stop])`.
    """

    def __init__(self):
        super().__init__()
        self.asked: int = 0  # the number of the signal
        self.past: dict[int, Any] = {}  # the handlers that it stands in for

    def __enter__(self):
        self.asked = 0
        if threading.current_thread() is threading.main_thread():  # only it may handle signals
            for number in (signal.SIGINT, signal.SIGTERM):
                before = signal.getsignal(number)
                # Where a signal is ignored, as SIGINT under nohup, it stays ignored; and another's
                # handler of Ctrl-C stays in charge.
                own = number == signal.SIGTERM or before is signal.default_int_handler
                if own and before is not signal.SIG_IGN:
                    self.past[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, kind=None, *error):
        self._restore()
        if kind is None:  # it may have come after the last step
            self._stop_if_asked()

    def _ask(self, number, frame):
        self.asked = number
        self._restore()

    def _restore(self):
        for number, handler in self.past.items():
            signal.signal(number, handler)
        self.past = {}

    def _stop_if_asked(self):
        if self.asked:
            raise Terminated if self.asked == signal.SIGTERM else KeyboardInterrupt

    def on_train_batch_end(self, batch, logs=None):
        """Raise what was asked for during the step."""
        self._stop_if_asked()

    on_test_batch_end = on_train_batch_end


class Checkpoint(keras.callbacks.Callback):
    """Saves `last.keras` after every epoch, and `best.keras` where `monitor` is the smallest so far.

    Where the logs hold no `monitor`, as without validation data, the latest epoch counts as the best.
    """

    def __init__(self, folder: str | Path, monitor: str = "val_loss"):
        super().__init__()
        self.folder, self.monitor = Path(folder), monitor

    def on_train_begin(self, logs=None):
        """Read the best value so far of a resumed run from its record."""
        past = [
            r[self.monitor]
            for r in read_json_lines(self.folder / "metrics.jsonl")
            if math.isfinite(r.get(self.monitor, math.nan))
        ]
        self.best = min(past, default=math.inf)

    def on_epoch_end(self, epoch, logs=None):
        """Save weights, optimizer state and configuration in one file, replaced in one step."""
        value = (logs or {}).get(self.monitor)
        if value is None or value < self.best or not (self.folder / "best.keras").exists():
            self.best = value if value is not None and math.isfinite(value) else math.inf
            self._save("best.keras")
        self._save("last.keras")

    def _save(self, name: str) -> None:
        with whole_file(self.folder / name) as temporary:
            self.model.save(temporary)


class RunRecord(keras.callbacks.Callback):
    """Writes `run.json` (model, config, seed, data, versions), and each epoch's line of `metrics.jsonl`.

    clock   the time in seconds, the same that ends a run by minutes
    facts   further entries of run.json
    """

    def __init__(
        self, folder: str | Path, clock: Callable[[], float] = time.monotonic, **facts: Any
    ):
        super().__init__()
        self.folder, self.clock, self.facts = Path(folder), clock, facts

    def on_train_begin(self, logs=None):
        """Write the run's facts, and drop the epochs that a resumed run had recorded after its checkpoint."""
        model = self.model
        record = {"model": getattr(model, "registry_name", model.name), "versions": versions()}
        if hasattr(model, "config"):
            record["config"] = model.get_config()["config"]
        write_json(self.folder / "run.json", {**record, **self.facts})
        self.epochs = epochs_done(self.folder, steps_done(model))
        self._write()
        self.start = self.clock() - (self.epochs[-1]["seconds"] if self.epochs else 0.0)

    def on_epoch_end(self, epoch, logs=None):
        """Append the epoch; `seconds` are those of training so far, over all sessions of the run."""
        values = {name: float(np.mean(value)) for name, value in (logs or {}).items()}
        seconds = round(self.clock() - self.start, 3)
        place = {"epoch": epoch + 1, "step": steps_done(self.model), "seconds": seconds}
        self.epochs.append({**place, **values})
        self._write()

    def _write(self) -> None:
        lines = (json.dumps(record) + "\n" for record in self.epochs)
        write_text(self.folder / "metrics.jsonl", "".join(lines))


class SampleGrid(keras.callbacks.Callback):
    """Saves the `picture(x, label)`, if any, of a DeployableModel after an epoch: `samples/epoch-0001.png`.

    Its `sentences`, if any, are written below the cells; else its `picture_rows`, if any, beside the rows.
    """

    def __init__(self, folder: str | Path, x: np.ndarray, label: np.ndarray | None = None):
        super().__init__()
        self.folder, self.x, self.label = Path(folder) / "samples", x, label

    def on_epoch_end(self, epoch, logs=None):
        """Draw the picture, and save it."""
        from dimaging_tf.evaluation.plots import save_grid

        grid = self.model.picture(self.x, self.label)
        if grid is None:
            return
        rows, words = self.model.picture_rows, self.model.sentences(self.x)
        save_grid(grid, self.folder / f"epoch-{epoch + 1:04d}.png", rows, sentences=words)


class Animation(keras.callbacks.Callback):
    """Makes `samples/training.webp` of the pictures of all epochs so far; it comes after `SampleGrid`."""

    def __init__(self, folder: str | Path):
        super().__init__()
        self.folder = Path(folder) / "samples"

    def on_epoch_end(self, epoch, logs=None):
        """Make the animation anew from the picture files, also those of a resumed run's earlier epochs."""
        from dimaging_tf.evaluation.plots import save_animation

        frames = sorted(self.folder.glob("epoch-*.png"))[: epoch + 1]
        save_animation(frames, self.folder / "training.webp")


class TimeBudget(keras.callbacks.Callback):
    """Stops training after `minutes`; the learning rate falls to zero by a half cosine of the time left.

    The learning rate warms up in the first 100 steps. The weights depend on the machine's speed, which they
    do with no other callback.

    spent   seconds that a resumed run has trained already
    clock   the time in seconds
    hold    share of the time, 0 to below 1, before the learning rate begins to fall
    """

    def __init__(
        self, minutes: float, spent: float = 0.0, clock: Callable[[], float] = time.monotonic,
        hold: float = 0.0,
    ):  # fmt: skip
        super().__init__()
        self.seconds, self.spent, self.clock, self.hold = minutes * 60, spent, clock, hold

    def on_train_begin(self, logs=None):
        """Start the clock, and keep the learning rates to fall from."""
        self.peaks = [float(x.learning_rate) for x in optimizers(self.model)]
        self.start = self.clock() - self.spent

    def on_train_batch_begin(self, batch, logs=None):
        """Set the learning rate for this step."""
        fraction = min(1.0, (self.clock() - self.start) / self.seconds)
        warm = min(1.0, (steps_done(self.model) + 1) / 100)
        fallen = max(0.0, fraction - self.hold) / (1 - self.hold)
        share = warm * 0.5 * (1 + math.cos(math.pi * fallen))
        for optimizer, peak in zip(optimizers(self.model), self.peaks, strict=True):
            optimizer.learning_rate = peak * share

    def on_train_batch_end(self, batch, logs=None):
        """Stop training once the time is used, also in the middle of an epoch."""
        if self.clock() - self.start >= self.seconds:
            self.model.stop_training = True


def optimizers(model: keras.Model) -> list[Any]:
    """Return all optimizers of a model: two for a GAN, otherwise one."""
    return getattr(model, "optimizers", None) or [model.optimizer]


def set_learning_rate(model: keras.Model, rate: float) -> None:
    """Set the learning rate of a model's optimizers; a GAN derives the discriminator's from it."""
    if hasattr(model, "set_learning_rate"):
        model.set_learning_rate(rate)
    else:
        model.optimizer.learning_rate = rate


def steps_done(model: keras.Model) -> int:
    """Return the optimizer steps so far, on one device or mirrored over several."""
    return int(keras.ops.convert_to_numpy(model.optimizer.iterations))


def epochs_done(folder: str | Path, steps: int) -> list[dict[str, Any]]:
    """Return the recorded epochs of a run up to its checkpoint, which has done `steps`.

    A kill between the record and the checkpoint leaves one epoch more in the file.
    """
    records = read_json_lines(Path(folder) / "metrics.jsonl")
    return [record for record in records if record.get("step", 0) <= steps]


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a run's numbers depend on."""
    packages = ("tensorflow", "keras", "numpy")
    return {
        "python": platform.python_version(),
        "dimaging": __version__,
        **{package: version(package) for package in packages},
    }
