"""Keras callbacks of a training run; a user's own `fit` script adds the ones it wants.

    runs/<name>/  run.json  metrics.jsonl  last.keras  best.keras
                  samples/epoch-0001.png ... training.webp

Every file is replaced whole, so a kill at any moment leaves a folder that `dimaging train --resume`
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

from dimaging_tf import __version__
from dimaging_tf.errors import TrainingError


class StopOnNaN(keras.callbacks.Callback):
    """TrainingError that names the loss which is no longer finite, at the step where it happens."""

    def on_train_batch_end(self, batch, logs=None):
        """Look at every tracked value, those of the validation at the end of an epoch."""
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
    """Ctrl-C raises KeyboardInterrupt at the end of the step; pressed twice, at once.

    In the middle of a step it would meet TensorFlow's own threads, which abort the process or lose it.
    Used around `fit`: `with StopOnInterrupt() as stop: model.fit(..., callbacks=[stop])`.
    """

    def __init__(self):
        super().__init__()
        self.asked = self.taken = False

    def __enter__(self):
        self.asked, self.past = False, signal.getsignal(signal.SIGINT)
        main = threading.current_thread() is threading.main_thread()  # no other may have signals
        self.taken = (
            main and self.past is signal.default_int_handler
        )  # ignored under nohup: stays so
        if self.taken:
            signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, kind=None, *error):
        self._restore()
        if self.asked and kind is None:  # pressed after the last step
            raise KeyboardInterrupt

    def _ask(self, number, frame):
        self.asked = True
        self._restore()

    def _restore(self):
        if self.taken:
            signal.signal(signal.SIGINT, self.past)
            self.taken = False

    def on_train_batch_end(self, batch, logs=None):
        """Stop here if asked to."""
        if self.asked:
            raise KeyboardInterrupt

    on_test_batch_end = on_train_batch_end


class Checkpoint(keras.callbacks.Callback):
    """`last.keras` after every epoch and `best.keras` by `monitor` (the smallest value wins).

    Where nothing is called `monitor`, as without validation data, the latest epoch is the best.
    """

    def __init__(self, folder: str | Path, monitor: str = "val_loss"):
        super().__init__()
        self.folder, self.monitor = Path(folder), monitor

    def on_train_begin(self, logs=None):
        """A resumed run knows its best value from the record."""
        past = [
            r[self.monitor]
            for r in read_json_lines(self.folder / "metrics.jsonl")
            if math.isfinite(r.get(self.monitor, math.nan))
        ]
        self.best = min(past, default=math.inf)

    def on_epoch_end(self, epoch, logs=None):
        """Weights, optimizer state and configuration in one file, replaced in one step."""
        value = (logs or {}).get(self.monitor)
        if value is None or value < self.best or not (self.folder / "best.keras").exists():
            self.best = value if value is not None and math.isfinite(value) else math.inf
            self._save("best.keras")
        self._save("last.keras")

    def _save(self, name: str) -> None:
        with whole_file(self.folder / name) as temporary:
            self.model.save(temporary)


class RunRecord(keras.callbacks.Callback):
    """`run.json` (model, config, seed, data, versions) and one line of `metrics.jsonl` per epoch."""

    def __init__(self, folder: str | Path, **facts: Any):
        super().__init__()
        self.folder, self.facts = Path(folder), facts

    def on_train_begin(self, logs=None):
        """Write the run's facts; on resuming, drop what came after the checkpoint."""
        model = self.model
        record = {"model": getattr(model, "registry_name", model.name), "versions": versions()}
        if hasattr(model, "config"):
            record["config"] = model.get_config()["config"]
        write_json(self.folder / "run.json", {**record, **self.facts})
        self.epochs = epochs_done(self.folder, steps_done(model))
        self._write()
        self.start = time.monotonic() - (self.epochs[-1]["seconds"] if self.epochs else 0.0)

    def on_epoch_end(self, epoch, logs=None):
        """Append the epoch; times are seconds of training so far, over all sessions of the run."""
        values = {name: float(np.mean(value)) for name, value in (logs or {}).items()}
        seconds = round(time.monotonic() - self.start, 3)
        place = {"epoch": epoch + 1, "step": steps_done(self.model), "seconds": seconds}
        self.epochs.append({**place, **values})
        self._write()

    def _write(self) -> None:
        lines = (json.dumps(record) + "\n" for record in self.epochs)
        write_text(self.folder / "metrics.jsonl", "".join(lines))


class SampleGrid(keras.callbacks.Callback):
    """`samples/epoch-0001.png` after each epoch: what `picture(x, label)` of the model draws, if it draws."""

    def __init__(self, folder: str | Path, x: np.ndarray, label: np.ndarray | None = None):
        super().__init__()
        self.folder, self.x, self.label = Path(folder) / "samples", x, label

    def on_epoch_end(self, epoch, logs=None):
        """Draw and save."""
        from dimaging_tf.evaluation.plots import save_grid

        grid = self.model.picture(self.x, self.label)
        if grid is None:
            return
        save_grid(grid, self.folder / f"epoch-{epoch + 1:04d}.png")


class Animation(keras.callbacks.Callback):
    """`samples/training.webp` of the pictures of all epochs so far; comes after `SampleGrid`."""

    def __init__(self, folder: str | Path):
        super().__init__()
        self.folder = Path(folder) / "samples"

    def on_epoch_end(self, epoch, logs=None):
        """Make it anew: a resumed run goes on with it."""
        from dimaging_tf.evaluation.plots import save_animation

        frames = sorted(self.folder.glob("epoch-*.png"))[: epoch + 1]
        save_animation(frames, self.folder / "training.webp")


class TimeBudget(keras.callbacks.Callback):
    """Stop after `minutes`; the learning rate falls to zero by a half cosine of the time used.

    The first 100 steps warm up. The one callback whose result depends on the machine's speed.
    """

    def __init__(
        self, minutes: float, spent: float = 0.0, clock: Callable[[], float] = time.monotonic
    ):
        super().__init__()
        self.seconds, self.spent, self.clock = minutes * 60, spent, clock

    def on_train_begin(self, logs=None):
        """Start the clock."""
        self.peaks = [float(x.learning_rate) for x in optimizers(self.model)]
        self.start = self.clock() - self.spent

    def on_train_batch_begin(self, batch, logs=None):
        """Set the learning rate for this step."""
        fraction = min(1.0, (self.clock() - self.start) / self.seconds)
        warm = min(1.0, (steps_done(self.model) + 1) / 100)
        share = warm * 0.5 * (1 + math.cos(math.pi * fraction))
        for optimizer, peak in zip(optimizers(self.model), self.peaks, strict=True):
            optimizer.learning_rate = peak * share

    def on_train_batch_end(self, batch, logs=None):
        """Stop in the middle of an epoch if need be."""
        if self.clock() - self.start >= self.seconds:
            self.model.stop_training = True


def optimizers(model: keras.Model) -> list[Any]:
    """Of each player of a game, or the one that a model has."""
    return getattr(model, "optimizers", None) or [model.optimizer]


def set_learning_rate(model: keras.Model, rate: float) -> None:
    """Of all optimizers; a game has its own way."""
    if hasattr(model, "set_learning_rate"):
        model.set_learning_rate(rate)
    else:
        model.optimizer.learning_rate = rate


def steps_done(model: keras.Model) -> int:
    """Optimizer steps so far, on one device or mirrored over several."""
    return int(keras.ops.convert_to_numpy(model.optimizer.iterations))


def epochs_done(folder: str | Path, steps: int) -> list[dict[str, Any]]:
    """The recorded epochs of a run whose checkpoint has done `steps`; a kill may leave one more."""
    records = read_json_lines(Path(folder) / "metrics.jsonl")
    return [record for record in records if record.get("step", 0) <= steps]


def versions() -> dict[str, str]:
    """Of python and of the packages that decide the numbers."""
    packages = ("tensorflow", "keras", "numpy")
    return {
        "python": platform.python_version(),
        "dimaging": __version__,
        **{package: version(package) for package in packages},
    }
