"""The display of a training: whatever ends it, the terminal is as it was."""

import io
import sys

import pytest

from dimaging_tf.errors import TrainingError
from dimaging_tf.training.progress import Progress

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("error", [KeyboardInterrupt, TrainingError])
def test_the_cursor_comes_back_after(error, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())

    def train():
        with Progress("vae") as bar:
            bar.set_params({"epochs": 2, "steps": 3})
            bar.on_train_begin()
            bar.on_epoch_begin(0)
            raise error

    with pytest.raises(error):
        train()
    said = terminal.getvalue()
    assert 0 <= said.find(HIDE) < said.rfind(SHOW)


def test_training_that_never_began_has_nothing_to_end():
    with Progress("vae"):
        pass
