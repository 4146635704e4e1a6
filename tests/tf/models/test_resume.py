"""Every row of the table of models saves whole, reloads without custom_objects, and goes on identically."""

from typing import Any

import keras
import numpy as np
from helpers.fitting import compiled, pairs, rows


@rows
def test_save_load_and_continue_equals_no_interruption(row, tmp_path):
    once = compiled(row, row.eager)
    once.fit(*pairs(row, once), epochs=2, batch_size=4, shuffle=False, verbose=0)
    twice = compiled(row, row.eager)
    twice.fit(*pairs(row, twice), epochs=1, batch_size=4, shuffle=False, verbose=0)
    twice.save(tmp_path / "model.keras")
    again: Any = keras.saving.load_model(tmp_path / "model.keras")
    again.run_eagerly = row.eager
    again.fit(*pairs(row, again), epochs=1, batch_size=4, shuffle=False, verbose=0)
    assert int(again.optimizer.iterations) == 6
    for a, b in zip(once.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
