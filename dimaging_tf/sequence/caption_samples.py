"""What a captioner says while it learns: sentences about a few images, beside what people said."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
from dimaging_edge.common.files import write_text

from dimaging_tf.data.words import decode


class WriteCaptions(keras.callbacks.Callback):
    """Writes `samples/captions-EPOCH.txt` at the end of each epoch: eight images, evenly over the split."""

    def __init__(self, folder: str | Path, dataset: Any, count: int = 8):
        super().__init__()
        self.folder, self.words = Path(folder) / "samples", dataset.words
        valid = dataset.valid
        index = np.linspace(0, len(valid) - 1, min(count, len(valid))).astype(int)
        self.x, label = valid.inputs(index), valid.label[index]
        self.label = label[:, 0] if label.ndim == 3 else label

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the greedy sentences, which cost least, and the captions of the data below them."""
        model: Any = self.model
        said = model.caption(self.x, beam=1)
        pairs = zip(said, decode(self.label, self.words), strict=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = (f"{own}\n  ({known})\n" for own, known in pairs)
        write_text(self.folder / f"captions-{epoch + 1:04}.txt", "".join(lines))
