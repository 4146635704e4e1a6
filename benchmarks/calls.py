"""What a call costs beside onnxruntime: `Bundle.run` and `Bundle.bind` against the bare session, at batch 1.

    python benchmarks/calls.py

Graphs of small networks with random weights, for a call costs the same whatever they have learned. One thread;
processor time of a call, the least of many rounds in which the ways take turns.

What no export can go below is measured beside them: a graph that only hands its input on, and the VAE's decoder in
int8 as few nodes, whatever that costs in exactness: three of onnxruntime's own DynamicQuantizeMatMul, whose scale is
that of the whole batch, with two SiLU and a sigmoid between and behind them.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper
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
    floors(out, 3 if args.quick else 60)
    return out.finish()


def floors(out: figures.Figures, rounds: int) -> None:
    """Measure the least that a call of onnxruntime costs, and the least that those three products do."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    z = np.zeros((1, 40), np.float32)
    for name, graph in (("nothing", _identity()), ("three int8 products", _products())):
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        bound = session.io_binding()
        bound.bind_cpu_input("x", z)
        bound.bind_output("y")
        ways = {
            "run": lambda session=session: session.run(["y"], {"x": z}),
            "bind": lambda session=session, bound=bound: session.run_with_iobinding(bound),
        }
        for way, least in times(ways, rounds).items():
            out.add(f"floor of onnxruntime, {name}: {way}", least, "", "us")


def _identity() -> bytes:
    return _graph([helper.make_node("Identity", ["x"], ["y"])], {}, 40)


def _products() -> bytes:
    """Return 40 -> 400 -> 400 -> 784, one node a product."""
    rng, nodes, stored, x = np.random.default_rng(0), [], {}, "x"
    for i, (inputs, outputs) in enumerate(((40, 400), (400, 400), (400, 784))):
        names = [f"{part}{i}" for part in ("weight", "scale", "zero", "bias")]
        weight = rng.integers(-64, 65, (inputs, outputs), np.int8)
        scale, bias = np.full(outputs, 0.002, np.float32), np.zeros(outputs, np.float32)
        stored |= dict(zip(names, (weight, scale, np.zeros(outputs, np.int8), bias), strict=True))
        made, gate = f"product{i}", "y" if i == 2 else f"gate{i}"
        product = helper.make_node(
            "DynamicQuantizeMatMul", [x, *names], [made], domain="com.microsoft"
        )
        nodes += [product, helper.make_node("Sigmoid", [made], [gate])]
        if i < 2:
            x = f"silu{i}"
            nodes.append(helper.make_node("Mul", [made, gate], [x]))
    return _graph(nodes, stored, 784)


def _graph(nodes: list, stored: dict[str, np.ndarray], outputs: int) -> bytes:
    """Return the file of a graph x [batch, 40] -> y [batch, outputs]."""
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])
        for name, size in (("x", 40), ("y", outputs))
    )
    weights = [numpy_helper.from_array(array, name) for name, array in stored.items()]
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    graph = helper.make_graph(nodes, "floor", [x], [y], weights)
    return helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()


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
