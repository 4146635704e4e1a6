"""A row for each attack and oracle: inside the threat to the last bit, repeatable, and it fools."""

from fractions import Fraction

import numpy as np
import pytest
from dimaging_edge import attacks
from dimaging_edge.attacks import ATTACKS, Threat
from dimaging_edge.common.errors import InputError
from helpers.small_classifiers import Linear

QUICK = {
    "fgsm": {}, "bim": {}, "momentum": {}, "pgd": {"steps": 10, "restarts": 2}, "apgd": {"steps": 15},
    "deepfool": {}, "ddn": {"steps": 30}, "square": {"queries": 150}, "rays": {"queries": 150},
}  # fmt: skip
EPS = {"linf": 0.1, "l2": 0.5}
ROWS = [
    (name, norm, oracle)
    for name, entry in ATTACKS.items()
    for norm in entry.norms
    for oracle in ("linear", "onnx", "int8", "eot", "bpda", "transfer", "scores")
    if oracle != "scores" or entry.needs != "gradient"
]


def test_every_attack_has_settings_here():
    assert set(QUICK) == set(ATTACKS)


def exact_norms(moved, x, norm):
    """Without any rounding, as fractions; of l2 the square."""
    found = []
    for a, b in zip(moved.reshape(len(x), -1), x.reshape(len(x), -1), strict=True):
        differences = [
            abs(Fraction(float(p)) - Fraction(float(q))) for p, q in zip(a, b, strict=True)
        ]
        found.append(max(differences) if norm == "linf" else sum(d * d for d in differences))
    return found


@pytest.mark.parametrize(("name", "norm", "kind"), ROWS, ids=lambda row: row)
def test_attack(name, norm, kind, oracles, images):
    oracle, run = oracles[kind], getattr(attacks, name)
    y = oracle.score(images).argmax(1)
    y[0] = (y[0] + 1) % 4  # wrong before any attack
    threat = Threat(norm, EPS[norm])
    before = images.copy()
    result = run(oracle, images, y, threat, seed=7, **QUICK[name])
    np.testing.assert_array_equal(images, before)
    assert result.x.dtype == np.float32
    assert result.x.min() >= 0
    assert result.x.max() <= 1
    limit = Fraction(EPS[norm]) ** (2 if norm == "l2" else 1)
    assert all(found <= limit for found in exact_norms(result.x, images, norm))
    np.testing.assert_array_equal(result.success, oracle.score(result.x).argmax(1) != y)
    assert result.success[0]
    assert result.norms[0] == 0
    assert 0.2 < result.rate
    assert result.queries > len(images)
    if kind != "eot":  # its views go on
        again = run(oracle, images, y, threat, seed=7, **QUICK[name])
        np.testing.assert_array_equal(again.x, result.x)


TARGETED = [name for name, entry in ATTACKS.items() if entry.targeted]


@pytest.mark.parametrize("kind", ["linear", "onnx"])
@pytest.mark.parametrize("name", TARGETED)
def test_with_a_target(name, kind, oracles, images):
    oracle = oracles[kind]
    y = oracle.score(images).argmax(1)
    norm = ATTACKS[name].norms[0]
    threat = Threat(norm, {"linf": 0.4, "l2": 2.5}[norm], target=(y + 1) % 4)
    result = getattr(attacks, name)(oracle, images, y, threat, **QUICK[name])
    np.testing.assert_array_equal(result.success, oracle.score(result.x).argmax(1) == (y + 1) % 4)
    assert result.rate > 0.5


def test_fgsm_on_a_linear_model_is_its_closed_form(oracles, images):
    """Of two classes: x - eps sign(w_y - w_other), and nothing does better in linf."""
    oracle = oracles["linear"]
    logits = oracle.score(images)
    order = np.argsort(-logits, 1)
    y, other = order[:, 0], order[:, 1]
    strong = type(oracle)(oracle.weights, scale=1e3)  # only the nearest class counts
    result = attacks.fgsm(strong, images, y, Threat("linf", 0.05))
    step = 0.05 * np.sign(oracle.weights[:, other] - oracle.weights[:, y]).T.reshape(images.shape)
    np.testing.assert_allclose(result.x, np.clip(images + step, 0, 1), atol=1e-7)


def test_fgsm_l2_on_a_linear_model(oracles):
    oracle = oracles["linear"]
    image = np.full((1, 6, 6, 1), 0.5, np.float32)
    y = oracle.score(image).argmax(1)
    gradient = oracle(image, y)[0]
    moved = attacks.fgsm(oracle, image, y, Threat("l2", 0.3)).x
    np.testing.assert_allclose(moved, image + 0.3 * gradient / np.linalg.norm(gradient), atol=1e-6)


@pytest.mark.parametrize("name", ["deepfool", "ddn"])
def test_the_smallest_change_of_a_linear_model(name, oracles):
    """The distance to the nearest plane between two classes is known."""
    oracle = oracles["linear"]
    image = np.random.default_rng(0).uniform(0.4, 0.6, (8, 6, 6, 1)).astype(np.float32)
    logits = oracle.score(image).astype(np.float64)
    y = logits.argmax(1)
    normal = oracle.weights.T[None] - oracle.weights.T[y][:, None]
    length = np.linalg.norm(normal, axis=2)
    length[length == 0] = 1
    gap = logits[np.arange(8), y][:, None] - logits
    gap[np.arange(8), y] = np.inf
    expected = (gap / length).min(1)
    result = getattr(attacks, name)(oracle, image, y, Threat("l2", np.inf))
    assert result.success.all()
    np.testing.assert_allclose(result.norms, expected, rtol=0.03)
    assert (result.norms >= expected * (1 - 1e-5)).all()


@pytest.mark.parametrize("classes", [2, 3, 4, 10])
@pytest.mark.parametrize("name", ["deepfool", "ddn"])
def test_the_smallest_change_however_near_and_of_however_many_classes(name, classes):
    """Images from 1/1000 to 1 away from the plane between their class and the next one."""
    rng = np.random.default_rng(1)
    weights = rng.normal(0, 1, (36, classes)).astype(np.float32)
    planes = [weights[:, 1] - weights[:, k] for k in range(classes) if k != 1]
    image = rng.uniform(0.45, 0.55, (12, 36))
    far = np.geomspace(1e-3, 0.3, 12)
    bias = np.full(classes, -50.0)
    bias[:2] = 0
    normal = planes[0] / np.linalg.norm(planes[0])
    image += (far - (image - 0.5) @ normal)[:, None] * normal
    bias[0] = 0.5 * planes[0].sum()  # the plane goes through the grey image
    model = Linear(weights, bias.astype(np.float32))
    image = image.reshape(12, 6, 6, 1).astype(np.float32)
    logits = image.reshape(12, -1).astype(np.float64) @ weights + bias
    expected = (logits[:, 1] - logits[:, 0]) / np.linalg.norm(planes[0])
    result = getattr(attacks, name)(model, image, [1] * 12, Threat("l2", np.inf))
    assert result.success.all()
    np.testing.assert_allclose(result.norms, expected, rtol=0.03, atol=2e-5)


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_labels_alone_find_a_way_where_no_single_block_does(classes):
    """Of a linear model every image can be fooled, also where neither white, black nor one flip does it."""
    rng = np.random.default_rng(1)
    weights = rng.normal(0, 1, (36, classes)).astype(np.float32)
    weights[:, 0] += 0.3  # a bright or grey image is of class 0
    image = rng.uniform(0.4, 0.6, (8, 6, 6, 1)).astype(np.float32)
    model = Linear(weights)
    y = model.score(image).argmax(1)
    result = attacks.rays(attacks.Scores(model.score), image, y, Threat("linf", np.inf))
    assert result.success.all()


def test_stronger_attacks_fool_more(oracles, images):
    oracle = oracles["onnx"]
    y = oracle.score(images).argmax(1)
    threat = Threat("linf", 0.06)
    rates = [
        run(oracle, images, y, threat, **given).rate
        for run, given in (
            (attacks.fgsm, {}),
            (attacks.pgd, {}),
            (attacks.apgd, {"steps": 50, "restarts": 2}),
        )
    ]
    assert rates == sorted(rates)


@pytest.mark.parametrize("loss", ["ce", "dlr"])
def test_the_scale_of_the_logits_changes_nothing(loss, oracles, images):
    linear = oracles["linear"]
    y = linear.score(images).argmax(1)
    threat = Threat("linf", 0.03)
    found = [
        attacks.apgd(
            type(linear)(linear.weights, scale=s), images, y, threat, steps=20, loss=loss
        ).rate
        for s in (1, 10, 1000)
    ]
    assert 0 < found[0] < 1
    assert max(found) - min(found) <= 1 / 24


def test_ties_are_no_success_and_do_not_stop_the_squares():
    """A head of coarse steps: a square that changes nothing is kept, and a tie of two logits fools nobody."""

    def coarse(x):
        mean = x.mean((1, 2, 3))
        return np.stack([np.floor(20 * mean + 1e-3), np.full(len(x), 12.0)], 1).astype(np.float32)

    image = np.full((3, 6, 6, 1), 0.8, np.float32)
    result = attacks.square(
        attacks.Scores(coarse), image, [0, 0, 0], Threat("linf", 0.4), queries=400
    )
    assert result.success.all()
    tie = attacks.square(
        attacks.Scores(coarse), image, [0, 0, 0], Threat("linf", 0.2), queries=4000
    )
    np.testing.assert_array_equal(coarse(tie.x)[:, 0], 12)
    assert not tie.success.any()


def test_squares_are_of_rows_and_columns_where_channels_come_first(images):
    """Such as in files of PyTorch: the same squares, whichever axis holds the colours."""
    weights = np.random.default_rng(2).normal(0, 1, (6, 6, 3, 4)).astype(np.float32)
    colours, threat = images.repeat(3, -1) * np.float32(0.9), Threat("linf", 0.1)

    def score(x):
        return np.einsum("nhwc,hwck->nk", x, weights)

    y = score(colours).argmax(1)
    last = attacks.square(attacks.Scores(score), colours, y, threat, queries=60)
    first = attacks.square(
        attacks.Scores(lambda x: score(np.moveaxis(x, 1, -1))),
        np.moveaxis(colours, -1, 1),
        y,
        threat,
        queries=60,
    )
    np.testing.assert_array_equal(np.moveaxis(first.x, 1, -1), last.x)


@pytest.mark.parametrize(
    ("name", "norm"), [(name, norm) for name, entry in ATTACKS.items() for norm in entry.norms]
)
def test_without_a_limit_every_image_falls(name, norm, oracles, images):
    oracle = oracles["onnx"]
    y = oracle.score(images).argmax(1)
    for eps in (np.inf, 1.0 if norm == "linf" else 1e9):
        result = getattr(attacks, name)(oracle, images, y, Threat(norm, eps), **QUICK[name])
        assert result.success.all()


def test_labels_alone_find_the_smallest_change_as_long_as_there_are_queries(oracles, images):
    oracle = oracles["onnx"]
    y = oracle.score(images).argmax(1)
    far, near = (
        attacks.rays(oracle, images, y, Threat("linf", np.inf), queries=n).norms.mean()
        for n in (20, 200)
    )
    assert near < 0.8 * far
    result = attacks.rays(oracle, images, y, Threat("linf", 0), queries=50)
    assert result.queries <= 24 * (50 + 2)  # and the clean image, and the last look


class GreyLevels:
    """The same model, of images in 0 to 255."""

    def __init__(self, oracle):
        self.oracle = oracle

    def __call__(self, x, y):
        gradient, margin, logits = self.oracle(x / np.float32(255), y)
        return gradient / np.float32(255), margin, logits

    def along(self, x, direction):
        gradient, logits = self.oracle.along(x / np.float32(255), direction)
        return gradient / np.float32(255), logits

    def score(self, x):
        return self.oracle.score(x / np.float32(255))


@pytest.mark.parametrize("name", ATTACKS)
def test_the_unit_of_the_images_changes_nothing(name, oracles, images):
    oracle, grey = oracles["onnx"], GreyLevels(oracles["onnx"])
    y, norm = oracle.score(images).argmax(1), ATTACKS[name].norms[-1]
    run, eps = getattr(attacks, name), EPS[norm]
    one = run(oracle, images, y, Threat(norm, eps), **QUICK[name])
    many = run(grey, images * 255, y, Threat(norm, eps * 255, (0, 255)), **QUICK[name])
    assert abs(one.rate - many.rate) <= 2 / 24
    np.testing.assert_allclose(many.norms.mean(), 255 * one.norms.mean(), rtol=0.1)


@pytest.mark.parametrize("name", ["pgd", "apgd", "bim"])
def test_images_that_are_done_are_not_asked_again(name, oracles, images):
    oracle, asked = oracles["onnx"], []

    class Counting(attacks.Scores):
        has_gradient = True

        def __call__(self, x, y):
            asked.append(len(x))
            return oracle(x, y)

    y = oracle.score(images).argmax(1)
    result = getattr(attacks, name)(
        Counting(oracle.score), images, y, Threat("linf", 0.08), steps=20
    )
    left = 24 - int(result.success.sum())
    assert 0 < left < 24
    assert (asked[0], asked[-1]) == (24, left)
    assert result.queries == 2 * 24 + sum(asked)


def test_a_list_of_targets(oracles, images):
    oracle = oracles["onnx"]
    y = oracle.score(images).argmax(1)
    goal = (y + 1) % 4
    y[0] = (y[0] + 2) % 4
    found = [
        attacks.pgd(oracle, images, y, Threat("linf", 0.1, target=target))
        for target in (goal, list(goal))
    ]
    np.testing.assert_array_equal(found[0].x, found[1].x)


def test_pgd_goes_on_until_it_is_certain(oracles, images):
    oracle, threat = oracles["onnx"], Threat("linf", 0.3)
    y = oracle.score(images).argmax(1)
    sure = attacks.pgd(oracle, images, y, threat, certainty=0.9)
    first = attacks.pgd(oracle, images, y, threat)
    margins = [oracle(result.x, y)[1] for result in (sure, first)]
    assert (margins[0] >= np.log(9) - 1e-4).mean() > 0.9
    assert np.median(margins[1]) < np.median(margins[0])
    with pytest.raises(InputError, match="certainty: expected a probability of 0 to below 1"):
        attacks.pgd(oracle, images, y, threat, certainty=1)
