"""Images that deceive over views: the threat is kept, views are undone by transposes, and what is refused."""

import numpy as np
import pytest
from dimaging_edge import attacks
from dimaging_edge.attacks import Threat, views, wrapped
from dimaging_edge.common.camera import Camera, View
from dimaging_edge.common.errors import DimagingError, InputError
from helpers.small_classifiers import Linear

from dimaging_tf.physics.jpeg import jpeg

RNG = np.random.default_rng(2)


@pytest.fixture
def labels(oracles, images):
    return oracles["onnx"].score(images).argmax(1)


def test_views_survive_that_one_view_does_not(oracles, images, labels):
    oracle, threat = oracles["onnx"], Threat("linf", 0.15)
    draws = [Camera(6, distance=(1.0, 1.5))] * 4
    plain = attacks.pgd(oracle, images, labels, threat, steps=20, confident=True)
    found = attacks.robust(oracle, images, labels, threat, draws, steps=20)
    shown = [
        attacks.survival(oracle.score, result.x, labels, threat, draws * 8, seed=77).mean()
        for result in (plain, found)
    ]
    assert shown[1] > shown[0]
    assert found.norms.max() <= 0.15
    assert found.x.min() >= 0
    assert found.x.max() <= 1
    assert found.queries == len(images) * (1 + 20 * 4 + 1)
    again = attacks.robust(oracle, images, labels, threat, draws, steps=20)
    np.testing.assert_array_equal(found.x, again.x)


UNCOUNTED = {
    "no view": (lambda o, x, y: (o.score, x, y, []), InputError, "expected at least one view"),
    "one view": (lambda o, x, y: (o.score, x, y, wrapped.shifts(1)), InputError, "a sequence of views, received one"),
    "nan": (lambda o, x, y: (o.score, x * np.float32(np.nan), y, [wrapped.shifts(1)]), InputError, "864 values that are"),
    "nan logits": (lambda o, x, y: (lambda x: np.full((len(x), 4), np.nan), x, y, [wrapped.shifts(1)]),
                   DimagingError, "neither right nor fooled"),
    "labels": (lambda o, x, y: (o.score, x, y + 4, [wrapped.shifts(1)]), InputError, "labels: expected 0 to 3"),
    "labels of others": (lambda o, x, y: (o.score, x, y[:3], [wrapped.shifts(1)]), InputError, "expected 24 integers"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNCOUNTED)
def test_what_cannot_be_counted_over_views_is_an_error(case, oracles, images, labels):
    make, kind, words = UNCOUNTED[case]
    score, x, y, draws = make(oracles["onnx"], images, labels)
    with pytest.raises(kind) as error:
        attacks.survival(score, x, y, Threat("linf", 0.1), draws)
    assert words in str(error.value)


def test_towards_a_target(oracles, images, labels):
    few = labels != 1
    threat = Threat("linf", 0.4, target=1)
    draws = views.photographed(lambda x, quality: np.rint(x * 31).astype(np.float32) / 31)
    found = attacks.robust(oracles["onnx"], images[few], labels[few], threat, draws, steps=15)
    assert found.rate > 0.9


REFUSED = {
    "draws": ({"draws": []}, "at least one view and one step, received 0 and 40"),
    "steps": ({"steps": 0}, "received 1 and 0"),
    "norm": ({"threat": Threat("l2", 1.0)}, "robust works in linf; received the norm 'l2'"),
    "target": ({"threat": Threat("linf", 0.1, target=9)}, "target: expected 0 to"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_it_refuses(case, oracles, images, labels):
    changes, words = REFUSED[case]
    given = {"threat": Threat("linf", 0.1), "draws": [wrapped.shifts(1)], **changes}
    threat, draws = given.pop("threat"), given.pop("draws")
    with pytest.raises(InputError, match=words):
        attacks.robust(oracles["onnx"], images, labels, threat, draws, **given)


def test_a_gradient_of_nan_is_named(oracles, images, labels):
    broken = wrapped.Bpda(oracles["onnx"], lambda x: x, lambda g: g * np.nan)
    with pytest.raises(DimagingError, match="a gradient of the model is NaN or infinite"):
        attacks.robust(broken, images, labels, Threat("linf", 0.1), [wrapped.shifts(1)])


LINEAR = {
    "resampled": views.resampled(0.5),
    "joined": views.joined(wrapped.shifts(2), views.resampled(0.6)),
    "shifts": wrapped.shifts(3),
}


@pytest.mark.parametrize("name", LINEAR)
def test_gradients_go_back_through_the_transpose(name):
    view = LINEAR[name](np.random.default_rng(3))
    x, g = (RNG.normal(size=(2, 9, 9, 3)).astype(np.float32) for _ in range(2))
    assert np.vdot(view.apply(x), g) == pytest.approx(np.vdot(x, view.back(g)), rel=1e-3, abs=1e-3)


def test_the_codec_is_asked_for_its_qualities():
    asked = []
    draw = views.encoded(lambda x, quality: (asked.append(quality), x)[1], 50, 60)
    for seed in range(50):
        draw(np.random.default_rng(seed)).apply(np.zeros((1, 8, 8, 3), np.float32))
    assert set(asked) == set(range(50, 61))


def test_a_photograph_changes_in_six_ways():
    image = RNG.random((1, 32, 32, 3), np.float32)
    for draw in views.photographed(jpeg):
        seen = draw(np.random.default_rng(0)).apply(image)
        assert seen.shape == image.shape
        assert 0.005 < np.abs(seen - image).mean() < 0.5


def test_a_plate_is_judged_through_its_view_from_the_front():
    """The model takes 6 x 6 pixels, and the plate is twice as large: it is seen by its mean over 2 x 2."""
    weights = np.random.default_rng(8).normal(0, 1, (36, 4)).astype(np.float32)
    oracle, plates = Linear(weights), np.random.default_rng(9).random((3, 12, 12, 1), np.float32)
    front = View(
        lambda x: x.reshape(len(x), 6, 2, 6, 2, 1).mean((2, 4)),
        lambda g: g.repeat(2, 1).repeat(2, 2) / np.float32(4),
    )
    y = oracle.score(front.apply(plates)).argmax(1)
    threat = attacks.Threat("linf", 0.3)
    result = attacks.robust(oracle, plates, y, threat, [lambda rng: front], steps=10, front=front)
    assert result.x.shape == plates.shape
    np.testing.assert_array_equal(
        result.success, oracle.score(front.apply(result.x)).argmax(1) != y
    )
    assert result.success.any()
