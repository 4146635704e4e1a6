"""Every exported graph on a GPU: does it answer what Keras answered, and how long does it take?

    python benchmarks/parts/gpu_bundles.py --out BUNDLES               makes the bundles, on any machine
    python benchmarks/gpu.py --bundles BUNDLES                         where the GPU is

Needs numpy, onnxruntime-gpu and dimaging_edge; where Keras and JAX are installed too, the graphs in
BUNDLES/keras run there as a third engine. Without --bundles those that come along. Engines: "cpu" (all
cores), "cuda" (as `--provider cuda`), "cuda tf32" (onnxruntime's own default, which rounds the operands of
products to 11 bits) and "jax". A graph runs on the inputs that its bundle stores, batch 1, and on copies of
them, batch 16. Times are medians of whole calls, from arrays of the host to arrays of the host; "bound"
leaves them on the GPU. An engine that is not here prints a dash and says why.
"""

import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from dimaging_edge.benchmark.inputs import tile
from dimaging_edge.bundle.open import Bundle, open_bundle
from dimaging_edge.bundle.session import make_session, runtime
from dimaging_edge.common.errors import DimagingError
from dimaging_edge.photo.bundle_model import SHIPPED
from parts import figures

ENGINES = ("cpu", "cuda", "cuda tf32", "jax")
BATCH = 16
HEAD = ("bundle", "graph", "engine", "ok", "difference", "allowed", "ms", "ms_batch", "ms_bound")


def main() -> int:
    """Check and time; 1 if an answer is wrong."""
    p = figures.parser("gpu", __doc__)
    p.add_argument("--bundles", type=Path, default=SHIPPED, help="folder of bundles")
    p.add_argument("--engines", nargs="+", default=list(ENGINES), choices=ENGINES)
    p.add_argument("--seconds", type=float, default=0.2, help="for each timing")
    p.add_argument("--limit", type=float, default=1e9, help="seconds after which none is started")
    args = p.parse_args()
    seconds, begun = 0.01 if args.quick else args.seconds, time.monotonic()
    rows: list[dict[str, Any]] = []
    not_reached = []
    print(" ".join(f"{word:>12}" for word in HEAD))
    folders = sorted(path.parent for path in args.bundles.glob("*/bundle.json"))
    for folder in folders[: 1 if args.quick else None]:
        if time.monotonic() - begun > args.limit:
            not_reached.append(folder.name)
            continue
        bundle = open_bundle(folder)
        for graph in bundle.graphs:
            for engine in args.engines:
                row = {"bundle": folder.name, "graph": graph, "engine": engine}
                try:
                    row |= measure(bundle, graph, engine, seconds)
                except Exception as error:  # one graph that fails must not hide the others
                    row |= {"ok": None, "why": " ".join(str(error).split())[:300]}
                rows.append(row)
                print(" ".join(f"{_short(row.get(key)):>12}" for key in HEAD), flush=True)
    out = figures.Figures("gpu", args.quick, args.json)
    out.facts |= {"machine": _machine(), "not_reached": not_reached, "graphs": rows}
    return report(out, rows)


def report(out: figures.Figures, rows: list[dict[str, Any]]) -> int:
    """Of each bundle and engine: the worst share of what a difference may be; how much faster than the CPU."""
    for bundle in dict.fromkeys(row["bundle"] for row in rows):
        of_it = [row for row in rows if row["bundle"] == bundle]
        cpu = {row["graph"]: _time(row) for row in of_it if row["engine"] == "cpu" and "ms" in row}
        for engine in ENGINES:
            mine = [row for row in of_it if row["engine"] == engine and row["ok"] is not None]
            if not mine:
                continue
            # Nothing may differ where nothing is allowed: any difference is then one too many.
            shares = [
                row["difference"] / row["allowed"] if row["allowed"] else 2.0 * (not row["ok"])
                for row in mine
            ]
            goal = "" if engine == "cuda tf32" else "<= 1"
            out.add(f"{bundle}, {engine}: difference over what is allowed", max(shares), goal)
            both = [row for row in mine if row["graph"] in cpu]
            if engine != "cpu" and both:
                ratio = sum(cpu[row["graph"]] for row in both) / sum(map(_time, both))
                out.add(f"{bundle}, {engine}: speed over all cores", ratio, "", "x")
    reasons = Counter(f"{row['engine']}: {row['why'][:160]}" for row in rows if "why" in row)
    for reason, count in reasons.items():
        print(f"{count} x {reason}")
    return out.finish()


def _time(row: dict[str, Any]) -> float:
    """Milliseconds of a call of many where the graph takes many, otherwise of one."""
    return row.get("ms_batch", row["ms"])


def measure(bundle: Bundle, graph: str, engine: str, seconds: float) -> dict[str, Any]:
    """What one engine makes of one graph; raises whatever stands in the way."""
    if engine == "jax":
        return _jax(bundle, graph, seconds)
    session = _session(bundle, graph, engine)
    inputs, expected = bundle.examples(graph)
    names = list(expected)
    found = dict(zip(names, session.run(names, inputs), strict=True))
    row = _compare(bundle, graph, found, expected)
    if hasattr(session, "get_provider_graph_assignment_info"):
        parts = session.get_provider_graph_assignment_info()
        row["nodes"] = dict(Counter({part.ep_name: len(part.get_nodes()) for part in parts}))
    row["ms"] = _median(lambda: session.run(names, inputs), seconds)
    try:
        many = tile(bundle.graph(graph), inputs, BATCH)
    except DimagingError:  # a file of batch 1
        many = None
    if many:
        row["ms_batch"] = _median(lambda: session.run(names, many), seconds)
    if engine.startswith("cuda"):
        row["ms_bound"] = _median(_bound(session, names, inputs), seconds)
    return row


def _session(bundle: Bundle, graph: str, engine: str) -> Any:
    if engine != "cuda tf32":
        return make_session(bundle.file(graph), engine, exact=bundle.exact(graph))
    make_session(bundle.file(graph), "cuda")  # says in words why CUDA is not here
    ort = runtime()
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    providers = [("CUDAExecutionProvider", {"use_tf32": "1"})]
    return ort.InferenceSession(str(bundle.file(graph)), options, providers=providers)


def _bound(session: Any, names: list[str], inputs: dict[str, np.ndarray]) -> Callable[[], object]:
    """A call whose inputs and outputs stay on the GPU."""
    ort = runtime()
    binding = session.io_binding()
    for name, array in inputs.items():
        value = ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array), "cuda", 0)
        binding.bind_ortvalue_input(name, value)
    for name in names:
        binding.bind_output(name, "cuda")

    def run() -> None:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return run


def _jax(bundle: Bundle, graph: str, seconds: float) -> dict[str, Any]:
    """The graph as Keras on JAX computes it, compiled; only for fp32, whose answers Keras gave."""
    name = bundle.manifest.model
    if bundle.manifest.precision != "fp32":
        raise DimagingError("not here: Keras has no file of this precision")
    path = bundle.path.parent / "keras" / f"{name}-{graph}.keras"
    if not path.exists():
        raise DimagingError(f"not here: keras/{path.name}, beside the bundles")
    os.environ["KERAS_BACKEND"] = "jax"
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # onnxruntime needs its share
    try:
        import jax  # pyright: ignore[reportMissingImports]
        import keras
    except ImportError as error:
        raise DimagingError(f"not here: {error}") from None
    network = keras.saving.load_model(path, compile=False)
    inputs, expected = bundle.examples(graph)
    given = inputs if len(inputs) > 1 else next(iter(inputs.values()))
    weights = [v.value for v in network.trainable_variables]
    others = [v.value for v in network.non_trainable_variables]
    run = jax.jit(lambda w, o, x: network.stateless_call(w, o, x, training=False)[0])
    with jax.default_matmul_precision("float32"):
        found = run(weights, others, given)
        row = _compare(bundle, graph, {k: np.asarray(v) for k, v in found.items()}, expected)

        def whole(x: Any) -> Any:
            return jax.tree.map(np.asarray, run(weights, others, x))

        row["ms"] = _median(lambda: whole(given), seconds)
        many = {k: np.repeat(v, BATCH, 0) for k, v in inputs.items()}
        many = many if len(many) > 1 else next(iter(many.values()))
        row["ms_batch"] = _median(lambda: whole(many), seconds)
        there = jax.device_put(given)
        row["ms_bound"] = _median(
            lambda: jax.block_until_ready(run(weights, others, there)), seconds
        )
    return row


def _compare(
    bundle: Bundle, graph: str, found: dict[str, np.ndarray], expected: dict[str, np.ndarray]
) -> dict[str, Any]:
    """{"ok", "difference", "allowed"} of the output that is furthest off, by its own allowance."""
    worst: tuple[float, float, float | None] = (-1.0, 0.0, None)
    for name, want in expected.items():
        parity: dict[str, Any] = dict(bundle.graph(graph).parity.get(name, {}))
        allowed = parity.get("allowed")
        got = np.asarray(found[name], np.float64)
        difference = float(np.abs(got - want.astype(np.float64)).max()) if want.size else 0.0
        share = difference / allowed if allowed else float(difference > 0)
        if not np.isfinite(difference):
            share = float("inf")
        worst = max(worst, (share, difference, allowed), key=lambda entry: entry[0])
    share, difference, allowed = worst
    ok = share <= 1 if allowed else (difference == 0 if allowed == 0 else None)
    return {"ok": ok, "difference": difference, "allowed": allowed}


def _median(run: Callable[[], object], seconds: float) -> float:
    """Milliseconds of a call, after five that are not counted."""
    end = time.perf_counter() + seconds
    for _ in range(5):
        run()
        if time.perf_counter() > end:
            break
    samples: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(samples) < 3:
        start = time.perf_counter()
        run()
        samples.append(time.perf_counter() - start)
    return round(1000 * statistics.median(samples), 4)


def _machine() -> dict[str, Any]:
    ort = runtime()
    try:
        command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        gpu = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        gpu = None
    return {
        "gpu": gpu, "cores": len(os.sched_getaffinity(0)), "python": sys.version.split()[0],
        "onnxruntime": ort.__version__, "providers": ort.get_available_providers(),
        "numpy": np.__version__,
    }  # fmt: skip


def _short(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)[-22:]


if __name__ == "__main__":
    sys.exit(main())
