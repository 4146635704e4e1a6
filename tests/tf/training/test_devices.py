"""A run that is spread over two devices."""

from dataclasses import replace

import pytest
import tensorflow as tf
from dimaging_edge.common.files import read_json_lines
from helpers.small_runs import SMALL, small

from dimaging_tf.training import runs


@pytest.mark.parametrize("model", SMALL)
def test_two_devices_give_the_losses_of_one(model, tmp_path):
    # Dropout draws per device: the one source of randomness that cannot agree.
    changes = {**SMALL[model]["changes"], **({"dropout": 0.0} if model == "unet" else {})}
    settings = small(model, epochs=2, changes=changes)
    for strategy in ("single", "mirrored"):
        runs.train(replace(settings, strategy=strategy), tmp_path / strategy)
    one, two = (read_json_lines(tmp_path / s / "metrics.jsonl") for s in ("single", "mirrored"))
    assert len(tf.config.list_logical_devices("CPU")) == 2
    for a, b in zip(one, two, strict=True):
        for name in a.keys() - {"seconds"}:
            # Another order of summation, amplified by Adam; and the last validation batch is odd:
            # its halves draw other noise than the whole.
            assert a[name] == pytest.approx(b[name], rel=1e-3)
