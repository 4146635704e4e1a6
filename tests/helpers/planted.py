"""Evaluations with a mistake planted in each, and honest ones: what a checklist has to tell apart.

A planted evaluation is what somebody ran (model, plan, threat) and what he states (a claim), on images and
labels of the small classifier of `small_classifiers`. Each has had its paper: the mistakes are those of the
issue lists and of "Obfuscated gradients" (Athalye et al. 2018). benchmarks/attacks.py counts what is flagged.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from dimaging_edge import attacks
from dimaging_edge.attacks import Threat
from dimaging_edge.attacks.threat import split_logits
from dimaging_edge.robustness import Claim, Step
from dimaging_export.precision.reduced import change_precision
from helpers.small_classifiers import Linear, convolutional, onnx_oracle

RNG = np.random.default_rng(11)
IMAGES = RNG.random((60, 6, 6, 1), np.float32)
THREAT = Threat("linf", 0.04)
MODEL = convolutional()
"""image [batch, 6, 6, 1] -> logits [batch, 4], as an ONNX file."""
_WEIGHTS = RNG.normal(0, 1, (36, 4)).astype(np.float32)

Given = dict[str, Any]
"""Arguments of `evaluate` that differ from an honest evaluation: model, threat, plan, claim, x, y, ..."""


def labels_of(oracle: Any, images: np.ndarray = IMAGES) -> np.ndarray:
    """What the model says, but for every twentieth image."""
    y = oracle.score(images).argmax(1)
    y[::20] = (y[::20] + 1) % 4
    return y


class Changed:
    """An oracle with some of its answers changed."""

    def __init__(self, oracle: Any, **changes: Callable[..., Any]):
        self._oracle, self._changes = oracle, changes

    def __getattr__(self, name: str) -> Any:
        return self._changes.get(name) or getattr(self._oracle, name)

    def __call__(self, x: np.ndarray, y: np.ndarray) -> Any:
        return self._changes["call"](x, y) if "call" in self._changes else self._oracle(x, y)


def int8() -> attacks.OnnxOracle:
    """The small classifier in 8 bits, with its straight-through gradient."""
    return onnx_oracle(change_precision(MODEL, "int8", [{"image": x[None]} for x in IMAGES[:32]]))


HONEST: dict[str, Callable[[Any], Given]] = {
    "onnx": lambda oracle: {"model": oracle},
    "int8": lambda oracle: {"model": int8()},
    "l2": lambda oracle: {"model": oracle, "threat": Threat("l2", 0.2)},
    "linear": lambda oracle: {
        "model": Linear(_WEIGHTS), "threat": Threat("linf", 0.01),
        "y": Linear(_WEIGHTS).score(IMAGES).argmax(1),
    },
    "eot": lambda oracle: {"model": attacks.Eot(oracle, [], views=2)},
}  # fmt: skip
"""Name -> an evaluation with nothing wrong: no gate may fail."""


def softmax_twice(oracle: Any) -> Any:
    """It gives probabilities, of which the attack takes a softmax again."""

    def softmax(x: np.ndarray) -> np.ndarray:
        powers = np.exp(oracle.score(x))
        return powers / powers.sum(1, keepdims=True)

    return Changed(oracle, score=softmax)


def masked(oracle: Any) -> Any:
    """Its gradient is that of a model that knows nothing of the images."""
    wrong = np.random.default_rng(0).standard_normal((60, 6, 6, 1)).astype(np.float32)
    return Changed(oracle, call=lambda x, y: (wrong[: len(x)], *oracle(x, y)[1:]))


def saturated(oracle: Any) -> Any:
    """Cross-entropy in float32 of logits times 200: sure of itself, and without a gradient where it is."""

    def call(x: np.ndarray, y: np.ndarray) -> Any:
        gradient, margin, logits = oracle(x, y)
        share = 1 / (1 + np.exp(np.clip(-200 * margin.astype(np.float64), -500, 500)))
        share = np.where(share < 1e-7, 0, share).astype(np.float32)
        return gradient * share[:, None, None, None], margin * 200, logits

    return Changed(oracle, call=call)


def random(oracle: Any) -> Any:
    """A defence by chance: noise on the logits, which an attack takes for progress."""
    rng = np.random.default_rng(0)
    return Changed(
        oracle, score=lambda x: oracle.score(x) + rng.normal(0, 0.5, (len(x), 4)).astype(np.float32)
    )


def label_leak(oracle: Any) -> Any:
    """Its steps carry the right label into the image, so that attacked images are easier than clean ones."""

    def helpful(x: np.ndarray, y: np.ndarray) -> Any:
        gradient, margin, logits = oracle(x, y)
        return -gradient, margin, logits

    return Changed(oracle, call=helpful)


def tied(oracle: Any) -> Given:
    """A head of so few levels that two logits tie, and a margin of 0 was counted as fooled."""

    def coarse(x: np.ndarray) -> np.ndarray:
        return np.rint(oracle.score(x)).astype(np.float32)

    model = Changed(oracle, score=coarse, call=lambda x, y: (*oracle(x, y)[:2], coarse(x)))
    images = attacks.fgsm(oracle, IMAGES, labels_of(oracle), Threat("linf", 0.004)).x
    own, others = split_logits(coarse(images), labels_of(oracle))
    return {"model": model, "claim": Claim(float((others < own).mean()), images)}


def query_only() -> Given:
    """The deployed int8 file, asked for scores alone by a search that wants each to be strictly better.

    A quantised head gives few different scores, so the search stalls, and its figure is too kind.
    """
    model, y = int8(), labels_of(onnx_oracle(MODEL))
    return {"model": model, "y": y, "claim": Claim(_greedy(model, y))}


def _greedy(oracle: Any, y: np.ndarray, queries: int = 60) -> float:
    """Share that stays right under random squares, kept where the margin grows strictly."""
    rng = np.random.default_rng(0)
    low, high = THREAT.box(IMAGES)

    def margin(x: np.ndarray) -> np.ndarray:
        own, others = split_logits(oracle.score(x), y)
        return others - own

    moved = IMAGES.copy()
    best = margin(moved)
    for _ in range(queries):
        trial = moved.copy()
        row, column = rng.integers(0, 5, 2)
        place = np.s_[:, row : row + 2, column : column + 2]
        trial[place] = np.where(rng.random() < 0.5, low, high)[place]
        found = margin(trial)
        better = (found > best)[:, None, None, None]
        moved, best = np.where(better, trial, moved), np.maximum(best, found)
    return float((best <= 0).mean())


def with_nan(x: np.ndarray) -> np.ndarray:
    """Half of the images NaN, which is unlike every label."""
    x = x.copy()
    x[:30] = np.nan
    return x


def clean_pairing() -> Given:
    """A network whose logits were paired on noisy images, without any attack; PGD-10 is what is stated."""
    import keras

    from dimaging_tf import data
    from dimaging_tf.attacks.oracle import KerasOracle
    from dimaging_tf.defenses import logit_pairing

    digits = data.load("digits")
    assert digits.train.label is not None
    x, y = data.to_float(digits.train.x), digits.train.label.astype(np.int64)
    keras.utils.set_random_seed(0)
    config = logit_pairing.Config(
        (8, 8, 1), channels=(8, 16), kernel=3, units=32, eps=0.2, noise=0.5, pairing=5.0
    )
    model = logit_pairing.LogitPairing(config)
    model.compile(keras.optimizers.Adam(3e-3))
    model.fit(x[:1200], y[:1200], batch_size=50, epochs=10, verbose=0)
    oracle, threat = KerasOracle(model.network), Threat("linf", 0.2)
    images, labels = x[1200:1320], y[1200:1320]
    short = attacks.pgd(oracle, images, labels, threat, steps=10, step=0.05)
    return {
        "model": oracle, "x": images, "y": labels, "threat": threat, "claim": Claim(1 - short.rate),
    }  # fmt: skip


PLANTED: dict[str, tuple[Callable[[Any], Given], str]] = {
    "softmax twice": (lambda o: {"model": softmax_twice(o)}, "the model gives probabilities"),
    "few steps": (
        lambda o: {"plan": (Step("PGD-1", "pgd", {"steps": 1, "step": 0.001}),)},
        "more steps and restarts change nothing",
    ),
    "ties counted as fooled": (tied, "the claim holds"),
    "masked gradient": (lambda o: {"model": masked(o)}, "gradient points uphill"),
    "random defence": (lambda o: {"model": random(o)}, "the same answer twice"),
    "wrong bounds": (lambda o: {"threat": Threat("linf", 0.04, (0, 255))}, "threat complete"),
    "label leak": (lambda o: {"model": label_leak(o)}, "gradient points uphill"),
    "clean logit pairing": (lambda o: clean_pairing(), "the claim holds"),
    "NaN counted as fooled": (lambda o: {"claim": Claim(0.2, with_nan(IMAGES))}, "the claim holds"),
    "query-only on a quantised head": (lambda o: query_only(), "the claim holds"),
    "no restarts": (
        lambda o: {"plan": (Step("PGD", "pgd", {"steps": 3, "step": 0.004}),)},
        "more steps and restarts change nothing",
    ),
}  # fmt: skip
"""Name -> (the evaluation, the gate that must fail, or the words with which it is refused)."""


def arguments(given: Given, oracle: Any) -> tuple[tuple[Any, ...], Given]:
    """The positional and the named arguments of `evaluate` for an evaluation of this module."""
    full = {"model": oracle, "x": IMAGES, "threat": THREAT, "plan": "quick"} | given
    full.setdefault("y", labels_of(oracle))
    return tuple(full.pop(name) for name in ("model", "x", "y", "threat")), full
