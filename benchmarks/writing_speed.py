"""Characters a second of a writer in one ONNX file, float32 and bytes, and whether it writes what a re-run does.

    python benchmarks/writing_speed.py

A character language model of one layer of 256 units and 65 characters, as `char_lm.py` trains it; here its
weights are as they begin, on which no time depends. Rounds of the files take turns on one thread, and the
least processor time of each counts, because other programs share the machine.

Naive: a graph without a state reads the whole window of up to 64 characters again for each one. As many recurrent
products as characters, and nothing else, are the bound of float32 on this processor; they are timed in the same
rounds. 100,000 characters are then judged: the reader is told each text from its beginning, and at every place
the likeliest token, noise included, has to be the one that was written.
"""

import sys
import time
from typing import Any

import numpy as np
from parts import figures

UNITS, CHARACTERS, WINDOW = 256, 65, 64
PRODUCTS = 200
"""Recurrent products in the file that holds nothing else."""
GOALS = {1: ">= 50000", 64: ">= 250000"}


def main() -> int:
    """Build the files, take turns, judge."""
    args = figures.parser("writing_speed", __doc__).parse_args()
    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    import keras
    from dimaging_export.integer.text_bytes import byte_text_twin
    from dimaging_export.samplers.byte_products import byte_product
    from dimaging_export.samplers.text import writer

    from dimaging_tf.models.char_lm import CharLM, Config

    keras.utils.set_random_seed(0)
    model = CharLM(Config((WINDOW,), tuple(map(chr, range(32, 32 + CHARACTERS))), units=UNITS))
    twin = byte_text_twin(model)
    files = {"fp32": writer(model.reader), "int8": writer(twin.reader, byte_product)}
    runs = {name: session(file.SerializeToString()) for name, file in files.items()}
    products = session(only_products().SerializeToString())
    facts = {"threads": 1, "units": UNITS, "characters": CHARACTERS}
    out = figures.Figures("writing_speed", args.quick, args.json, facts=facts)
    for batch, steps in ((1, 2000), (64, 300)):
        feed = feed_of(model, batch, 20 if args.quick else steps)
        best = dict.fromkeys(runs, np.inf)
        alone, ones = np.inf, np.ones((batch, UNITS), np.float32)
        for _ in range(2 if args.quick else 12):
            began = time.process_time()
            products.run(None, {"h": ones})
            alone = min(alone, time.process_time() - began)
            for name, run in runs.items():
                began = time.process_time()
                run.run(["text"], feed)
                best[name] = min(best[name], time.process_time() - began)
        for name, seconds in best.items():
            rate = feed["noise"].shape[0] * feed["noise"].shape[1] / seconds
            goal = GOALS[batch] if name == "fp32" else ""
            out.add(f"characters a second, {name}, batch {batch}", rate, goal)
        words = f"characters a second that its recurrent products alone would allow, fp32, batch {batch}"
        out.add(words, batch * PRODUCTS / alone)
        times = best["fp32"] / best["int8"]
        out.add(f"int8 over fp32, batch {batch}", times, ">= 1.5" if batch == 1 else "", "times")
        out.facts[f"naive: characters a second, batch {batch}"] = round(naive(model, batch))
    steps = 8 if args.quick else -(-100_000 // 64)
    feed = feed_of(model, 64, steps)
    for name, judge in (("fp32", model), ("int8", twin)):
        text = runs[name].run(["text"], feed)[0]
        told = np.concatenate([feed["prime"], text[:, :-1]], 1)
        logits = judge.run("reader", tokens=told, **judge.zeros(64))["logits"]
        differ = int(((logits + feed["noise"]).argmax(-1) != text).sum())
        words = f"characters of {text.size} that differ from a re-run, {name}"
        out.add(words, differ, "<= 0" if name == "fp32" else "")
        out.facts[f"{name}: MB of the file"] = round(len(files[name].SerializeToString()) / 1e6, 2)
    return out.finish()


def only_products() -> Any:
    """Return a file of recurrent products, one behind the other, as those of a text are."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(0).normal(size=(UNITS, 4 * UNITS)).astype(np.float32) / UNITS
    named = {"w": weights, "from": np.array([0]), "to": np.array([UNITS]), "axis": np.array([1])}
    nodes, h = [], "h"
    for k in range(PRODUCTS):
        nodes.append(helper.make_node("Gemm", [h, "w"], [f"gates{k}"]))
        nodes.append(helper.make_node("Slice", [f"gates{k}", "from", "to", "axis"], [f"h{k}"]))
        h = f"h{k}"
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", UNITS]) for n in ("h", h)]
    tensors = [numpy_helper.from_array(array, name) for name, array in named.items()]
    graph = helper.make_graph(nodes, "products", ends[:1], ends[1:], tensors)
    opset = helper.make_opsetid("", 18)
    return onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9)


def session(content: bytes) -> Any:
    """Open a file on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def feed_of(model: Any, batch: int, steps: int) -> dict[str, np.ndarray]:
    """Return the inputs of a writer: a prime of one character, noise, temperature 1 and the zero state."""
    from dimaging_edge.common.random import gumbel

    noise = gumbel(0, (batch, steps, CHARACTERS))
    prime = np.zeros((batch, 1), np.int32)
    return {"prime": prime, "noise": noise, "temperature": np.ones(1, np.float32), **model.zeros(batch)}  # fmt: skip


def naive(model: Any, batch: int) -> float:
    """Return the characters a second of reading each window again, of 1 to 64 characters."""
    from dimaging_export.convert.to_onnx import convert

    run = session(convert(model.reader).SerializeToString())
    states = {name: value for name, value in model.zeros(batch).items()}
    tokens = np.zeros((batch, WINDOW), np.int32)
    lengths = range(1, WINDOW + 1, 4)
    began = time.process_time()
    for length in lengths:
        run.run(["logits"], {"tokens": tokens[:, :length], **states})
    return batch * len(lengths) / (time.process_time() - began)


if __name__ == "__main__":
    sys.exit(main())
