"""The rows of the table of models that test_resume.py does not trace are traced once, whatever the number of steps."""

import pytest
from helpers.fitting import compiled, pairs, traces_of
from table import TABLE


@pytest.mark.parametrize("row", [row for row in TABLE if row.trained and row.eager], ids=str)
def test_one_trace_for_all_steps(row):
    """A Python number handed to the compiled step would trace it in every step; creating variables may take a second."""
    model = compiled(row)
    traces = traces_of(model)
    model.fit(*pairs(row, model), epochs=1, batch_size=4, verbose=0)
    assert 0 < len(traces) <= 2 * row.phases
    traces.clear()
    model.fit(*pairs(row, model), epochs=1, batch_size=4, verbose=0)
    assert not traces
    assert int(model.optimizer.iterations) == 6
