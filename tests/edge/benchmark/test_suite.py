"""The whole benchmark of a bundle: what a fresh process tells, the report, its JSON and table."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
from dimaging_edge import DimagingError, InputError, open_bundle
from dimaging_edge.benchmark import Budget, BudgetError, Report, Settings, bench, memory
from dimaging_edge.benchmark.cold_start import Fresh, measure_fresh
from dimaging_edge.benchmark.cold_start_child import measure, nodes_by_provider
from dimaging_edge.benchmark.environment import Environment, environment
from dimaging_edge.benchmark.report import GraphReport
from dimaging_edge.benchmark.timing import WarmUp
from dimaging_edge.bundle.open import REFERENCE
from dimaging_edge.bundle.session import make_session

MEGA = 10**6


def test_reference_is_what_the_builder_makes(make: SimpleNamespace) -> None:
    assert REFERENCE.read_bytes() == make.reference()
    assert REFERENCE.stat().st_size < 2000


def test_reference_is_folded_to_one_convolution(tmp_path: Path) -> None:
    session = make_session(REFERENCE, threads=1, profile=str(tmp_path / "p"))
    x = np.ones((1, 64, 56, 56), np.float32)
    answer = np.asarray(session.run(None, {"x": x})[0])
    assert answer[0, 0, 5, 5] == pytest.approx(1, rel=1e-4)
    assert "ConstantOfShape" not in Path(session.end_profiling()).read_text()


def test_fresh_process(toy: Path) -> None:
    found = measure_fresh(open_bundle(toy, threads=1), "denoiser", 2)
    assert found.session_ms > 0
    assert found.first_ms > 0
    assert set(found.nodes) == {"cpu"}
    assert 2 <= found.nodes["cpu"] <= 8
    if found.peak_bytes is not None and found.baseline_bytes is not None:
        assert 10 * MEGA < found.baseline_bytes < found.peak_bytes < 500 * MEGA


def test_peak_is_not_inherited(toy: Path) -> None:
    """A child of a big process must not report its parent's peak, as ru_maxrss does."""
    big = np.ones(300 * MEGA, np.uint8)
    found = measure_fresh(open_bundle(toy, threads=1), "decoder", 1)
    assert big.nbytes == 300 * MEGA
    assert found.peak_bytes is None or found.peak_bytes < 250 * MEGA


def test_the_first_session_of_a_fresh_process_is_the_one_timed(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial of the provider before it would have loaded CUDA already."""
    made = []

    def on_the_cpu(model, *, provider, name, **options):
        made.append((name, provider))
        return make_session(model, "cpu", name=name, **options)

    monkeypatch.setattr("dimaging_edge.bundle.open.make_session", on_the_cpu)
    measure(str(toy), "decoder", "cuda", 1, 1, False, {})
    assert made == [("decoder.onnx", "cuda")] * 2  # timed, then profiled


def test_fresh_process_that_fails(own: Path) -> None:
    bundle = open_bundle(own)
    (own / "decoder.onnx").write_bytes(b"")
    with pytest.raises(
        DimagingError, match=r"decoder: the measuring process failed: decoder\.onnx"
    ):
        measure_fresh(bundle, "decoder", 1)


def test_memory() -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc")
    memory.reset_peak()
    before, block = memory.peak(), np.ones(64 * MEGA, np.uint8)
    after = memory.peak()
    assert before is not None
    assert after is not None
    assert after - before > 0.8 * block.nbytes


def test_unknown_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "nothing")
    monkeypatch.setattr("sys.platform", "win32")
    assert memory.resident() is None
    assert memory.peak() is None


def test_nodes_by_provider() -> None:
    def event(name: str, provider: str | None, index: int, cat: str = "Node") -> dict:
        return {"cat": cat, "name": name, "args": {"provider": provider, "node_index": str(index)}}

    events = [
        event("conv_kernel_time", "CUDAExecutionProvider", 1),
        event("conv_kernel_time", "CUDAExecutionProvider", 1),  # the second run of the same node
        event("_kernel_time", "CPUExecutionProvider", 2),
        event("_kernel_time", "CPUExecutionProvider", 3),  # nodes without a name
        event("x", "XnnpackExecutionProvider", 4),
        event("conv_fence_before", None, 1),
        {"cat": "Session", "name": "model_run"},
    ]
    found = nodes_by_provider(json.dumps(events))
    assert found == {"cpu": 2, "cuda": 1, "xnnpack": 1}


def test_environment() -> None:
    found = environment(threads=2, asked="cuda", used="cpu")
    assert (found.threads, found.provider_asked, found.provider_used) == (2, "cuda", "cpu")
    assert found.versions[onnxruntime.package_name] == onnxruntime.__version__
    assert found.cores >= 1


ENVIRONMENT = Environment(
    None, "aarch64", "Linux 6", 4, 4, "cuda", "cpu", None, None, {"numpy": "2"}
)
GRAPH = GraphReport(
    "decoder",
    2,
    {"quality": (1,), "z": (2, 4, 6, 8)},
    4 * MEGA,
    1_500_000,
    WarmUp(16, True),
    [MEGA] * 99 + [9 * MEGA],
    Fresh(12.3456, 4.5, None, None, {"cpu": 3, "cuda": 20}),
)
REPORT = Report("vae", "ab" * 32, "int8", 2, {}, ENVIRONMENT, [GRAPH], [])


def test_figures() -> None:
    assert GRAPH.ms == {"p50": 1.0, "p90": 1.0, "p99": None}
    assert GRAPH.items_per_s == pytest.approx(2 * 100 / 0.108)
    assert GRAPH.gmac_per_s == pytest.approx(4.0)
    assert replace(GRAPH, macs=None).gmac_per_s is None
    assert REPORT.settings == Settings("vae", "int8", "cpu", 4, 2)
    assert replace(REPORT, sizes={"width": 9, "height": 8}).settings.sizes == "height=8 width=9"
    assert REPORT.exit_code == 0


def test_table() -> None:
    assert REPORT.table().splitlines() == [
        "vae int8 (abababababab)",
        "machine   —, aarch64, 4 cores, Linux 6, governor —, load —",
        "provider  asked cuda, used cpu, 4 threads; numpy 2",
        "",
        "graph    largest input    warm-up    n  p50 ms  p90 ms  p99 ms  items/s",
        "decoder  z 2 x 4 x 6 x 8       16  100    1.00    1.00       —     1852",
        "",
        "graph    session ms  first ms  file MB  peak MB  of it imports MB   GMAC  GMAC/s  nodes",
        "decoder        12.3      4.50     1.50        —                 —  0.004    4.00  "
        "cpu 3, cuda 20",
    ]
    unsettled = replace(GRAPH, warm_up=WarmUp(7, False), samples_ns=[MEGA] * 500)
    assert (
        "7 (unsettled)  500    1.00    1.00    1.00" in replace(REPORT, graphs=[unsettled]).table()
    )


def test_json_keeps_every_sample() -> None:
    data = json.loads(REPORT.to_json())
    assert data["schema"] == 1
    assert data["environment"]["cpu"] is None
    graph = data["graphs"][0]
    assert graph["samples_ns"] == GRAPH.samples_ns
    assert graph["latency_ms"] == {"p50": 1.0, "p90": 1.0, "p99": None}
    assert graph["fresh"]["nodes"] == {"cpu": 3, "cuda": 20}


def test_bench(toy: Path) -> None:
    said: list[str] = []
    graphs = ("denoiser", "decoder")
    report = bench(toy, graphs=graphs, batch=2, threads=1, seconds=0.05, progress=said.append)
    assert [one.graph for one in report.graphs] == list(graphs)
    assert all(len(one.samples_ns) >= 10 and one.warm_up.runs >= 2 for one in report.graphs)
    assert report.graphs[1].macs == 512
    assert report.gates == []
    assert [line.split(":")[0] for line in said] == ["denoiser"] * 2 + ["decoder"] * 2


def test_bench_at_a_size(toy: Path) -> None:
    sizes = {"height": 40, "width": 30}
    [one] = bench(toy, graphs=["denoiser"], sizes=sizes, threads=1, seconds=0.02).graphs
    assert one.inputs == {"noisy": (1, 40, 30, 1)}
    assert one.macs is None  # it is known at the sizes of the example


REFUSED = [
    (
        {"sizes": {"hight": 9}},
        InputError,
        "no free dimension 'hight' among the inputs; did you mean 'height'",
    ),
    (
        {"sizes": {"batch": 9}},
        InputError,
        "'batch' is the number of items in one run; give it as batch",
    ),
    (
        {"sizes": {"height": 0}},
        InputError,
        "size of height: expected a whole number of 1 or more, received 0",
    ),
    (
        {"sizes": {"height": 9}, "budget": Budget({"decoder": 1})},
        BudgetError,
        "written for sizes 'those of the example', this run has 'height=9'",
    ),
    (
        {"budget": Budget({"decoder": 1}, Settings(sizes="height=9"))},
        BudgetError,
        "written for sizes 'height=9', this run has 'those of the example'",
    ),
    ({"graphs": ["decodr"]}, InputError, "did you mean 'decoder'"),
    ({"batch": 2}, InputError, "negative: batch 2 was asked for, but its shapes are fixed"),
    ({"limit_s": 1}, InputError, "limit: expected 10 s or more, received 1"),
    ({"budget": Budget({"x": 1})}, BudgetError, "no graph 'x' in the bundle"),
    (
        {"budget": Budget({"decoder": 1}, Settings(model="gan"))},
        BudgetError,
        "written for model 'gan', this run has 'toy'",
    ),
]


@pytest.mark.parametrize(("options", "error", "says"), REFUSED)
def test_bench_refuses_before_it_measures(
    toy: Path, options: dict, error: type[Exception], says: str
) -> None:
    with pytest.raises(error) as caught:
        bench(toy, progress=lambda line: pytest.fail("it measured"), **options)
    assert says in str(caught.value)
