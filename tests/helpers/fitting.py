"""What the tests that train every row of the table of models share."""

import keras
import numpy as np
import pytest
from table import TABLE, Row

rows = pytest.mark.parametrize("row", [row for row in TABLE if row.trained], ids=str)


def compiled(row: Row, eager: bool = False):
    model = row.make()
    model.compile(optimizer=keras.optimizers.Adam(1e-3), run_eagerly=eager, **model.objective())
    return model


def traces_of(model) -> list:
    """A list that grows by one when Python runs the model's step: once a trace, or once a step of an eager one."""
    traces, step = [], model.train_step
    model.train_step = lambda data: (traces.append(1), step(data))[1]
    return traces


def pairs(row: Row, model) -> tuple:
    found = model.transform(*row.examples(), np.array([1, 2], np.int32))
    return found if isinstance(found, tuple) else (found,)
