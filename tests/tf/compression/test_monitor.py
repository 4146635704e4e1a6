"""A plot after each epoch of a codec's run, and none of other models."""

import json

import pytest

from dimaging_tf.compression.monitor import RateDistortionPlot, points

RECORD = {"epoch": 1, "loss": 1.0, "val_bpp": 0.5, "val_bpp_4": 0.1, "val_psnr_4": 30.0}


def test_points():
    assert points(RECORD) == [("4", 0.1, 30.0)]
    assert points({"val_bpp_4": 0.1}) == []


@pytest.mark.parametrize(("epochs", "drawn"), [(1, True), (23, True), (0, False)])
def test_it_draws(tmp_path, epochs, drawn):
    records = [
        {**RECORD, "epoch": n, "val_bpp_60": 0.5 + 0.01 * n, "val_psnr_60": 40.0}
        for n in range(1, epochs + 1)
    ] or [{"epoch": 1, "loss": 1.0}]
    *past, last = records
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in past))
    RateDistortionPlot(tmp_path).on_epoch_end(epochs - 1, last)
    assert (tmp_path / "rate_distortion.png").exists() == drawn
