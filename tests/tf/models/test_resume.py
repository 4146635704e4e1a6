"""Every row of the table of models is traced once, saves whole, reloads without custom_objects, and goes on identically."""

from typing import Any

import keras
import numpy as np
from helpers.fitting import compiled, pairs, rows, traces_of


@rows
def test_save_load_and_continue_equals_no_interruption(row, tmp_path):
    """One model trains two epochs and is saved between them; what was saved trains the second again."""
    whole = compiled(row, row.eager)
    traces = traces_of(whole)
    path = tmp_path / "model.keras"
    save = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: None if epoch else whole.save(path)
    )
    given = {"batch_size": 4, "shuffle": False, "verbose": 0}
    whole.fit(*pairs(row, whole), epochs=2, callbacks=[save], **given)
    weights = whole.get_weights()
    if not row.eager:  # tests of their own trace the others; a Python number handed to the compiled step would trace it in every step
        assert len(traces) == row.phases
        traces.clear()
        whole.fit(*pairs(row, whole), epochs=1, **given)
        assert not traces
        assert int(whole.optimizer.iterations) == 9
    again: Any = keras.saving.load_model(path)
    again.run_eagerly = row.eager
    again.fit(*pairs(row, again), epochs=1, **given)
    assert int(again.optimizer.iterations) == 6
    for a, b in zip(weights, again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
