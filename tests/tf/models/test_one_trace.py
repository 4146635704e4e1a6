"""Every row of the table of models is traced once, whatever the number of steps."""

from helpers.fitting import compiled, pairs, rows


@rows
def test_one_trace_for_all_steps(row):
    """A Python number handed to the compiled step would trace it in every step; creating variables may take a second."""
    model = compiled(row)
    traces = []
    step = model.train_step
    model.train_step = lambda data: (traces.append(1), step(data))[1]
    model.fit(*pairs(row, model), epochs=1, batch_size=4, verbose=0)
    assert len(traces) <= 2 * row.phases
    traces.clear()
    model.fit(*pairs(row, model), epochs=1, batch_size=4, verbose=0)
    assert not traces
    assert int(model.optimizer.iterations) == 6
