"""What does not fit an attack is refused by name: images, labels, threats, settings, models."""

from typing import Any

import numpy as np
import pytest
from dimaging_edge import attacks
from dimaging_edge.attacks import ATTACKS, Threat, views, wrapped
from dimaging_edge.common.errors import DimagingError, InputError


def test_no_gradient_says_how_to_make_one(oracles, images):
    y = oracles["scores"].score(images).argmax(1)
    with pytest.raises(InputError) as error:
        attacks.pgd(oracles["scores"], images, y, Threat("linf", 0.1))
    assert "the file has no gradient" in str(error.value)
    assert "dimaging export RUN --gradient" in str(error.value)


def wrong(value: Any) -> Any:
    """A value of another type than is declared."""
    return value


BAD = {
    "norm": (lambda x, y: Threat("l1", 0.1), "unknown norm 'l1'; did you mean 'l2'? known: linf, l2"),
    "eps unit": (lambda x, y: Threat("linf", 8), "eps=8 is more than the whole range of an image, 0 to 1"),
    "eps fraction": (lambda x, y: Threat("linf", 8), "write eps=8/255"),
    "eps negative": (lambda x, y: Threat("linf", -0.1), "eps: expected a number of 0 or more, received -0.1"),
    "eps nan": (lambda x, y: Threat("l2", float("nan")), "eps: expected a number of 0 or more, received nan"),
    "bounds": (lambda x, y: Threat("linf", 0.1, (1, 0)), "bounds: expected low < high, received (1, 0)"),
    "type": (lambda x, y: (x.astype(np.float64), y), "expected float32 [N, ...], at least one; received float64"),
    "list": (lambda x, y: ([1], y), "received list"),
    "nan": (lambda x, y: (np.where(x == 1, np.nan, x).astype(np.float32), y), "received 24 that are NaN"),
    "range": (lambda x, y: (x * 255, y), "expected values in the bounds 0 to 1, received 0 to 255"),
    "label count": (lambda x, y: (x, y[:3]), "labels: expected 24 integers, received int64 [3]"),
    "label kind": (lambda x, y: (x, y / 2), "labels: expected 24 integers, received float64 [24]"),
    "label range": (lambda x, y: (x, y + 4), "labels: expected 0 to 3, received"),
    "labels from 1": (lambda x, y: (x, np.arange(24) % 4 + 1), "they count from 1: give y - 1"),
    "one-hot": (lambda x, y: (x, np.eye(4)[y]), "of one-hot labels give y.argmax(1)"),
    "label column": (lambda x, y: (x, y[:, None]), "received int64 [24, 1]; give y.ravel()"),
    "label floats": (lambda x, y: (x, y.astype(float)), "received float64 [24]; give y.astype(int)"),
    "bytes": (lambda x, y: (np.uint8(x), y), "bytes are x.astype(np.float32) / 255"),
    "no channels": (lambda x, y: (x[..., 0], y), "takes [N, 6, 6, 1], received [24, 6, 6]; their channels are missing"),
    "channels first": (lambda x, y: (np.moveaxis(x, -1, 1), y), "channels last: np.moveaxis(x, 1, -1)"),
    "colour": (lambda x, y: (x.repeat(3, -1), y), "received [24, 6, 6, 3]; the model takes 1 channel(s)"),
    "size": (lambda x, y: (x[:, :5], y), "received [24, 5, 6, 1]; scale or cut them"),
    "target no number": (lambda x, y: Threat("linf", 0.1, target=np.array(2.7)), "expected the number of a class, or one for"),
    "target count": (lambda x, y: Threat("linf", 0.1, target=[1, 2]), "one for each image; received 2"),
    "eps of other bounds": (lambda x, y: Threat("linf", 8, (-1, 1)), "write eps=2*8/255"),
    "target range": (lambda x, y: Threat("linf", 0.1, target=4), "target: expected 0 to 3, received 4 to 4"),
    "eps as text": (lambda x, y: Threat("linf", wrong("8/255")), "received '8/255'; read_eps('8/255') makes one of it"),
    "eps several": (lambda x, y: Threat("linf", wrong(np.array([0.1, 0.2]))), "eps: expected a number of 0 or more"),
    "norm a number": (lambda x, y: Threat(wrong(2), 0.1), "unknown norm 2; did you mean 'l2'?"),
    "bounds one": (lambda x, y: Threat("linf", 0.1, wrong((0,))), "bounds: expected two numbers, low and high, received (0,)"),
    "bounds none": (lambda x, y: Threat("linf", 0.1, wrong(None)), "two numbers, low and high, received None"),
    "target ragged": (lambda x, y: Threat("linf", 0.1, target=wrong([[1], [2, 3]])), "expected the number of a class"),
    "label ragged": (lambda x, y: (x, [[1], [1, 2], *[0] * 22]), "labels: expected 24 integers, received object"),
    "target is label": (lambda x, y: Threat("linf", 0.1, target=y), "image 0 is of that class already"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case, oracles, images):
    make, words = BAD[case]
    y = oracles["onnx"].score(images).argmax(1)

    def attack():
        made = make(images, y)
        given = (images, y, made) if isinstance(made, Threat) else (*made, Threat("linf", 0.1))
        attacks.fgsm(oracles["onnx"], *given)

    with pytest.raises(InputError) as error:
        attack()
    assert words in str(error.value)


SETTINGS = [
    ("pgd", {"steps": 0}, "steps: expected 1 or more, received 0"),
    ("apgd", {"loss": "hinge"}, "expected loss 'ce' or 'dlr'"),
    ("ddn", {"gamma": 2}, "gamma in 0 to 1"),
    ("deepfool", {"classes": 0}, "steps and classes are 1 or more"),
    ("square", {"queries": 1}, "queries of 2 or more"),
    ("rays", {"precision": 0}, "precision above 0"),
    ("pgd", {"steps": 2.5}, "pgd: steps is a whole number; received 2.5"),
    ("pgd", {"step": 0.0}, "step: expected a number above 0, received 0.0"),
    ("pgd", {"seed": -1}, "seed: expected a whole number of 0 or more, received -1"),
    ("momentum", {"decay": 2}, "decay: expected 0 to 1, received 2"),
    ("pgd", {"nsteps": 3}, "pgd takes no setting 'nsteps'; did you mean 'steps'?"),
    ("pgd", {"step": "8/255"}, "pgd: step is a number; received '8/255'"),
    ("pgd", {"confident": "no"}, "pgd: confident is True or False; received 'no'"),
    ("ddn", {"gamma": None}, "ddn: gamma is a number; received None"),
    ("deepfool", {"overshoot": -3}, "overshoot is 0 or more; received 50, 10, -3"),
    ("rays", {"precision": np.inf}, "precision above 0 and below 1"),
]


@pytest.mark.parametrize(
    ("name", "given", "words"), SETTINGS, ids=lambda v: v if isinstance(v, str) else ""
)
def test_bad_settings_are_named(name, given, words, oracles, images):
    y = oracles["onnx"].score(images).argmax(1)
    threat = Threat(ATTACKS[name].norms[-1], 0.1)
    with pytest.raises(InputError) as error:
        getattr(attacks, name)(oracles["onnx"], images, y, threat, **given)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("name", "threat", "words"),
    [
        ("square", Threat("l2", 0.1), "square works in linf; received the norm 'l2'"),
        ("ddn", Threat("linf", 0.1), "ddn works in l2; received the norm 'linf'"),
        ("rays", Threat("linf", 0.1, target=1), "rays takes no target; choose pgd or apgd"),
    ],
)
def test_what_an_attack_cannot_do_raises_at_once(name, threat, words, oracles, images):
    with pytest.raises(InputError, match="."):
        getattr(attacks, name)(None, images, [0], threat)
    with pytest.raises(InputError) as error:
        getattr(attacks, name)(oracles["onnx"], images, [0] * 24, threat)
    assert words in str(error.value)


ORACLES = {
    "function": ("square", lambda o: o.score, "expected an oracle, such as attacks.of_bundle(bundle), received method"),
    "none": ("pgd", lambda o: None, "received NoneType; a function of images that gives logits is attacks.Scores"),
    "dictionary": ("square", lambda o: attacks.Scores(lambda x: wrong({"logits": x})), "this model gives object [] for 24"),
    "text": ("square", lambda o: attacks.Scores(lambda x: wrong([["a", "b"]] * len(x))), "expected logits [N, classes], numbers"),
}  # fmt: skip


@pytest.mark.parametrize("case", ORACLES)
def test_what_cannot_be_asked_is_named(case, oracles, images):
    name, make, words = ORACLES[case]
    y = oracles["onnx"].score(images).argmax(1)
    with pytest.raises(InputError) as error:
        getattr(attacks, name)(make(oracles["onnx"]), images, y, Threat("linf", 0.1))
    assert words in str(error.value)


def test_whole_numbers_are_logits_too(oracles, images):
    def coarse(x):
        return np.rint(oracles["onnx"].score(x) * 100).astype(np.int64)

    y = coarse(images).argmax(1)
    result = attacks.square(attacks.Scores(coarse), images, y, Threat("linf", 0.2), queries=100)
    np.testing.assert_array_equal(result.success, coarse(result.x).argmax(1) != y)


def test_a_threat_is_no_number(oracles, images):
    with pytest.raises(InputError, match="expected a Threat, such as Threat.* received 0.1"):
        attacks.pgd(oracles["onnx"], images, np.zeros(24, int), 0.1)


VIEWS = {
    "shifts": (lambda: wrapped.shifts(-1), "shifts: expected pixels of 0 or more; received -1"),
    "shifts in parts": (lambda: wrapped.shifts(wrong(1.5)), "shifts: pixels is a whole number; received 1.5"),
    "light": (lambda: wrapped.light(2), "light: expected a share of 0 to 1; received 2"),
    "noise": (lambda: wrapped.noise(-1), "noise: expected a deviation of 0 or more; received -1"),
    "resampled": (lambda: views.resampled(3), "resampled: expected a factor above 0, at most 1; received 3"),
    "encoded": (lambda: views.encoded(wrong(None), 90, 50), "encoded: expected a least quality up to the most; received 90, 50"),
    "one view": (lambda: attacks.Eot(None, wrong(wrapped.shifts(1))), "eot: expected a sequence of views, received one"),
    "no whole view": (lambda: attacks.Eot(None, [], views=wrong(2.5)), "eot: views is a whole number; received 2.5"),
}  # fmt: skip


@pytest.mark.parametrize("case", VIEWS)
def test_bad_views_are_named_where_they_are_made(case):
    make, words = VIEWS[case]
    with pytest.raises(InputError) as error:
        make()
    assert words in str(error.value)


START = {
    "list": ([1], {}, "start: expected float32 in 0 to 1, [N, ...], received list"),
    "none": (np.zeros((0, 6, 6, 1), np.float32), {}, "received float32 [0, 6, 6, 1]"),
    "target": (None, {"target": 1.5}, "synthesise: target is a whole number; received 1.5"),
    "confidence": (None, {"confidence": 2}, "a confidence in 0 to 1, a step above 0; received 200, 2, None"),
    "step": (None, {"step": -1.0}, "received 200, 0.9, -1.0"),
    "steps": (None, {"steps": 0}, "steps of 1 or more"),
}  # fmt: skip


@pytest.mark.parametrize("case", START)
def test_bad_input_of_a_synthesis_is_named(case, oracles, images):
    start, given, words = START[case]
    with pytest.raises(InputError) as error:
        attacks.synthesise(
            oracles["onnx"], images if start is None else start, **{"target": 1, **given}
        )
    assert words in str(error.value)


def test_a_model_that_gives_nan_or_probabilities_is_refused(images):
    with pytest.raises(DimagingError, match="neither right nor fooled"):
        attacks.square(
            attacks.Scores(lambda x: np.full((len(x), 3), np.nan)),
            images,
            [0] * 24,
            Threat("linf", 0.1),
        )
    with pytest.raises(InputError, match="A single logit z, of a sigmoid, is the two logits"):
        attacks.square(
            attacks.Scores(lambda x: x.mean((1, 2, 3))[:, None]),
            images,
            [0] * 24,
            Threat("linf", 0.1),
        )
    with pytest.raises(InputError, match="the model gives probabilities"):
        attacks.square(
            attacks.Scores(lambda x: np.full((len(x), 4), 0.25)),
            images,
            [0] * 24,
            Threat("linf", 0.1),
        )


def test_a_gradient_that_is_not_finite_is_named(oracles, images):
    class Broken(attacks.Scores):
        def __call__(self, x, y):
            return np.full_like(x, np.nan), np.zeros(len(x)), self.score(x)

    y = oracles["onnx"].score(images).argmax(1)
    for name in (
        "fgsm",
        "apgd",
        "pgd",
    ):  # of one image alone apgd would have said that it withstands
        with pytest.raises(DimagingError, match=f"{name} made images of NaN or infinity"):
            getattr(attacks, name)(Broken(oracles["onnx"].score), images, y, Threat("linf", 0.1))


@pytest.mark.parametrize(
    ("text", "value"), [("8/255", 8 / 255), ("0.3", 0.3), ("0", 0), ("1e-2", 0.01)]
)
def test_eps_as_text(text, value):
    assert attacks.read_eps(text) == value


@pytest.mark.parametrize("text", ["", "8/", "8/0", "-1", "nan", "inf", "a/b", "1/2/3"])
def test_no_eps(text):
    with pytest.raises(InputError, match="expected a number such as 0.03 or 8/255"):
        attacks.read_eps(text)
