"""`rate_distortion.png` of a run, after each epoch: what a codec in training is worth at every rate."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
from dimaging_edge.common.files import read_json_lines


class RateDistortionPlot(keras.callbacks.Callback):
    """Draws the validation's (bpp_Q, psnr_Q) of the first epoch, of epochs on the way, and of this one.

    Earlier epochs come from the record of the run in `folder`. Nothing is drawn where no such pair is logged.
    """

    def __init__(self, folder: str | Path, lines: int = 5):
        super().__init__()
        self.folder, self.lines = Path(folder), lines

    def on_epoch_end(self, epoch, logs=None):
        """Draw anew: the record, and the epoch that ends."""
        past = read_json_lines(self.folder / "metrics.jsonl")
        past = [r for r in past if r["epoch"] <= epoch]  # a kill may have left one more
        records = [r for r in (*past, {"epoch": epoch + 1, **(logs or {})}) if points(r)]
        if not records:
            return
        from dimaging_tf.evaluation.plots import rate_distortion, save_figure

        step = max(1, (len(records) - 1) // (self.lines - 1))
        chosen = [*records[:-1:step], records[-1]]
        rows = [
            {"codec": f"epoch {r['epoch']}", "setting": setting, "bpp": bpp, "psnr": psnr}
            for r in chosen
            for setting, bpp, psnr in points(r)
        ]
        save_figure(rate_distortion(rows), self.folder / "rate_distortion.png")


def points(record: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """(quality, bits a pixel, dB) that an epoch's record holds, as val_bpp_32 and val_psnr_32."""
    names = [name.removeprefix("val_bpp_") for name in record if name.startswith("val_bpp_")]
    return [
        (name, record[f"val_bpp_{name}"], record[f"val_psnr_{name}"])
        for name in names
        if f"val_psnr_{name}" in record
    ]
