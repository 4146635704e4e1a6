"""Where answers come from: a bundle, a file, views averaged, parts without a gradient, another model."""

import numpy as np
import onnx
import pytest
from dimaging_edge import attacks, open_bundle
from dimaging_edge.attacks import Threat, wrapped
from dimaging_edge.common.errors import InputError
from dimaging_export.gradient.build import gradient_model
from dimaging_export.precision.image_bytes import wrap
from helpers.small_classifiers import onnx_oracle, write_bundle


@pytest.fixture
def bundle_of(tmp_path):
    """bundle_of({name: model}, range of the image) -> an opened bundle."""

    def make(models, limits=(0.0, 1.0)):
        folder = tmp_path / f"b{len(list(tmp_path.iterdir()))}"
        return open_bundle(write_bundle(folder, models, limits), threads=1)

    return make


def test_a_bundle_with_a_gradient(bundle_of, convolutional_model, oracles, images):
    bundle = bundle_of(
        {"classifier": convolutional_model, "gradient": gradient_model(convolutional_model)}
    )
    oracle = attacks.of_bundle(bundle)
    y = oracle.score(images).argmax(1)
    for found, expected in zip(oracle(images, y), oracles["onnx"](images, y), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert attacks.bounds_of(bundle) == (0, 1)


def test_a_bundle_without_one_gives_scores(bundle_of, convolutional_model, oracles, images):
    oracle = attacks.of_bundle(bundle_of({"classifier": convolutional_model}))
    np.testing.assert_array_equal(oracle.score(images), oracles["onnx"].score(images))
    with pytest.raises(InputError, match="has no gradient, so only attacks by scores"):
        oracle(images, np.zeros(len(images), int))


def test_a_bundle_that_takes_bytes_is_attacked_in_grey_levels(
    bundle_of, convolutional_model, images
):
    as_bytes = wrap(convolutional_model, frozenset({"image"}))
    bundle = bundle_of({"classifier": as_bytes, "gradient": gradient_model(as_bytes)}, (0.0, 255.0))
    oracle, x = attacks.of_bundle(bundle), np.rint(images * 255).astype(np.float32)
    y = oracle.score(x).argmax(1)
    result = attacks.pgd(oracle, x, y, Threat("linf", 26, attacks.bounds_of(bundle)))
    assert 0 < result.norms.max() <= 26
    logits = bundle.session("classifier").run(None, {"image": np.rint(result.x).astype(np.uint8)})[
        0
    ]
    np.testing.assert_array_equal(result.success, logits.argmax(1) != y)
    assert result.rate > 0.2
    # The gradient is that of the bytes, so no attack is done with what rounding takes back.
    between = x.clip(1, 254) + np.float32(0.4)
    for found, expected in zip(oracle(between, y), oracle(np.rint(between), y), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_what_is_no_classifier(bundle_of, convolutional_model):
    two = {"encoder": convolutional_model, "decoder": convolutional_model}
    with pytest.raises(
        InputError, match="is no classifier, whose one graph .* it holds encoder, decoder"
    ):
        attacks.of_bundle(bundle_of(two))
    with pytest.raises(
        InputError,
        match="declares no range for 'image': .* dimaging export MODEL --range image=0:1",
    ):
        attacks.bounds_of(bundle_of({"classifier": convolutional_model}, None))


def test_a_file(tmp_path, convolutional_model, oracles, images):
    onnx.save(gradient_model(convolutional_model), tmp_path / "gradient.onnx")
    oracle = attacks.of_file(tmp_path / "gradient.onnx")
    y = np.zeros(len(images), int)
    np.testing.assert_array_equal(oracle(images, y)[0], oracles["onnx"](images, y)[0])
    onnx.save(convolutional_model, tmp_path / "model.onnx")
    with pytest.raises(
        InputError, match="model.onnx is no gradient graph, its inputs are image; make one"
    ):
        attacks.of_file(tmp_path / "model.onnx")


def test_batches_beyond_the_oracle_s_own(oracles, images):
    many = np.concatenate([images] * 9)
    y = np.arange(len(many)) % 4
    whole = oracles["onnx"](many, y)
    for start in range(0, len(many), 24):
        part = slice(start, start + 24)
        for found, expected in zip(oracles["onnx"](many[part], y[part]), whole, strict=True):
            np.testing.assert_allclose(found, expected[part], atol=1e-5)


def test_a_file_of_a_fixed_batch_takes_any_number(convolutional_model, oracles, images):
    fixed = onnx.ModelProto()
    fixed.CopyFrom(convolutional_model)
    for tensor in (*fixed.graph.input, *fixed.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_value = 5
    oracle, y = onnx_oracle(fixed), np.arange(24) % 4
    for found, expected in zip(oracle(images, y), oracles["onnx"](images, y), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    direction = np.ones((1, 4), np.float32)
    np.testing.assert_allclose(
        oracle.along(images[:7], direction)[0],
        oracles["onnx"].along(images[:7], direction)[0],
        atol=1e-5,
    )


@pytest.mark.parametrize("what", ["call", "along"])
def test_one_image_at_a_time_is_the_same_as_all(what, oracles, images):
    oracle, direction = oracles["onnx"], np.eye(4, dtype=np.float32)[np.arange(24) % 4]
    ask = (
        (lambda i: oracle(images[i], np.arange(24)[i] % 4))
        if what == "call"
        else lambda i: oracle.along(images[i], direction[i])
    )
    for found, expected in zip(ask(slice(3, 4)), ask(slice(None)), strict=True):
        np.testing.assert_allclose(found[0], expected[3], atol=1e-5)


DRAWS = {
    "shifts": wrapped.shifts(2), "light": wrapped.light(0.2, (-9, 9)), "noise": wrapped.noise(0.1, (-9, 9)),
}  # fmt: skip


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_views_carry_gradients_back(draw):
    """<apply'(v), g> = <v, back(g)>: views are linear in the image, up to a constant."""
    rng = np.random.default_rng(0)
    view = draw(rng)
    x, v, g = (rng.standard_normal((2, 5, 6, 3)).astype(np.float32) for _ in range(3))
    moved = view.apply(x + v) - view.apply(x)
    np.testing.assert_allclose((moved * g).sum(), (v * view.back(g)).sum(), rtol=1e-4)


def test_eot_is_the_mean_of_its_views(oracles, images):
    oracle = oracles["onnx"]
    y = np.zeros(len(images), int)
    plain = attacks.Eot(oracle, [], views=3)
    for found, expected in zip(plain(images, y), oracle(images, y), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    eot = attacks.Eot(
        oracle, [wrapped.shifts(1), wrapped.light(0.1), wrapped.noise(0.02)], views=4, seed=3
    )
    np.testing.assert_array_equal(eot.score(images), eot.score(images))
    assert not np.array_equal(eot(images, y)[0], eot(images, y)[0])
    with pytest.raises(InputError, match="views are 1 or more"):
        attacks.Eot(oracle, [], views=0)


def test_eot_survives_views_that_pgd_does_not(oracles, images):
    """The lecture's robust adversarial inputs: fooled from every shift, and not from one place alone."""
    oracle = oracles["onnx"]
    y = oracle.score(images).argmax(1)
    draws = [wrapped.shifts(1)]
    threat = Threat("linf", 0.25)
    one = attacks.pgd(oracle, images, y, threat)
    all_ = attacks.pgd(attacks.Eot(oracle, draws, views=8), images, y, threat, confident=True)

    def fooled(x):
        views = [draws[0](np.random.default_rng(seed)).apply(x) for seed in range(100, 120)]
        return np.mean([oracle.score(view).argmax(1) != y for view in views])

    assert fooled(all_.x) > fooled(one.x)


def test_a_threshold_in_front_needs_bpda(oracles, images):
    def threshold(x):
        return (x > 0.5).astype(np.float32)

    oracle = oracles["onnx"]
    defended = attacks.Bpda(oracle, threshold)
    y = defended.score(images).argmax(1)
    result = attacks.pgd(defended, images, y, Threat("linf", 0.3))
    assert result.rate > 0.5
    np.testing.assert_array_equal(result.success, oracle.score(threshold(result.x)).argmax(1) != y)


def test_an_image_out_of_noise(oracles):
    start = np.random.default_rng(0).random((3, 6, 6, 1), np.float32)
    found, odds = attacks.synthesise(oracles["onnx"], start, 2, step=0.02)
    assert (odds >= 0.9).all()
    np.testing.assert_array_equal(oracles["onnx"].score(found).argmax(1), 2)
    assert found.min() >= 0
    assert found.max() <= 1
    with pytest.raises(InputError, match="start: expected float32 in 0 to 1"):
        attacks.synthesise(oracles["onnx"], start * 2, 2)
    with pytest.raises(InputError, match="target: expected 0 to 3, received 9"):
        attacks.synthesise(oracles["onnx"], start, 9)
