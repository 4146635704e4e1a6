"""What a call costs beside onnxruntime: `Bundle.run` and `Bundle.bind` against the bare session, at batch 1.

    python benchmarks/calls.py

Graphs of small networks with random weights, for a call costs the same whatever they have learned. One thread;
processor time of a call, the least of many rounds in which the ways take turns.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from parts import figures


def main() -> int:
    """Export, then time each graph in each way."""
    args = figures.parser("calls", __doc__).parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    import dimaging_edge as edge
    from dimaging_export import export

    from dimaging_tf import data, models

    out = figures.Figures("calls", args.quick, args.json, facts={"threads": 1, "batch": 1})
    digits = data.load("mnist5k").valid.inputs(slice(64))
    made = {"VAE": models.VAE(), "frame selection": models.FrameSelection()}
    given = {"VAE": digits, "frame selection": "cell_kinetics"}
    cases = [("VAE", "fp32"), ("VAE", "int8"), ("frame selection", "fp32")]
    with tempfile.TemporaryDirectory() as folder:
        for name, precision in cases[:1] if args.quick else cases:
            place = Path(folder) / f"{name}-{precision}"
            export(made[name], place, precision=precision, data=given[name])
            bundle = edge.open_bundle(place, threads=1)
            for graph in bundle.graphs:
                inputs, _ = bundle.examples(graph)
                session, bound = bundle.session(graph), bundle.bind(graph, **inputs)
                names = [tensor.name for tensor in bundle.graph(graph).outputs]

                def bare(session=session, names=names, inputs=inputs):
                    session.run(names, inputs)

                def run(bundle=bundle, graph=graph, inputs=inputs):
                    bundle.run(graph, **inputs)

                ways = {"bare": bare, "run": run, "bind": bound}
                least = times(ways, 3 if args.quick else 60)
                said = f"{name} {precision}, {graph}"
                out.add(f"{said}: bare session", least["bare"], "", "us")
                out.add(
                    f"{said}: run, times the bare session", least["run"] / least["bare"], "<= 1.3"
                )
                out.add(f"{said}: bind, times the bare session", least["bind"] / least["bare"])
    return out.finish()


def times(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the least processor time of a call in each way, in microseconds."""
    least = dict.fromkeys(ways, np.inf)
    for _ in range(rounds):
        for name, call in ways.items():
            call()
            began = time.process_time_ns()
            for _ in range(100):
                call()
            least[name] = min(least[name], (time.process_time_ns() - began) / 100 / 1000)
    return {name: float(value) for name, value in least.items()}


if __name__ == "__main__":
    sys.exit(main())
