"""What a budget says of a measurement in the page, in the words of Python's gate."""

from dataclasses import asdict
from typing import Any

import pytest
from dimaging_edge.benchmark.budget import NO_BUDGET, NOISY, OK, OVER, PATIENCE_S, verdict
from dimaging_edge.benchmark.paired_ratio import FEWEST, UNEVEN, Ratio

VERDICT = """async ([found, most]) => {
  const {verdict} = await import("/paired_ratio.mjs");
  return verdict(found, most);
}"""


def ratio(low: float, middle: float, high: float, **changes: Any) -> Ratio:
    settled = {"spread": 0.02, "rounds": (middle,) * 43, "waited": 0, "seconds": PATIENCE_S}
    return Ratio(middle, low, high, **{**settled, **changes})


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (ratio(2.8, 2.9, 3.0), OK),
        (ratio(3.1, 3.2, 3.3), OVER),
        (ratio(2.9, 3.0, 3.1), NOISY),
        (ratio(2.0, 2.0, 2.0, rounds=(2.0,) * (FEWEST - 1)), NOISY),
        (ratio(4.0, 4.0, 4.0, spread=UNEVEN * 1.1), NOISY),
        (ratio(3.1, 3.2, 3.3, seconds=PATIENCE_S / 2), NOISY),
        (ratio(3.1, 3.2, 3.3, rounds=(3.2,) * 34 + (2.9,) * 9), NOISY),
        (ratio(3.1, 3.2, 3.3, rounds=(2.9,) * 4 + (3.2,) * 39), OVER),
    ],
)
def test_verdicts_are_python_s(kit: Any, found: Ratio, says: str) -> None:
    assert verdict(found, 3.0) == says
    assert kit.evaluate(VERDICT, [asdict(found), 3.0]) == says
    assert kit.evaluate(VERDICT, [asdict(found), None]) == NO_BUDGET
