"""Attacks: is every step taken in the right direction, does a scale of the logits hide it, what does it cost?

    python benchmarks/attacks.py

A classifier of mnist5k, trained for half a minute, and its fp32 and int8 files. Signs are compared with Keras in
float64; a sign is decided where the gradient is more than 1/10,000 of the image's largest. Times are of the
processor, one thread, the least of several rounds in turn.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from parts import one_thread  # noqa: F401

# isort: split
import numpy as np
from parts import figures

EPS, DECIDED = 0.1, 1e-4
SCALES = (1, 2, 4, 8, 30, 100)


def main() -> int:
    """Train, export, attack, judge."""
    args = figures.parser("attacks", __doc__).parse_args()
    out = figures.Figures("attacks", args.quick, args.json, facts={"eps": EPS})

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    from dimaging_edge import attacks, open_bundle
    from dimaging_export import export

    from dimaging_tf.attacks.oracle import KerasOracle
    from dimaging_tf.data.dataset import to_float
    from dimaging_tf.training import runs

    settings = runs.default_settings("classifier", epochs=2 if args.quick else 15)
    with tempfile.TemporaryDirectory() as folder:
        model = runs.train(settings, Path(folder) / "run")
        bundles = {
            p: open_bundle(export(model, Path(folder, p), precision=p, gradient=True), threads=1)
            for p in ("fp32", "int8")
        }
        oracles = {p: attacks.of_bundle(bundle) for p, bundle in bundles.items()}
        for oracle in oracles.values():
            oracle.score(
                np.zeros((1, 28, 28, 1), np.float32)
            )  # the sessions, while the files are there
    valid = runs.load_data(settings).valid
    chosen = np.random.default_rng(0).permutation(len(valid))[: 50 if args.quick else 300]
    x, y = to_float(valid.x[chosen]), np.asarray(valid.label, np.int64)[chosen]
    out.facts["images"] = len(x)
    keras = KerasOracle(model.network)
    wrong_signs(out, model, {"ONNX": oracles["fp32"], "Keras": keras}, x[:100], y[:100])
    scales(out, model, x, y)
    times(out, oracles["fp32"], keras, x[:100], y[:100], 2 if args.quick else 40)
    on_the_int8_file(out, oracles, x, y)
    checklist(out)
    return out.finish()


def checklist(out: figures.Figures) -> None:
    """Evaluations with a planted mistake that the gates of `evaluate` flag, and honest ones that they do not."""
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    from dimaging_edge.common.errors import InputError
    from dimaging_edge.robustness import evaluate
    from helpers import planted
    from helpers.small_classifiers import onnx_oracle

    oracle = onnx_oracle(planted.MODEL)
    verdicts: dict[str, str] = {}
    for name, (change, gate) in planted.PLANTED.items():
        given, named = planted.arguments(change(oracle), oracle)
        try:
            failed = [verdict.gate for verdict in evaluate(*given, **named).failed]
        except InputError as error:
            failed = [str(error)]
        verdicts[name] = next((said for said in failed if gate in said), "")
    alarms = 0
    for name, change in planted.HONEST.items():
        given, named = planted.arguments(change(oracle), oracle)
        failed = [verdict.gate for verdict in evaluate(*given, **named).failed]
        verdicts[f"honest: {name}"] = ", ".join(failed)
        alarms += bool(failed)
    out.facts["verdicts of the checklist"] = verdicts
    count = len(planted.PLANTED)
    flagged = sum(bool(verdicts[name]) for name in planted.PLANTED)
    out.add(f"planted mistakes that are flagged, of {count}", flagged, f">= {count}")
    out.add(f"honest evaluations that are flagged, of {len(planted.HONEST)}", alarms, "<= 0")


def wrong_signs(
    out: figures.Figures, model: Any, oracles: dict, x: np.ndarray, y: np.ndarray
) -> None:
    """Images of which a decided pixel would be moved the wrong way."""
    from dimaging_export.gradient.proof import keras_gradient

    truth = keras_gradient(model.network)(x, y)["gradient"].reshape(len(x), -1)
    decided = np.abs(truth) > DECIDED * np.abs(truth).max(1, keepdims=True)

    def count(gradient: np.ndarray) -> int:
        differs = np.sign(gradient.reshape(len(x), -1)) != np.sign(truth)
        return int((differs & decided).any(1).sum())

    for name, oracle in oracles.items():
        out.add(
            f"images with a wrong decided sign, of {len(x)}, {name} oracle",
            count(oracle(x, y)[0]),
            "<= 0",
        )
    out.add(f"the same, cross-entropy in float32, of {len(x)}", count(plain(model)(x, y)))


def scales(out: figures.Figures, model: Any, x: np.ndarray, y: np.ndarray) -> None:
    """Robust accuracy of one model whose logits are multiplied: it decides alike, so nothing may change."""
    from dimaging_edge import attacks

    from dimaging_tf.attacks.oracle import KerasOracle

    last = model.network.layers[-1]
    weights = last.get_weights()
    found: dict[str, list[float]] = {"margin": [], "cross-entropy in float32": []}
    for scale in SCALES:
        last.set_weights([w * scale for w in weights])
        oracle = KerasOracle(model.network)
        threat = attacks.Threat("linf", EPS)
        found["margin"].append(1 - attacks.apgd(oracle, x, y, threat, steps=30).rate)
        other = _Plain(oracle, plain(model))
        found["cross-entropy in float32"].append(
            1 - attacks.apgd(other, x, y, threat, steps=30).rate
        )
    last.set_weights(weights)
    spans = {name: 100 * (max(v) - min(v)) for name, v in found.items()}
    out.facts["robust accuracy by scale of the logits"] = {"scales": SCALES, **found}
    out.add("robust accuracy over logits x1 to x100, margin", spans["margin"], "<= 1", "points")
    out.add("the same, cross-entropy in float32", spans["cross-entropy in float32"], "", "points")


class _Plain:
    """An oracle with another gradient."""

    def __init__(self, oracle: Any, gradient: Callable[[np.ndarray, np.ndarray], np.ndarray]):
        self._oracle, self._gradient = oracle, gradient
        self.score = oracle.score

    def __call__(self, x: np.ndarray, y: np.ndarray) -> tuple:
        return self._gradient(x, y), *self._oracle(x, y)[1:]


def plain(model: Any) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The gradient of the cross-entropy in float32, as libraries take it."""
    import tensorflow as tf

    def gradient(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        image = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(image)
            logits = model(image)
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
        return np.asarray(tape.gradient(loss, image))

    return gradient


def times(
    out: figures.Figures, onnx: Any, keras: Any, x: np.ndarray, y: np.ndarray, rounds: int
) -> None:
    """The gradient against TensorFlow's own, compiled; and 40 steps of PGD."""
    from dimaging_edge import attacks

    best = least({"onnx": lambda: onnx(x, y), "keras": lambda: keras(x, y)}, rounds)
    ratio = best["onnx"] / best["keras"]
    out.facts["ms a gradient"] = {name: round(1e3 * t, 2) for name, t in best.items()}
    out.add(f"gradient of {len(x)} images: ONNX / TensorFlow", ratio, "<= 0.5")
    # Images that are fooled leave the loop: with eps 0 none is, and all 40 steps are made.
    walk = least(
        {"pgd": lambda: attacks.pgd(onnx, x, y, attacks.Threat("linf", 0.0), step=0.01)}, 3
    )
    out.add(f"PGD-40 of {len(x)} images, onnxruntime", walk["pgd"], "<= 0.5", "CPU s")


def least(functions: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Least processor time of each, in turn, s."""
    best = dict.fromkeys(functions, float("inf"))
    for number in range(rounds + 1):
        for name, function in functions.items():
            start = time.process_time()
            function()
            spent = time.process_time() - start
            best[name] = min(best[name], spent) if number else best[name]  # the first one warms up
    return best


def on_the_int8_file(out: figures.Figures, oracles: dict, x: np.ndarray, y: np.ndarray) -> None:
    """White box on the deployed file, without its float twin; and what queries alone would have said."""
    from dimaging_edge import attacks

    own, twin = oracles["int8"], attacks.Transfer(oracles["fp32"], oracles["int8"])
    threat = attacks.Threat("linf", EPS)
    left = {
        name: 100 * (1 - attacks.pgd(oracle, x, y, threat).rate)
        for name, oracle in (("own", own), ("twin", twin))
    }
    out.add("PGD-40 on the int8 file: right, straight through", left["own"], "", "%")
    out.add("the same by the gradient of its float twin", left["twin"], "", "%")
    out.add("straight through over twin", left["own"] - left["twin"], "<= 1", "points")
    apgd = 100 * (1 - attacks.apgd(own, x, y, threat, steps=50).rate)
    out.add("APGD-50 on the int8 file: right, straight through", apgd, "", "%")
    square = 100 * (1 - attacks.square(own, x[:150], y[:150], threat, queries=500).rate)
    out.add("Square-500 on the int8 file: right, 150 images, scores alone", square, "", "%")


if __name__ == "__main__":
    sys.exit(main())
