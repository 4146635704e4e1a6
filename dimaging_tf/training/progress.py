"""The progress of `fit` on the terminal; where there is no terminal, a plain line for each epoch."""

from typing import Any

import keras
from dimaging_edge.common import output


class Progress(keras.callbacks.Callback):
    """Shows a bar over the steps of an epoch with the losses so far, then a line for each finished epoch.

    `with Progress("vae") as bar: model.fit(..., callbacks=[bar])` gives the cursor back after an error too.
    With bars=False only the lines are shown, so that two trainings can share a terminal.
    """

    def __init__(self, title: str, bars: bool = True):
        super().__init__()
        self.title, self.shown = title, bars and output.shows_progress()
        self.bars: Any = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.on_train_end()

    def on_train_begin(self, logs=None):
        """Start the display on stderr, so that stdout stays free for results."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        self.console = Console(stderr=True, highlight=False, quiet=output.level < 0)
        self.bars = Bars(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
            console=self.console, transient=True, disable=not self.shown,
        )  # fmt: skip
        self.bars.start()

    def on_epoch_begin(self, epoch, logs=None):
        """Show a new bar."""
        epochs = self.params["epochs"]
        of = f"/{epochs}" if epochs < 10**6 else ""
        title = f"{self.title} epoch {epoch + 1}{of}"
        self.task = self.bars.add_task(title, total=self.params["steps"], losses="")

    def on_train_batch_end(self, batch, logs=None):
        """Advance the bar by one step."""
        self.bars.update(self.task, completed=batch + 1, losses=self._words(logs))

    def on_epoch_end(self, epoch, logs=None):
        """Replace the bar by the epoch's line."""
        self.bars.remove_task(self.task)
        self.console.print(f"{self.title} epoch {epoch + 1}  {self._words(logs)}", soft_wrap=True)

    def on_train_end(self, logs=None):
        """Give the terminal back."""
        if (
            self.bars is not None and self.shown
        ):  # before rich 15 one that was never shown ends with a blank line
            self.bars.stop()
        self.bars = None

    def _words(self, logs) -> str:
        named = sorted(
            (logs or {}).items(), key=lambda item: item[0].removeprefix("val_") != "loss"
        )
        units = getattr(self.model, "loss_units", {})
        said = ((name, value, units.get(name.removeprefix("val_"), "")) for name, value in named)
        return "  ".join(f"{name} {value:.4g} {unit}".rstrip() for name, value, unit in said)
