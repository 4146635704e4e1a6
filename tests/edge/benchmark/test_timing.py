"""The figures themselves: percentiles, intervals, warm-up, batches."""

from pathlib import Path

import numpy as np
import pytest
from dimaging_edge import InputError, open_bundle
from dimaging_edge.benchmark import timing
from dimaging_edge.benchmark.inputs import tile
from dimaging_edge.benchmark.stats import median_interval, percentiles, spread
from dimaging_edge.benchmark.timing import FEWEST, WarmUp, time_runs, warm_up

PERCENTILES = [
    ([], None, None, None),
    ([7], 7, 7, None),
    ([1, 2], 1.5, 1.9, None),
    (range(101), 50, 90, None),
    (range(499), 249, 448.2, None),
    (range(501), 250, 450, 495),
    ([1] * 999 + [10**9], 1, 1, 1),
    ([1] * 900 + [10**9] * 100, 1, 1 + 0.1 * (10**9 - 1), 10**9),  # outliers stay
]


@pytest.mark.parametrize(("samples", "p50", "p90", "p99"), PERCENTILES)
def test_percentiles(samples, p50, p90, p99) -> None:
    found = percentiles(samples)
    assert found["p50"] == (p50 if p50 is None else pytest.approx(p50))
    assert found["p90"] == (p90 if p90 is None else pytest.approx(p90))
    assert found["p99"] == (p99 if p99 is None else pytest.approx(p99))


def test_interval_holds_the_median_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(200):
        low, high = median_interval(rng.lognormal(0, 0.2, 40).tolist(), seed)
        assert low <= high
        hits += low <= 1 <= high
    assert hits >= 192  # 99 % of 200 is 198; a bootstrap of 40 values is a little short of it


def test_interval_is_seeded_and_shrinks() -> None:
    values = np.random.default_rng(1).normal(3, 0.1, 400).tolist()
    assert median_interval(values) == median_interval(values)
    wide, narrow = median_interval(values[:20]), median_interval(values)
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])
    assert median_interval([2.0]) == (2.0, 2.0)


@pytest.mark.parametrize(
    ("values", "expected"), [([5, 5, 5], 0), ([1, 2, 3, 4, 5], 2 / 3), ([1, 1, 1, 1, 100], 0)]
)
def test_spread(values, expected) -> None:
    assert spread(values) == pytest.approx(expected)


class Clock:
    """Time that passes only inside the runs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, durations):
        self.now, self.durations = 0, iter(durations)
        monkeypatch.setattr(timing, "perf_counter_ns", lambda: self.now)

    def run(self) -> None:
        self.now += next(self.durations)


WARM_UPS = [
    ([100] * 99, WarmUp(16, True)),
    ([900] * 8 + [100] * 99, WarmUp(24, True)),
    ([10**9, 100] + [100] * 99, WarmUp(1, False)),  # the first run eats the time: one more
    ([2**n for n in range(40)], WarmUp(30, False)),  # never settles
]


@pytest.mark.parametrize(("durations", "expected"), WARM_UPS)
def test_warm_up(monkeypatch: pytest.MonkeyPatch, durations, expected: WarmUp) -> None:
    clock = Clock(monkeypatch, durations)
    found = warm_up(clock.run, 1.0)
    assert found.settled == expected.settled
    assert found.runs == max(2, expected.runs)


def test_every_sample_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    durations = [10**8, 5 * 10**8, 10**8, 9 * 10**8]
    clock = Clock(monkeypatch, durations + [10**8] * 20)
    assert time_runs(clock.run, 1.0) == durations + [10**8] * (FEWEST - 4)


def test_tile(toy: Path) -> None:
    bundle = open_bundle(toy)
    inputs = bundle.examples("denoiser")[0]
    tiled = tile(bundle.graph("denoiser"), inputs, 3)["noisy"]
    assert tiled.shape == (3, 16, 12, 1)
    np.testing.assert_array_equal(tiled[2], inputs["noisy"][0])
    assert bundle.run("denoiser", noisy=tiled)["clean"].shape == tiled.shape
    wide = tile(bundle.graph("denoiser"), inputs, 1, {"width": 30, "height": 9})["noisy"]
    assert wide.shape == (1, 9, 30, 1)
    np.testing.assert_array_equal(wide[:, :, 12:24], inputs["noisy"][:, :9])
    photo = bundle.examples("negative")[0]
    assert tile(bundle.graph("negative"), photo, 1)["photo"] is photo["photo"]
    with pytest.raises(InputError, match="negative: batch 2 was asked for, but its shapes are fix"):
        tile(bundle.graph("negative"), photo, 2)
    with pytest.raises(InputError, match="batch: expected 1 or more, received 0"):
        tile(bundle.graph("denoiser"), inputs, 0)
