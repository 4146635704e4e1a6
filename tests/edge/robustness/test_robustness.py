"""Bad evaluations are flagged, each by its own gate; honest ones are not, and only these have a figure."""

import json
from typing import Any

import numpy as np
import pytest
from dimaging_edge import attacks
from dimaging_edge.attacks import Threat
from dimaging_edge.common.errors import InputError
from dimaging_edge.robustness import GATES, PLANS, Claim, Step, evaluate, wilson
from dimaging_edge.robustness.case import Case
from dimaging_edge.robustness.ensemble import Outcome
from dimaging_edge.robustness.report import FAIL, PASS
from helpers.planted import (
    HONEST,
    IMAGES,
    MODEL,
    PLANTED,
    THREAT,
    Changed,
    arguments,
    labels_of,
    saturated,
)
from helpers.small_classifiers import Linear, onnx_oracle


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


def constant(oracle):
    """A model that has collapsed: the same logits for every image."""

    def logits(x):
        return np.tile(np.array([0, 3, 0, 0], np.float32), (len(x), 1))

    return Changed(oracle, score=logits, call=lambda x, y: (*oracle(x, y)[:2], logits(x)))


class TrainingMode:
    """Images normalised by the mean and deviation of their batch, as a layer left in training mode does it."""

    def __init__(self, oracle):
        self.oracle = oracle

    def normal(self, x):
        return ((x - x.mean(0)) / (x.std(0) + 0.05) * 0.3 + 0.5).astype(np.float32)

    def __call__(self, x, y):
        return self.oracle(self.normal(x), y)

    def along(self, x, direction):
        return self.oracle.along(self.normal(x), direction)

    def score(self, x):
        return self.oracle.score(self.normal(x))


def refusing(oracle):
    """A detector whose last logit, "refused", is the largest for every image."""

    def logits(x):
        return np.concatenate([oracle.score(x), np.full((len(x), 1), 99, np.float32)], 1)

    return Changed(
        oracle, score=logits, call=lambda x, y: (*oracle(x, y)[:2], logits(x)),
        along=lambda x, d: oracle.along(x, d[:, :4]),
    )  # fmt: skip


BAD = {
    "eps of images in 0 to 1": (
        lambda o: {
            "model": attacks.Bpda(o, lambda x: (x / 255).astype(np.float32), lambda g: g / np.float32(255)),
            "x": 255 * IMAGES, "threat": Threat("linf", 8 / 255, (0, 255)),
        },
        "threat complete",
    ),
    "a model that has collapsed": (lambda o: {"model": constant(o)}, "labels fit"),
    "labels shifted by one": (lambda o: {"y": (labels_of(o) + 1) % 4}, "labels fit"),
    "classes in another order": (lambda o: {"y": np.array([2, 0, 1, 3])[labels_of(o)]}, "labels fit"),
    "a detector that refuses all": (
        lambda o: {"model": refusing(o), "detector": True, "adaptive": True}, "labels fit",
    ),
    "batch normalisation in training mode": (
        lambda o: {"model": TrainingMode(o), "y": TrainingMode(o).score(IMAGES).argmax(1)}, "one image at a time",
    ),
    "images of a claim that are too few": (
        lambda o: {"claim": Claim(0.4, IMAGES[:3])}, "the claim holds",
    ),
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


def grey_levels(oracle):
    """Images are rounded to 8 bits, so a change of less than half a grey level is none."""
    images = (np.rint(IMAGES * 255) / 255).astype(np.float32)
    model = attacks.Bpda(oracle, lambda x: (np.rint(x * 255) / 255).astype(np.float32))
    return {"model": model, "x": images, "threat": Threat("linf", 1 / 255)}


def two_classes(oracle):
    """A loss of three classes does not suit it, and is left out."""
    weights = np.random.default_rng(1).normal(0, 1, (36, 2)).astype(np.float32)
    model = Linear(weights)
    return {"model": model, "y": model.score(IMAGES).argmax(1), "threat": Threat("linf", 0.02)}


def no_images(oracle):
    """Rows of numbers: there are no squares in them."""
    rows = IMAGES.reshape(60, -1)
    model = Linear(np.random.default_rng(1).normal(0, 1, (36, 4)).astype(np.float32))
    return {
        "model": model,
        "x": rows,
        "y": model.score(rows).argmax(1),
        "threat": Threat("linf", 0.01),
    }


def few_in_l2(oracle):
    """Of 20 images ten steps along two gradients differ by two; many steps do not."""
    return {"x": IMAGES[:20], "y": labels_of(oracle, IMAGES[:20]), "threat": Threat("l2", 0.2)}


@pytest.mark.parametrize(
    ("case", "steps"),
    [
        (grey_levels, ["APGD-CE", "APGD-DLR", "Square"]), (two_classes, ["APGD-CE", "Square"]),
        (no_images, ["APGD-CE", "APGD-DLR"]), (few_in_l2, ["APGD-CE", "APGD-DLR"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)  # fmt: skip
def test_other_honest_evaluations_raise_no_alarm(case, steps, oracle):
    given, named = arguments(case(oracle), oracle)
    report = evaluate(*given, **named)
    assert not report.failed, report.table()
    assert report.robust is not None
    assert 0 < report.robust.share < report.clean.share
    assert [name for name, _ in report.rows[1:]] == steps
    assert [name for name, *_ in json.loads(report.to_json())["plan"]] == steps


@pytest.mark.parametrize(("images", "verdict"), [(250, PASS), (150, FAIL)])
def test_one_image_of_a_hundred_is_weighed_among_all(images, verdict):
    """One image of 250 that the plan missed is .4 points, which may be; two of 150 are 1.3, which may not."""
    rng = np.random.default_rng(3)
    model = Linear(rng.normal(0, 1, (36, 4)).astype(np.float32))
    x = rng.uniform(0.3, 0.7, (images, 6, 6, 1)).astype(np.float32)
    logits, weights = model.score(x).astype(float), model.weights.astype(float)
    y = logits.argmax(1)
    size = np.abs(weights.T[None] - weights.T[y][:, None]).sum(-1)
    gap = np.where(size > 0, logits.max(1, keepdims=True) - logits, np.inf) / np.maximum(size, 1e-9)
    order = np.argsort(gap.min(1))
    nearest = np.sort(gap.min(1))
    missed = 1 if verdict == PASS else 2
    threat = Threat("linf", float(nearest[missed - 1] + nearest[missed]) / 2)
    x, y = x[order], y[order]
    outcome = Outcome(x, np.ones(images, bool), (), ("",) * images, 0, y, 4)
    case = Case(model, x, y, threat, outcome, PLANS["quick"], 0, np.arange(100))
    found, said = GATES["more steps and restarts change nothing"](case)
    assert found == verdict, said
    assert said.startswith(f"{missed / images:.1%} more of all images are fooled")


def test_the_gradient_of_another_model_is_called_so(oracle, labels):
    report = evaluate(attacks.Transfer(oracle, oracle), IMAGES, labels, THREAT, plan="quick")
    found = next(gate for gate in report.gates if gate.gate == "white box")
    assert found.verdict == PASS
    assert found.found.startswith("attacked through another model's gradient")


def test_a_figure_with_a_target_says_so(oracle, labels):
    eps: Any = np.float32(0.04)
    threat = Threat("linf", eps, target=list((labels + 1) % 4))
    report = evaluate(oracle, IMAGES, labels, threat, plan="quick")
    assert report.headline.startswith("not taken for the target ")
    assert json.loads(report.to_json())["eps"] == pytest.approx(0.04)


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


@pytest.mark.parametrize("share", [93, -0.1, np.nan, "0.9", None])
def test_a_claim_is_a_share(share):
    with pytest.raises(InputError, match="claim: expected a share of 0 to 1, received"):
        Claim(share)


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
        (
            {"plan": (Step("x", "pgd", {"restart": 3}),)},
            "x: pgd takes no setting 'restart'; did you mean 'restarts'?",
        ),
        ({"some": 0}, "some: the gates look at 1 image or more, received 0"),
        ({"seed": -1}, "seed: expected a whole number of 0 or more, received -1"),
        ({"some": 1.5}, "evaluate: some is a whole number; received 1.5"),
        (
            {"plan": ["pgd"]},
            "plan: expected one of quick, standard, thorough, or Steps such as Step(",
        ),
        ({"plan": None}, "received None"),
        ({"claim": 0.93}, "claim: expected a Claim, such as Claim(0.93), received 0.93"),
        (
            {"certified": np.ones(2, bool)},
            "certified: expected 60 truth values, one for each image, received (2,)",
        ),
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
