"""The latency gate: verdicts, budget files, and (slow) that it holds on a busy machine."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from dimaging_edge import open_bundle
from dimaging_edge.benchmark import BudgetError, Settings, budget_text, paired_ratio, read_budget
from dimaging_edge.benchmark.budget import (
    CALL,
    NOISY,
    OK,
    OVER,
    PATIENCE_S,
    Budget,
    exit_code,
    verdict,
)
from dimaging_edge.benchmark.gate import gate, is_precise
from dimaging_edge.benchmark.paired_ratio import FEWEST, UNEVEN, Ratio, compare


def ratio(low: float, middle: float, high: float, **changes) -> Ratio:
    settled = {"spread": 0.02, "rounds": (middle,) * 40, "waited": 0, "seconds": PATIENCE_S}
    return Ratio(middle, low, high, **{**settled, **changes})


VERDICTS = [  # against a budget of 3.0
    (ratio(1.9, 2.0, 2.1), OK),
    (ratio(2.8, 2.9, 3.0), OK),
    (ratio(3.1, 3.2, 3.3), OVER),
    (ratio(2.9, 3.0, 3.1), NOISY),  # on both sides
    (ratio(2.9, 3.2, 3.3), NOISY),
    (ratio(2.0, 2.0, 2.0, rounds=(2.0,) * (FEWEST - 1)), NOISY),  # too few
    (ratio(4.0, 4.0, 4.0, spread=UNEVEN * 1.1), NOISY),  # the reference itself is uneven
    (ratio(3.1, 3.2, 3.3, seconds=PATIENCE_S / 2), NOISY),  # an alarm takes its time
    (ratio(1.9, 2.0, 2.1, seconds=PATIENCE_S / 2), OK),
    (ratio(3.1, 3.2, 3.3, rounds=(3.2,) * 32 + (2.9,) * 8), NOISY),  # it has been faster
]


@pytest.mark.parametrize(("found", "says"), VERDICTS)
def test_verdict(found: Ratio, says: str) -> None:
    assert verdict(found, 3.0) == says


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [([], 0), ([OK, OK], 0), ([OK, NOISY], 4), ([NOISY, OVER, OK], 3), (["no budget"], 0)],
)
def test_exit_code(verdicts: list[str], code: int) -> None:
    assert exit_code(verdicts) == code


def test_best_is_the_lowest_median_of_fifths() -> None:
    assert ratio(0, 0, 0, rounds=(5.0, 4.0, 3.0, 2.0, 9.0)).best == 2
    assert ratio(0, 0, 0, rounds=(5, 5, 4, 4, 3, 3, 9, 9, 8, 8, 1)).best == 3.5
    assert ratio(0, 0, 0, rounds=(7.0,)).best == 7


def _spin(seconds: float):
    def run() -> None:
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    return run


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look decides, however noisy the machine is: for tests of the mechanics."""
    monkeypatch.setattr(paired_ratio, "SHORTEST_S", 0.0)
    monkeypatch.setattr(paired_ratio, "UNEVEN", 1e9)


@pytest.mark.usefixtures("hasty")
def test_compare_measures_cpu_time() -> None:
    found = compare(_spin(0.002), _spin(0.001), enough=lambda _: True, limit_s=30)
    assert found.ratio == pytest.approx(2, rel=0.2)
    assert found.low <= found.ratio <= found.high
    assert len(found.rounds) == FEWEST
    assert found.waited == 0 or sys.platform != "linux"


@pytest.mark.usefixtures("hasty")
def test_compare_measures_waiting_on_the_wall() -> None:
    found = compare(lambda: time.sleep(0.03), _spin(0.0005), enough=lambda _: True, limit_s=30)
    assert found.waited == len(found.rounds) == FEWEST
    assert found.ratio > 1.2  # no CPU time at all, and yet slower


def test_compare_stops_at_its_limit() -> None:
    start = time.perf_counter()
    found = compare(_spin(0.001), _spin(0.001), enough=lambda _: False, limit_s=0.2)
    assert found.rounds
    assert time.perf_counter() - start < 20
    assert verdict(found, 1e9) == NOISY or len(found.rounds) >= FEWEST


@pytest.mark.usefixtures("hasty")
def test_looks_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired_ratio, "BLOCK_NS", 1000)
    seen: list[int] = []

    def enough(found: Ratio) -> bool:
        seen.append(len(found.rounds))
        return len(found.rounds) > 80

    compare(_spin(1e-5), _spin(1e-5), enough=enough, limit_s=30)
    assert seen == [12, 18, 27, 40, 60, 90]


SETTINGS = Settings("vae", "fp32", "cpu", 1, 4)


def test_budget_file_round_trip(tmp_path: Path) -> None:
    ratios = {"decoder": ratio(1.9, 2.0, 2.1), "a b.ü": ratio(0.009, 0.01, 0.011)}
    path = tmp_path / "latency.toml"
    path.write_text(budget_text(ratios, 15, SETTINGS), encoding="utf-8")
    budget = read_budget(path)
    assert budget.settings == SETTINGS
    assert budget.max_ratio["decoder"] == pytest.approx(2.3 + CALL, abs=1e-3)
    assert budget.max_ratio["a b.ü"] == pytest.approx(0.0115 + CALL, abs=1e-5)


BUDGETS = [
    ("", "expected a table [graphs.NAME] with max_ratio, found none"),
    ("graphs = 3", "expected a table [graphs.NAME]"),
    ("[graphs.decoder]\n", "graphs.decoder: expected max_ratio = NUMBER, found {}"),
    ("[graphs.decoder]\nmax_ratio = 0", "expected max_ratio = NUMBER"),
    ("[graphs.decoder]\nmax_ratio = true", "expected max_ratio = NUMBER"),
    ("[graphs.decoder]\nmax_ms = 3", "expected max_ratio = NUMBER, found {'max_ms': 3}"),
    ("thread = 1\n[graphs.decoder]\nmax_ratio = 1", "unknown key 'thread'; did you mean 'threads'"),
    ("threads = '1'\n[graphs.decoder]\nmax_ratio = 1", "threads: expected int, found '1'"),
    ("threads = 0\n[graphs.decoder]\nmax_ratio = 1", "threads: expected 1 or more, found 0"),
    ("batch = -2\n[graphs.decoder]\nmax_ratio = 1", "batch: expected 1 or more, found -2"),
    ("[graphs.decoder]\nmax_ratio = inf", "expected max_ratio = NUMBER"),
    ("[graphs", "is not valid TOML"),
]


@pytest.mark.parametrize(("text", "says"), BUDGETS)
def test_budget_file_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "latency.toml"
    path.write_text(text)
    with pytest.raises(BudgetError) as caught:
        read_budget(path)
    assert says in str(caught.value)


def test_no_budget_file(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"No such file.*make one with --write-budget"):
        read_budget(tmp_path / "none.toml")


MISMATCHES = [
    (Budget({"decoder": 1}), None),
    (Budget({"decoder": 1}, Settings(threads=1)), None),
    (Budget({"decodr": 1}), "no graph 'decodr' in the bundle; did you mean 'decoder'"),
    (Budget({"encoder": 1}), "it names encoder, this run is of decoder: nothing to check"),
    (Budget({}), "it names no graph, this run is of decoder: nothing to check"),
    (
        Budget({"decoder": 1}, Settings(threads=2)),
        "for threads 2, this run has 1; a ratio does not",
    ),
    (Budget({"decoder": 1}, Settings(precision="int8")), "precision 'int8', this run has 'fp32'"),
    (Budget({"decoder": 1}, Settings(batch=1)), "Run with batch 1, or write a budget for this"),
]


@pytest.mark.parametrize(("budget", "says"), MISMATCHES)
def test_budget_of_another_run(budget: Budget, says: str | None) -> None:
    graphs, wanted = ("decoder", "encoder"), ("decoder",)
    if says is None:
        budget.check(graphs, wanted, SETTINGS)
        return
    with pytest.raises(BudgetError) as caught:
        budget.check(graphs, wanted, SETTINGS)
    assert says in str(caught.value)


@contextmanager
def load():
    """Two programs that keep two cores busy."""
    command = [sys.executable, "-c", "while True: pass"]
    burners = [subprocess.Popen(command) for _ in range(2)]
    try:
        time.sleep(0.5)
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


def _slower(share: float):
    """A runner that spins for a share of each run's measured time: the injected slowdown."""
    from dimaging_edge.benchmark.gate import runner

    def slowed(session, feeds):
        run = runner(session, feeds)
        if "noisy" not in feeds:  # the reference
            return run

        def slow() -> None:
            start = time.thread_time_ns()  # what it took itself, not what others took from it
            run()
            end = time.thread_time_ns()
            while time.thread_time_ns() < end + share * (end - start):
                pass

        return slow

    return slowed


@pytest.mark.slow
@pytest.mark.parametrize("channels", [(1, 16, 16, 1), (1, 32, 64, 32, 1)])
def test_holds_on_a_busy_machine(
    tmp_path: Path,
    make: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    channels: tuple[int, ...],
) -> None:
    """Ten honest runs under load raise no alarm; a slowdown of 25 % is caught, with a 15 % margin."""
    folder = make.bundle(tmp_path / "toy-fp32", {"denoiser": make.denoiser(channels)})
    bundle = open_bundle(folder, threads=1)
    feeds = {"denoiser": bundle.examples("denoiser")[0]}
    feeds = {"denoiser": {"noisy": feeds["denoiser"]["noisy"].repeat(16, axis=0)}}
    measured = gate(bundle, feeds, None, limit_s=60)[0]
    print("measured", measured.ratio.ratio, measured.ratio.low, measured.ratio.high)
    assert is_precise(measured.ratio)
    (tmp_path / "b.toml").write_text(budget_text({"denoiser": measured.ratio}, 15, Settings()))
    budget = read_budget(tmp_path / "b.toml")

    def run() -> str:
        found = gate(bundle, feeds, budget, limit_s=30)[0]
        r = found.ratio
        print(
            f"{found.verdict}: {r.ratio:.4g} [{r.low:.4g}, {r.high:.4g}] best {r.best:.4g} "
            f"of {found.max_ratio}, {len(r.rounds)} rounds, {r.seconds:.1f} s, "
            f"spread {r.spread:.2f}, load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
        return found.verdict

    with load():
        honest = [run() for _ in range(10)]
    assert OVER not in honest
    assert honest.count(OK) >= 8
    monkeypatch.setattr("dimaging_edge.benchmark.gate.runner", _slower(0.25))
    quiet = run()
    with load():
        loaded = run()
    assert quiet == OVER
    assert loaded != OK
