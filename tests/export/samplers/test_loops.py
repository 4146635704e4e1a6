"""Samplers in ONNX draw what Keras draws, pixel for pixel; one row per network and kind of loop."""

import json
from collections import Counter
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from dimaging_edge import DimagingError, InputError, open_bundle
from dimaging_edge.commands import main as edge
from dimaging_edge.generate.density import complete, sample
from dimaging_edge.lossless import pack, unpack
from dimaging_edge.lossless.bundle_predictor import BundlePredictor
from dimaging_export import ExportError, export
from dimaging_export.convert.to_onnx import convert
from dimaging_export.samplers.build import LOOPS
from dimaging_export.samplers.loops import sampler
from helpers.densities import ROWS, SMALL, drawn_by_keras, feed_of, random_model, run_file

from dimaging_tf.density.layers import LogLikelihood
from dimaging_tf.density.likelihoods import LogisticMixture
from dimaging_tf.layers.masked import MaskedConv2D
from dimaging_tf.models.pixelcnn import Config, PixelCNN


@pytest.mark.parametrize("inner", LOOPS.values())
@pytest.mark.parametrize("name", ROWS)
def test_loops_draw_what_keras_draws(name, inner):
    model = random_model(ROWS[name])
    file = sampler(model.network, model.likelihood, inner)
    for batch in (1, 4):
        feed = feed_of(model, batch)
        # A mixture's value is rounded to a level, which float32 may tip.
        slack = 1.5 / 255 if model.config.components else 1e-6
        np.testing.assert_allclose(run_file(file, feed), drawn_by_keras(model, feed), atol=slack)


@pytest.mark.parametrize("inner", LOOPS.values())
@pytest.mark.parametrize("stacks", ["residual", "gated"])
def test_an_image_narrower_than_the_kernel(stacks, inner):
    model = random_model(Config((3, 2, 1), stacks=stacks, **{**SMALL, "entry": 7}))
    feed = feed_of(model, 3)
    drawn = run_file(sampler(model.network, model.likelihood, inner), feed)
    np.testing.assert_array_equal(drawn, drawn_by_keras(model, feed))


def test_a_round_of_a_row_is_few_nodes():
    """They are what it costs: one Gemm a convolution, its neighbours to the left, what cannot be fused."""
    model = PixelCNN(Config())
    (rows,) = loops_of(sampler(model.network, model.likelihood, "rows").graph)
    (again,) = loops_of(rows)
    count = Counter(node.op_type for node in again.node)
    assert count["Gemm"] == 1 + 3 * 5 + 2
    assert count.total() <= 60
    assert not {"MatMul", "Slice", "Identity", "Reshape"} & set(count)
    kernels = {node.input[1] for node in again.node if node.op_type == "Gemm"}
    assert kernels <= {tensor.name for tensor in again.initializer}


def loops_of(graph):
    return [node.attribute[0].g for node in graph.node if node.op_type == "Loop"]


@pytest.mark.parametrize("name", ROWS)
def test_density_equals_keras(name):
    model = random_model(ROWS[name])
    feed = feed_of(model, 3)
    given: Any = {
        "image": feed["canvas"],
        **{k: v for k, v in feed.items() if k == model.condition},
    }
    found = run_file(convert(model.graphs()["density"], None, "direct"), given, "log_likelihood")
    expected = model.run("density", **given)["log_likelihood"]
    np.testing.assert_allclose(
        found, expected, atol=1e-4, rtol=1e-3 if model.config.components else 1e-5
    )


def test_density_of_a_narrow_mixture_of_few_levels():
    likelihood = LogisticMixture(1, 2, 5)
    parameters = keras.Input((1, 5, likelihood.count), name="parameters")
    image = keras.Input((1, 5, 1), name="image")
    found = {"log_likelihood": LogLikelihood(likelihood)(parameters, image)}
    network = keras.Model({"parameters": parameters, "image": image}, found)
    given = {
        "parameters": np.full((1, 1, 5, likelihood.count), -7, np.float32),
        "image": np.linspace(0, 1, 5, dtype=np.float32).reshape(1, 1, 5, 1),
    }
    onnx = run_file(convert(network, None, "direct"), given, "log_likelihood")
    assert np.isfinite(onnx).all()
    np.testing.assert_allclose(onnx, network(given)["log_likelihood"], rtol=1e-5)


def test_tf2onnx_of_a_naive_loop_draws_the_same():
    """An independent road: tf.while_loop over pixels, a whole forward pass each, by tf2onnx."""
    import tf2onnx

    model = random_model(ROWS["residual"])
    height, width, _ = model.config.shape

    def naive(noise):
        def body(i, image):
            drawn = model.likelihood.draw(model.network(image)["parameters"], noise)
            here = tf.reshape(tf.one_hot(i, height * width), (1, height, width, 1))
            return i + 1, image * (1 - here) + drawn * here

        start = (0, tf.zeros_like(noise))
        _, image = tf.while_loop(lambda i, _: i < height * width, body, start)
        return {"image": image}

    face = [tf.TensorSpec((None, height, width, 1), name="noise")]
    file, _ = tf2onnx.convert.from_function(tf.function(naive), face, opset=18)
    feed = feed_of(model, 4)
    feed["mask"][:] = 0
    oracle = run_file(file, {"noise": feed["noise"]})
    for inner in LOOPS.values():
        own = run_file(sampler(model.network, model.likelihood, inner), feed)
        np.testing.assert_array_equal(own, oracle)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory, digits):
    """A trained model as fp32, integer and phone bundles."""
    keras.utils.set_random_seed(0)
    model = PixelCNN(Config((8, 8, 1), blocks=1, filters=8, middle=8, head=8, entry=5))
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    model.fit(model.prepared(digits / np.float32(255))[0], epochs=20, batch_size=16, verbose=0)
    folder = tmp_path_factory.mktemp("density")
    orders = {"fp32": {}, "integer": {"precision": "integer"}, "phone": {"target": "phone"}}
    made = {k: export(model, folder / k, data=digits, **order) for k, order in orders.items()}
    grey = PixelCNN(Config((8, 8, 1), levels=256, blocks=1, filters=8, middle=8, head=8, entry=5))
    made["grey"] = export(grey, folder / "grey", data=digits, precision="integer")
    return {name: open_bundle(path) for name, path in made.items()}


def test_bundles_hold_what_their_targets_allow(bundles):
    assert bundles["fp32"].graphs == ("density", "sampler", "sampler_rows")
    assert bundles["integer"].graphs == ("density", "sampler", "sampler_rows", "row", "pixel")
    assert bundles["phone"].graphs == ("density", "row", "pixel")
    assert "It draws with the graphs row and pixel" in (
        bundles["phone"].path / "CARD.md"
    ).read_text("utf-8")
    for bundle in bundles.values():
        assert all(one.ok for graph in bundle.check().values() for one in graph.values())
    quality = bundles["integer"].manifest.quality
    assert quality["unit"] == "nats"
    assert quality["loss"] <= quality["allowed"] == 0.1


def test_every_graph_draws_the_same(bundles):
    drawn = [sample(bundles["integer"], 6, 3, graph=g) for g in (*LOOPS, "pixel")]
    for other in drawn[1:]:
        np.testing.assert_array_equal(drawn[0], other)
    floats = sample(bundles["fp32"], 70, 3)
    np.testing.assert_array_equal(floats[:6], sample(bundles["fp32"], 6, 3))
    np.testing.assert_array_equal(floats[:2], sample(bundles["phone"], 2, 3))


@pytest.mark.parametrize("name", ["integer", "grey"])
def test_packing_loses_nothing_and_costs_what_the_model_says(name, bundles, digits):
    bundle = bundles[name]
    predictor, model_id = BundlePredictor(bundle), bundle.manifest.model_id
    symbols = np.rint(digits[..., 0] / 255 * (predictor.levels - 1)).astype(np.uint8)
    stream = pack(predictor, symbols, model_id)
    np.testing.assert_array_equal(unpack(predictor, stream, model_id), symbols)
    weights = predictor.parallel(symbols)
    chosen = np.take_along_axis(weights, symbols[..., None].astype(int), -1)[..., 0]
    ideal = -np.log2(chosen / weights.sum(-1)).sum() / 8
    assert len(stream) <= ideal + 64
    with pytest.raises(DimagingError, match="was packed with model .* this is model 0000"):
        unpack(predictor, stream, "0" * 64)


def test_command_line(bundles, digits, tmp_path, capsys):
    from PIL import Image

    images = tmp_path / "x.npy"
    np.save(images, (digits[:4, ..., 0] > 127).astype(np.uint8))
    Image.fromarray(digits[0, ..., 0]).save(tmp_path / "x.png")
    fp32, integer = (str(bundles[k].path) for k in ("fp32", "integer"))
    for words in (
        ["sample", fp32, "--n", "5", "--out", tmp_path / "s.png"],
        ["complete", fp32, tmp_path / "x.png", "--keep", "upper", "--out", tmp_path / "c.npy"],
        ["pack", integer, images, "--out", tmp_path / "x.dpix"],
        ["unpack", integer, tmp_path / "x.dpix", "--out", tmp_path / "y.npy"],
        ["unpack", integer, tmp_path / "x.dpix", "--out", tmp_path / "y.png"],
    ):
        assert edge.main([str(w) for w in words]) == 0, capsys.readouterr().err
    np.testing.assert_array_equal(np.load(images), np.load(tmp_path / "y.npy"))
    found = np.load(tmp_path / "c.npy")
    assert found.shape == (5, 8, 8, 1)
    with Image.open(tmp_path / "s.png") as picture:
        assert picture.size == (12 * 26, 12 * 17)  # enlarged, to be seen


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sample", "fp32", "--label", "1"], "takes no label; leave --label out"),
        (["sample", "fp32", "--n", "0"], "expected 1 image or more, received 0"),
        (["upscale", "fp32", "x.png"], "does not enlarge images; train one"),
        (["pack", "fp32", "x.npy"], "export it again: --precision integer"),
        (["pack", "integer", "x.png"], "values outside the alphabet of 2 levels"),
        (["unpack", "integer", "x.png"], "no stream of packed images"),
        (["complete", "fp32", "x.npy", "--keep", "left"], "expected (8, 8, 1), received"),
        (["sample", "fp32", "--n", "1", "--out", "x.xyz"], "no picture has the suffix '.xyz'"),
    ],
)
def test_errors_of_the_command_line(words, message, bundles, digits, tmp_path, capsys, monkeypatch):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    np.save("x.npy", (digits[:4, ..., 0] > 127).astype(np.uint8))
    Image.fromarray(digits[0, ..., 0]).save("x.png")
    assert edge.main([words[0], str(bundles[words[1]].path), *words[2:]]) == 1
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"canvas": np.full((2, 8, 8, 1), 0.4, np.float32)}, "outside the alphabet of 2 levels"),
        ({"mask": np.zeros((2, 8, 7, 1), np.float32)}, r"mask: expected shape \(2, 8, 8, 1\)"),
        (
            {"mask": np.full((2, 8, 8, 1), 0.5, np.float32)},
            "mask: expected 1 where the image is known",
        ),
        ({"condition": np.zeros((2, 3), np.float32)}, "takes no condition; leave it out"),
        ({"graph": "sampel"}, "no graph 'sampel'"),
    ],
)
def test_errors_of_sample(arguments, message, bundles):
    with pytest.raises(InputError, match=message):
        sample(bundles["fp32"], 2, **arguments)


def test_mask_of_a_completion_has_the_images_size(bundles):
    image = np.zeros((8, 8, 1), np.float32)
    with pytest.raises(InputError, match=r"mask: expected shape \(8, 8, 1\), received \(4, 8, 1\)"):
        complete(bundles["fp32"], image, image[:4])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda x: MaskedConv2D(2, (3, 3), "B")(x), "mask 'A' or 'above' only"),
        (lambda x: keras.layers.ReLU()(x), "mask 'A' or 'above' only"),
        (
            lambda x: MaskedConv2D(2, (3, 3), "rows")(MaskedConv2D(2, (3, 3), "A")(x)),
            "mask 'rows' on values of the own row is not causal",
        ),
        (
            lambda x: keras.layers.Conv2D(2, 3, padding="same")(MaskedConv2D(2, (3, 3), "A")(x)),
            "cannot be computed pixel by pixel",
        ),
    ],
)
def test_what_is_not_causal_is_refused(build, message):
    image = keras.Input((4, 4, 1), name="image")
    network = keras.Model(image, {"parameters": build(image)})
    with pytest.raises(ExportError, match=message):
        sampler(network, random_model(ROWS["residual"]).likelihood, "pixels")


def test_precisions_of_a_density(tmp_path, models, digits):
    model = random_model(Config((8, 8, 1), levels=256, components=2, **SMALL))
    with pytest.raises(ExportError, match="exported as fp32, or as integer"):
        export(model, tmp_path / "x", precision="int8", data=digits)
    with pytest.raises(ExportError, match="'integer' is for explicit densities"):
        export(models["vae"], tmp_path / "x", precision="integer", data=digits)
    assert not (tmp_path / "x").exists()


def test_manifest_of_a_density_is_json(bundles):
    config = json.loads((bundles["fp32"].path / "bundle.json").read_text())["config"]
    assert config["levels"] == 2
