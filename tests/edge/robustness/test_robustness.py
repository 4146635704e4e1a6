"""Bad evaluations are flagged, each by its own gate; honest ones are not, and only these have a figure."""

import json

import numpy as np
import pytest
from dimaging_edge import attacks
from dimaging_edge.attacks import Threat
from dimaging_edge.common.errors import InputError
from dimaging_edge.robustness import GATES, PLANS, Claim, Step, evaluate, wilson
from dimaging_edge.robustness.report import FAIL, PASS
from helpers.planted import HONEST, IMAGES, MODEL, PLANTED, THREAT, arguments, labels_of, saturated
from helpers.small_classifiers import onnx_oracle


@pytest.fixture(scope="module")
def oracle():
    return onnx_oracle(MODEL)


@pytest.fixture(scope="module")
def labels(oracle):
    return labels_of(oracle)


def verdicts(report):
    return {gate.gate: gate.verdict for gate in report.gates}


@pytest.mark.parametrize("case", HONEST)
def test_no_false_alarm(case, oracle):
    given, named = arguments(HONEST[case](oracle), oracle)
    report = evaluate(*given, **named)
    assert not report.failed, report.table()
    assert report.robust is not None
    assert 0 < report.robust.share < report.clean.share
    assert f"robust accuracy {report.robust}" in report.headline
    if case == "onnx":
        assert evaluate(*given, **named).digest == report.digest


def withheld(report, gate):
    """The gate failed, and the report states no figure in any of its forms."""
    assert verdicts(report)[gate] == FAIL, report.table()
    assert report.robust is None
    assert report.headline.startswith("no figure of robustness:")
    assert gate in report.headline
    assert report.table().count("withheld") == len(report.rows) - 1
    found = json.loads(report.to_json())
    assert found["robust"] is None
    assert len(found["rows"]) == 1


@pytest.mark.parametrize("case", PLANTED)
def test_a_planted_mistake_is_flagged_and_has_no_figure(case, oracle):
    change, gate = PLANTED[case]
    given, named = arguments(change(oracle), oracle)
    if gate in GATES:
        withheld(evaluate(*given, **named), gate)
    else:  # refused before any attack
        with pytest.raises(InputError, match=gate):
            evaluate(*given, **named)


BAD = {
    "saturated softmax": (lambda o: {"model": saturated(o)}, "gradient points uphill"),
    "queries alone": (lambda o: {"model": attacks.Scores(o.score)}, "white box"),
    "no gradient in the plan": (
        lambda o: {"plan": (Step("Square", "square", {"queries": 200}),)}, "white box",
    ),
    "no eps": (lambda o: {"threat": Threat("l2", np.inf)}, "threat complete"),
    "images that left eps": (
        lambda o: {"claim": Claim(0.1, np.clip(IMAGES + np.float32(0.2), 0, 1))}, "the claim holds",
    ),
    "a figure too kind": (lambda o: {"claim": Claim(0.93)}, "the claim holds"),
    "a detector that nobody attacked": (lambda o: {"detector": True}, "adaptive attack on a detector"),
    "another file": (
        lambda o: {"logits_of_file": np.roll(o.score(IMAGES), 1, axis=1)}, "the deployed file is attacked",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_other_bad_evaluations_are_flagged(case, oracle):
    change, gate = BAD[case]
    given, named = arguments(change(oracle), oracle)
    withheld(evaluate(*given, **named), gate)


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
