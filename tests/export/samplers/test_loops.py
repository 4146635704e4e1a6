"""Samplers in ONNX draw what Keras draws, pixel for pixel; one row per network and kind of loop."""

import json
from collections import Counter
from typing import Any

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from dimaging_edge import DimagingError, InputError, open_bundle
from dimaging_edge.commands import main as edge
from dimaging_edge.generate.density import complete, sample
from dimaging_edge.lossless import pack, unpack
from dimaging_edge.lossless.bundle_predictor import BundlePredictor
from dimaging_export import ExportError, export
from dimaging_export.convert.to_onnx import convert
from dimaging_export.integer.twin import integer_twin
from dimaging_export.samplers.build import LOOPS
from dimaging_export.samplers.loops import sampler
from helpers.densities import ROWS, SMALL, random_model

from dimaging_tf.density.base import uniform
from dimaging_tf.density.layers import LogLikelihood
from dimaging_tf.density.likelihoods import LogisticMixture
from dimaging_tf.density.likelihoods_integer import REACH, STEPS
from dimaging_tf.layers.integer import FloorClip, IntegerGate
from dimaging_tf.layers.masked import MaskedConv2D
from dimaging_tf.models.pixelcnn import Config, PixelCNN


def feed_of(model: PixelCNN, batch: int) -> dict[str, Any]:
    rng = np.random.default_rng(batch)
    image = rng.random((batch, *model.config.shape), np.float32)
    canvas, told = model.prepared(image, np.arange(batch) % 3)
    mask = (rng.random((batch, *canvas.shape[1:3], 1)) < 0.3).astype(np.float32)
    noise = uniform(rng, (*canvas.shape[:3], model.likelihood.noise))
    feed = {"noise": noise, "canvas": canvas, "mask": mask}
    return feed | ({model.condition: told} if model.condition else {})


def drawn_by_keras(model: PixelCNN, feed: dict[str, np.ndarray]) -> np.ndarray:
    images: Any = {k: feed[k] for k in ("noise", "canvas", "mask")}
    return model.sample(len(feed["noise"]), condition=feed.get(model.condition), **images)


def run(file, feed: Any, output: str = "image") -> np.ndarray:
    session = onnxruntime.InferenceSession(file.SerializeToString())
    return session.run([output], feed)[0]


@pytest.mark.parametrize("inner", LOOPS.values())
@pytest.mark.parametrize("name", ROWS)
def test_loops_draw_what_keras_draws(name, inner):
    model = random_model(ROWS[name])
    file = sampler(model.network, model.likelihood, inner)
    for batch in (1, 4):
        feed = feed_of(model, batch)
        # A mixture's value is rounded to a level, which float32 may tip.
        slack = 1.5 / 255 if model.config.components else 1e-6
        np.testing.assert_allclose(run(file, feed), drawn_by_keras(model, feed), atol=slack)


@pytest.mark.parametrize("inner", LOOPS.values())
@pytest.mark.parametrize("stacks", ["residual", "gated"])
def test_an_image_narrower_than_the_kernel(stacks, inner):
    model = random_model(Config((3, 2, 1), stacks=stacks, **{**SMALL, "entry": 7}))
    feed = feed_of(model, 3)
    drawn = run(sampler(model.network, model.likelihood, inner), feed)
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
    found = run(convert(model.graphs()["density"], None, "direct"), given, "log_likelihood")
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
    onnx = run(convert(network, None, "direct"), given, "log_likelihood")
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
    oracle = run(file, {"noise": feed["noise"]})
    for inner in LOOPS.values():
        own = run(sampler(model.network, model.likelihood, inner), feed)
        np.testing.assert_array_equal(own, oracle)


def twin_of(name: str) -> tuple[PixelCNN, PixelCNN]:
    model = random_model(ROWS[name])
    canvas, told = model.prepared(
        np.random.default_rng(0).random((64, *model.config.shape), np.float32), np.arange(64) % 3
    )
    return model, integer_twin(model, canvas, told)


@pytest.mark.parametrize("name", ROWS)
def test_integer_twin_is_close_and_exact(name):
    """Float64 gives the same numbers: no sum was ever rounded. Draws and weights are equal in ONNX."""
    model, twin = twin_of(name)
    feed = feed_of(model, 8)
    told = feed.get(model.condition)
    expected = model.parameters(feed["canvas"], told).numpy()
    steps, reach = twin.likelihood.steps, twin.likelihood.reach
    found = twin.parameters(feed["canvas"], told).numpy()
    assert np.abs(found - (expected * steps).clip(-reach, reach)).mean(axis=(0, 1, 2)).max() < 4
    exact = float64_parameters(twin, feed)
    np.testing.assert_array_equal(twin.parameters(feed["canvas"], told), exact)
    for inner in LOOPS.values():
        image = run(sampler(twin.network, twin.likelihood, inner), feed)
        np.testing.assert_allclose(image, drawn_by_keras(twin, feed), atol=1e-6)
    density = convert(twin.graphs()["density"], None, "direct")
    image_feed: Any = {"image": feed["canvas"]} | (
        {model.condition: told} if model.condition else {}
    )
    weights = twin.run("density", **image_feed)["weights"]
    np.testing.assert_array_equal(run(density, image_feed, "weights"), weights)


def growing_trunk(factor: float) -> PixelCNN:
    """A network whose trunk ends `factor` times as large as it begins, as after a long training."""
    config = Config(shape=(8, 8, 1), filters=16, blocks=3, middle=8, head=8, entry=3)
    model = random_model(config)
    *_, last, head, parameters = [x for x in model.network.layers if isinstance(x, MaskedConv2D)]
    for weight in last.weights:
        weight.assign(weight * factor)
    head.kernel.assign(head.kernel / factor)
    parameters.kernel.assign(parameters.kernel * 3 / np.std(model.parameters(bits(64), None)))
    return model


def bits(count: int) -> np.ndarray:
    """Black and white images [count, 8, 8, 1]."""
    return np.random.default_rng(0).integers(0, 2, (count, 8, 8, 1)).astype(np.float32)


def test_a_trunk_that_grows_keeps_the_values_of_its_first_blocks(monkeypatch):
    """One scale for the whole trunk cost a trained network .7 nats: the first values were below its unit."""
    model, image = growing_trunk(30), bits(64)
    expected = (model.parameters(image, None).numpy() * STEPS).clip(-REACH, REACH)

    def error() -> float:
        twin = integer_twin(model, image[:32], None)
        np.testing.assert_array_equal(
            twin.parameters(image, None), float64_parameters(twin, {"canvas": image})
        )
        return float(np.abs(twin.parameters(image, None) - expected).mean())

    assert error() < 4
    monkeypatch.setattr("dimaging_export.integer.twin.TRUNK", 0)
    assert error() > 6


def float64_parameters(twin: PixelCNN, feed: dict[str, np.ndarray]) -> np.ndarray:
    """The twin's network in float64, and a proof that its weights are multiples of a power of two."""

    def as_double(layer):
        config = layer.get_config()
        config["dtype"] = "float64"
        return type(layer).from_config(config)

    double = keras.models.clone_model(twin.network, clone_function=as_double)
    double.set_weights(twin.network.get_weights())
    for layer in twin.network.layers:
        if isinstance(layer, MaskedConv2D):
            scaled = np.asarray(layer.masked_kernel(), np.float64) * 2**16
            np.testing.assert_array_equal(scaled, np.rint(scaled))
        assert not isinstance(layer, keras.layers.Activation)
    assert any(isinstance(layer, FloorClip | IntegerGate) for layer in twin.network.layers)
    symbols = np.asarray(twin.likelihood.encode(feed["canvas"]), np.float64)
    told = feed.get(twin.condition)
    inputs = (
        symbols if told is None else {"image": symbols, twin.condition: told.astype(np.float64)}
    )
    return np.asarray(double(inputs)["parameters"])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_ALL"])
def test_integer_weights_are_the_same_bits_however_they_are_computed(threads, level):
    _, twin = twin_of("gated")
    file = convert(twin.graphs()["density"], None, "direct")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    session = onnxruntime.InferenceSession(file.SerializeToString(), options)
    image = feed_of(twin, 64)["canvas"]
    (found,) = session.run(None, {"image": image})
    np.testing.assert_array_equal(found, twin.run("density", image=image)["weights"])


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
