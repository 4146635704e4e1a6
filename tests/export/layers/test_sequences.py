"""The table of layers, see helpers/layer_table/sequences.py."""

import helpers.devices  # noqa: F401  before the first tensor
import pytest
from helpers.layer_table.check import check
from helpers.layer_table.sequences import ROWS


@pytest.mark.parametrize("row", ROWS, ids=str)
@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask:UserWarning:keras")
def test_row(row, tmp_path):
    check(row, tmp_path)
