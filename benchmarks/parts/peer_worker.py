"""One peer in a process of its own: `python peer_worker.py REQUEST`, then a line in, a line out.

    out {"heavy": [...]}            ready: loaded, and run on the feed (its result lies in `result`)
    in  17                          one call to warm the caches again, then 17 calls by the clock
    out {"wall": [ns a call], "cpu": ns of them all, every thread of this process}

REQUEST is a JSON object: kind, path, graph, feed, result, core. Every peer takes and gives numpy
arrays, on one thread. Imports nothing that its kind does not need: the peak memory is the peer's own.
"""

import gc
import json
import os
import sys
from collections.abc import Callable
from time import perf_counter_ns, process_time_ns
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

Run = Callable[[], "np.ndarray"]


def ours(request: dict[str, Any], feed: Any, provider: str = "cpu") -> Run:
    """A bundle, called as a user calls it."""
    from dimaging_edge import open_bundle

    bundle = open_bundle(request["path"], provider, threads=1)
    name = request["graph"]
    graph = bundle.graph(name)
    source, target = graph.inputs[0].name, graph.outputs[0].name
    return lambda: bundle.run(name, **{source: feed})[target]


def ours_openvino(request: dict[str, Any], feed: Any) -> Run:
    """The same through onnxruntime's OpenVINO provider."""
    return ours(request, feed, "openvino")


def direct(request: dict[str, Any], feed: Any) -> Run:
    """The graph written by hand: images channels first in and out."""
    import numpy as np
    from dimaging_edge.bundle.session import make_session

    session: Any = make_session(request["path"], threads=1)
    if feed.ndim != 4:
        return lambda: session.run(None, {"x": feed})[0]
    feed = np.ascontiguousarray(feed.transpose(0, 3, 1, 2))
    return lambda: session.run(None, {"x": feed})[0].transpose(0, 2, 3, 1)


def _keras(request: dict[str, Any]) -> Any:
    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    import keras
    import tensorflow as tf

    from dimaging_tf.layers import padding  # noqa: F401  registers the layers in the file

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return keras.saving.load_model(request["path"])


def predict(request: dict[str, Any], feed: Any) -> Run:
    """`Model.predict`, which is what a notebook calls."""
    model = _keras(request)
    return lambda: _only(model.predict(feed, verbose=0))


def call(request: dict[str, Any], feed: Any) -> Run:
    """`Model.__call__`, eager."""
    model = _keras(request)
    return lambda: _only(model(feed, training=False)).numpy()


def function(request: dict[str, Any], feed: Any) -> Run:
    """`tf.function` traced once for this shape."""
    model = _keras(request)
    import tensorflow as tf

    signature = [tf.TensorSpec(feed.shape, tf.float32)]
    traced: Any = tf.function(lambda x: model(x, training=False), input_signature=signature)
    return lambda: _only(traced(feed)).numpy()


def litert(request: dict[str, Any], feed: Any) -> Run:
    """ai-edge-litert with its default XNNPACK delegate."""
    from ai_edge_litert.interpreter import Interpreter  # pyright: ignore[reportMissingImports]

    interpreter = Interpreter(model_path=request["path"], num_threads=1)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    target = interpreter.get_output_details()[0]["index"]

    def run():
        interpreter.set_tensor(source, feed)
        interpreter.invoke()
        return interpreter.get_tensor(target)

    return run


def openvino(request: dict[str, Any], feed: Any) -> Run:
    """The plain openvino package on an ONNX file, its shape fixed, float32 not lowered to bfloat16."""
    import openvino as ov  # pyright: ignore[reportMissingImports]

    core = ov.Core()
    model = core.read_model(request["path"])
    model.reshape(list(feed.shape))
    one = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    compiled = core.compile_model(model, "CPU", {**one, "INFERENCE_PRECISION_HINT": "f32"})
    ask = compiled.create_infer_request()
    return lambda: ask.infer([feed], share_inputs=True)[0]


KINDS = {f.__name__: f for f in (ours, ours_openvino, direct, predict, call, function, litert, openvino)}  # fmt: skip
HEAVY = ("tensorflow", "keras", "onnx", "openvino", "onnxruntime")


def _only(outputs: dict[str, Any]) -> Any:
    return next(iter(outputs.values()))


def _block(run: Run, calls: int) -> dict[str, Any]:
    run()  # the others had the core, and its caches, since the last block
    wall = []
    gc.disable()
    cpu = process_time_ns()
    for _ in range(calls):
        start = perf_counter_ns()
        run()
        wall.append(perf_counter_ns() - start)
    cpu = process_time_ns() - cpu
    gc.enable()
    return {"wall": wall, "cpu": cpu}


def main() -> None:
    """Pin, load, prove, then answer until the input ends."""
    request = json.loads(sys.argv[1])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {request["core"]})
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints is no reply
    import numpy as np

    run = KINDS[request["kind"]](request, np.load(request["feed"]))
    np.save(request["result"], run())
    print(json.dumps({"heavy": [name for name in HEAVY if name in sys.modules]}), file=replies)
    for line in sys.stdin:
        print(json.dumps(_block(run, int(line))), file=replies)


if __name__ == "__main__":
    main()
