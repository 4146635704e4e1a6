"""Progress of `fit` on the terminal; one plain line per epoch where there is no terminal."""

import sys
from typing import Any

import keras


class Progress(keras.callbacks.Callback):
    """A bar over the steps of the epoch with the losses so far, then one line per finished epoch.

    `with Progress("vae") as bar: model.fit(..., callbacks=[bar])`: an error gives the cursor back too.
    Without `bars` only the lines, for two trainings on one terminal.
    """

    def __init__(self, title: str, bars: bool = True):
        super().__init__()
        self.title, self.shown = title, bars and sys.stderr.isatty()
        self.bars: Any = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.on_train_end()

    def on_train_begin(self, logs=None):
        """Start the display; stderr, so that stdout stays for results."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        self.console = Console(stderr=True, highlight=False)
        self.bars = Bars(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
            console=self.console, transient=True, disable=not self.shown,
        )  # fmt: skip
        self.bars.start()

    def on_epoch_begin(self, epoch, logs=None):
        """A fresh bar."""
        epochs = self.params["epochs"]
        of = f"/{epochs}" if epochs < 10**6 else ""
        title = f"{self.title} epoch {epoch + 1}{of}"
        self.task = self.bars.add_task(title, total=self.params["steps"], losses="")

    def on_train_batch_end(self, batch, logs=None):
        """One step."""
        self.bars.update(self.task, completed=batch + 1, losses=_words(logs))

    def on_epoch_end(self, epoch, logs=None):
        """The epoch's line stays."""
        self.bars.remove_task(self.task)
        self.console.print(f"{self.title} epoch {epoch + 1}  {_words(logs)}", soft_wrap=True)

    def on_train_end(self, logs=None):
        """Give the terminal back."""
        if self.bars is not None:
            self.bars.stop()
        self.bars = None


def _words(logs) -> str:
    named = sorted((logs or {}).items(), key=lambda item: item[0].removeprefix("val_") != "loss")
    return "  ".join(f"{name} {value:.4g}" for name, value in named)
