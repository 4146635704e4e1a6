"""Writing in numpy: one token at a time, each drawn and read again. Some ten thousand a second.

A token is drawn by the Gumbel trick, argmax(logits + temperature * noise), as an exported writer does it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from dimaging_edge.common.files import write_text

from dimaging_tf.layers.lstm import SlideLSTM

LENGTH = 500
"""Characters of the paragraph that each epoch writes."""


def write_tokens(
    reader: keras.Model, prime: Sequence[int], n: int, temperature: float, seed: int
) -> list[int]:
    """Read `prime`, then draw n tokens; `reader` is a chain of SlideLSTM layers and a Dense one."""
    rng = np.random.default_rng(seed)
    cells = [_Cell(layer) for layer in reader.layers if isinstance(layer, SlideLSTM)]
    head, bias = (np.asarray(w) for w in reader.layers[-1].get_weights())
    drawn, waiting = [], list(prime)
    while len(drawn) < n:
        x: Any = waiting.pop(0)
        for cell in cells:
            x = cell.step(x)
        if not waiting:
            noise = rng.gumbel(size=bias.shape) * temperature
            drawn.append(int(np.argmax(x @ head + bias + noise)))
            waiting.append(drawn[-1])
    return drawn


class _Cell:
    """One recurrent layer and its state."""

    def __init__(self, layer: SlideLSTM):
        self.kernel, self.recurrent, self.bias = (np.asarray(w) for w in layer.get_weights())
        self.one_hot = layer.tokens is not None
        self.squash = np.tanh if layer.candidate == "tanh" else _sigmoid
        self.h = self.s = np.zeros(layer.units, np.float32)

    def step(self, x: Any) -> np.ndarray:
        """Take a token or a vector; return the output h."""
        told = self.kernel[x] if self.one_hot else x @ self.kernel
        i, f, new, o = np.split(told + self.h @ self.recurrent + self.bias, 4)
        self.s = _sigmoid(f) * self.s + _sigmoid(i) * self.squash(new)
        self.h = _sigmoid(o) * np.tanh(self.s)
        return self.h


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * x))


class WriteSample(keras.callbacks.Callback):
    """samples/epoch-0001.txt: a paragraph that the model writes after each epoch, from the same seed."""

    def __init__(self, folder: Path):
        super().__init__()
        self.folder = folder / "samples"

    def on_epoch_end(self, epoch, logs=None):
        """Write it whole, or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = self.model.write("", LENGTH, temperature=0.8)
        write_text(self.folder / f"epoch-{epoch + 1:04d}.txt", text + "\n")
