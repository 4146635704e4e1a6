"""Ten bad evaluations are flagged, each by its own gate; honest ones are not, and only these have a figure."""

import json

import numpy as np
import pytest
from dimaging_edge import attacks
from dimaging_edge.attacks import Threat
from dimaging_edge.common.errors import InputError
from dimaging_edge.robustness import GATES, PLANS, Claim, Step, evaluate, wilson
from dimaging_edge.robustness.report import FAIL, PASS
from dimaging_export.precision.reduced import change_precision
from helpers.small_classifiers import Linear, convolutional, onnx_oracle

RNG = np.random.default_rng(11)
IMAGES = RNG.random((60, 6, 6, 1), np.float32)
THREAT = Threat("linf", 0.04)
MODEL = convolutional()


@pytest.fixture(scope="module")
def oracle():
    return onnx_oracle(MODEL)


@pytest.fixture(scope="module")
def labels(oracle):
    """What the model says, but for every twentieth image."""
    y = oracle.score(IMAGES).argmax(1)
    y[::20] = (y[::20] + 1) % 4
    return y


def verdicts(report):
    return {gate.gate: gate.verdict for gate in report.gates}


class Changed:
    """An oracle with some of its answers changed."""

    def __init__(self, oracle, **changes):
        self._oracle, self._changes = oracle, changes

    def __getattr__(self, name):
        return self._changes.get(name) or getattr(self._oracle, name)

    def __call__(self, x, y):
        return self._changes["call"](x, y) if "call" in self._changes else self._oracle(x, y)


def int8():
    return onnx_oracle(change_precision(MODEL, "int8", [{"image": x[None]} for x in IMAGES[:32]]))


HONEST = {
    "onnx": lambda oracle: (oracle, THREAT),
    "int8": lambda oracle: (int8(), THREAT),
    "l2": lambda oracle: (oracle, Threat("l2", 0.2)),
    "linear": lambda oracle: (
        Linear(RNG.normal(0, 1, (36, 4)).astype(np.float32)),
        Threat("linf", 0.01),
    ),
    "eot": lambda oracle: (attacks.Eot(oracle, [], views=2), THREAT),
}


@pytest.mark.parametrize("case", HONEST)
def test_no_false_alarm(case, oracle, labels):
    model, threat = HONEST[case](oracle)
    y = labels if case != "linear" else model.score(IMAGES).argmax(1)
    report = evaluate(model, IMAGES, y, threat, plan="quick")
    assert not report.failed, report.table()
    assert report.robust is not None
    assert 0 < report.robust.share < report.clean.share
    assert f"robust accuracy {report.robust}" in report.headline
    again = evaluate(model, IMAGES, y, threat, plan="quick")
    if case != "eot":
        assert again.digest == report.digest


def masked(oracle):
    """Its gradient is that of a model that knows nothing of the images."""
    wrong = np.random.default_rng(0).standard_normal((60, 6, 6, 1)).astype(np.float32)
    return Changed(oracle, call=lambda x, y: (wrong[: len(x)], *oracle(x, y)[1:]))


def saturated(oracle):
    """Cross-entropy in float32 of logits times 200: sure of itself, and without a gradient where it is."""

    def call(x, y):
        gradient, margin, logits = oracle(x, y)
        share = 1 / (1 + np.exp(np.clip(-200 * margin.astype(np.float64), -500, 500)))
        share = np.where(share < 1e-7, 0, share).astype(np.float32)
        return gradient * share[:, None, None, None], margin * 200, logits

    return Changed(oracle, call=call)


def random(oracle):
    rng = np.random.default_rng(0)
    return Changed(
        oracle, score=lambda x: oracle.score(x) + rng.normal(0, 0.5, (len(x), 4)).astype(np.float32)
    )


def few_steps():
    return (Step("PGD-1", "pgd", {"steps": 1, "step": 0.001}),)


def stale(oracle, y):
    """PGD from one start that barely moves."""
    return (Step("PGD", "pgd", {"steps": 3, "step": 0.004}),)


def claim_of(oracle, y, change, robust):
    moved = IMAGES.copy()
    return Claim(robust, change(moved))


def with_nan(x):
    x[:30] = np.nan
    return x


BAD = {
    "gradient of another model": (lambda o, y: {"model": masked(o)}, "gradient points uphill"),
    "saturated softmax": (lambda o, y: {"model": saturated(o)}, "gradient points uphill"),
    "random defence": (lambda o, y: {"model": random(o)}, "the same answer twice"),
    "few steps": (lambda o, y: {"plan": few_steps()}, "more steps and restarts change nothing"),
    "no restarts": (lambda o, y: {"plan": stale(o, y)}, "more steps and restarts change nothing"),
    "queries alone": (lambda o, y: {"model": attacks.Scores(o.score)}, "white box"),
    "no gradient in the plan": (
        lambda o, y: {"plan": (Step("Square", "square", {"queries": 200}),)}, "white box",
    ),
    "wrong bounds": (lambda o, y: {"threat": Threat("linf", 0.04, (0, 255))}, "threat complete"),
    "no eps": (lambda o, y: {"threat": Threat("l2", np.inf)}, "threat complete"),
    "NaN counted as fooled": (
        lambda o, y: {"claim": Claim(0.2, with_nan(IMAGES.copy()))}, "the claim holds",
    ),
    "images that left eps": (
        lambda o, y: {"claim": Claim(0.1, np.clip(IMAGES + np.float32(0.2), 0, 1))}, "the claim holds",
    ),
    "ties counted as fooled": (lambda o, y: {"claim": Claim(0.0, IMAGES)}, "the claim holds"),
    "a figure too kind": (lambda o, y: {"claim": Claim(0.93)}, "the claim holds"),
    "a detector that nobody attacked": (lambda o, y: {"detector": True}, "adaptive attack on a detector"),
    "another file": (
        lambda o, y: {"logits_of_file": np.roll(o.score(IMAGES), 1, axis=1)}, "the deployed file is attacked",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_evaluation_is_flagged_and_has_no_figure(case, oracle, labels):
    change, gate = BAD[case]
    given = {"model": oracle, "threat": THREAT, "plan": "quick"} | change(oracle, labels)
    report = evaluate(given.pop("model"), IMAGES, labels, given.pop("threat"), **given)
    assert verdicts(report)[gate] == FAIL, report.table()
    assert report.robust is None
    assert report.headline.startswith("no figure of robustness:")
    assert gate in report.headline
    assert report.table().count("withheld") == len(report.rows) - 1
    found = json.loads(report.to_json())
    assert found["robust"] is None
    assert len(found["rows"]) == 1


def test_softmax_twice_is_refused_before_any_attack(oracle, labels):
    def softmax(x):
        powers = np.exp(oracle.score(x))
        return powers / powers.sum(1, keepdims=True)

    with pytest.raises(InputError, match="the model gives probabilities"):
        evaluate(Changed(oracle, score=softmax), IMAGES, labels, THREAT, plan="quick")


def test_label_leaking_makes_attacked_images_easier(oracle, labels):
    """A step that carries the label into the image: right more often attacked than clean."""

    def helpful(x, y):
        gradient, margin, logits = oracle(x, y)
        return -gradient, margin, logits

    report = evaluate(Changed(oracle, call=helpful), IMAGES, labels, THREAT, plan="quick")
    assert verdicts(report)["gradient points uphill"] == FAIL


def test_an_adaptive_attack_and_an_honest_claim_pass(oracle, labels):
    first = evaluate(oracle, IMAGES, labels, THREAT, plan="quick")
    assert first.robust is not None
    report = evaluate(
        oracle, IMAGES, labels, THREAT, plan="quick", detector=True, adaptive=True,
        claim=Claim(first.robust.share), logits_of_file=oracle.score(IMAGES),
    )  # fmt: skip
    found = verdicts(report)
    for gate in (
        "adaptive attack on a detector",
        "the claim holds",
        "the deployed file is attacked",
    ):
        assert found[gate] == PASS


def test_the_report_says_all_of_it(oracle, labels):
    said = []
    report = evaluate(oracle, IMAGES, labels, THREAT, plan="quick", progress=said.append)
    assert list(verdicts(report)) == list(GATES)
    assert [line for line in said if line.startswith("APGD-CE")]
    assert [name for name, _ in report.rows] == ["clean", "APGD-CE", "APGD-DLR", "Square"]
    shares = [share for _, share in report.rows]
    assert shares == sorted(shares, reverse=True)
    assert report.rows[0][1] == report.clean.share == 57 / 60
    assert [eps for eps, _ in report.curve] == [0, 0.01, 0.02, 0.04, 0.08]
    found = json.loads(report.to_json())
    assert found["eps"] == 0.04
    assert found["plan"][0] == ["APGD-CE", "apgd", {"steps": 30, "restarts": 1}]
    assert set(found["tools"]) == {"python", "numpy", "onnxruntime"}


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [(0, 10, 0, 0.2775), (10, 10, 0.7225, 1), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662)],
)
def test_wilson(hits, count, low, high):
    found = wilson(hits, count)
    assert found.share == hits / count
    np.testing.assert_allclose((found.low, found.high), (low, high), atol=5e-5)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"plan": "fast"}, "unknown plan 'fast'; known: quick, standard, thorough"),
        ({"plan": (Step("x", "fgms"),)}, "unknown attack 'fgms'; did you mean 'fgsm'?"),
    ],
)
def test_bad_plans(given, words, oracle, labels):
    with pytest.raises(InputError) as error:
        evaluate(oracle, IMAGES, labels, THREAT, **given)
    assert words in str(error.value)


def test_no_attack_that_suits(oracle, labels):
    with pytest.raises(InputError, match="no attack of the plan .* suits this model and threat"):
        evaluate(
            attacks.Scores(oracle.score), IMAGES, labels, Threat("l2", 0.1), plan=PLANS["quick"]
        )
