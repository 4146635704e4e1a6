"""A guard against catastrophic overfitting: back to the best epoch where robustness collapses."""

import logging
import math
from pathlib import Path
from typing import Any

import keras

log = logging.getLogger(__name__)


class CollapseGuard(keras.callbacks.Callback):
    """Give a model the weights of `best.keras` back when `monitor` falls by more than `drop`.

    folder: the run's, in which `Checkpoint` keeps best.keras. monitor: a share that is better when larger, of
    the validation, such as the accuracy under PGD. The optimizer goes on as it was, with a learning rate that
    has fallen since.
    """

    def __init__(self, folder: str | Path, monitor: str = "val_robust", drop: float = 0.2):
        super().__init__()
        self.folder, self.monitor, self.drop = Path(folder), monitor, drop
        self.best = -math.inf
        self.restored = 0
        """How often it had to help."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Look at the epoch, and go back where it has collapsed."""
        value = (logs or {}).get(self.monitor)
        if value is None:
            return
        best = self.folder / "best.keras"
        if value < self.best - self.drop and best.exists():
            log.warning(
                "%s fell from %.3f to %.3f: back to the best epoch", self.monitor, self.best, value
            )
            self.model.set_weights(keras.saving.load_model(best).get_weights())
            self.restored += 1
        self.best = max(self.best, value)
