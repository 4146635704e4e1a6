"""A user's own Keras models, one row a kind: exported and equal to Keras, or refused with words that help."""

import json
import sys

import keras
import numpy as np
import onnxruntime as ort
import pytest
from dimaging_export import ExportError, ParityError, export
from helpers.pages import run_warm
from helpers.plain_keras import functional
from keras import layers, ops

RNG = np.random.default_rng(0)


def mixed():
    return functional(
        (8, 9, 3),
        layers.Conv2D(8, 3, dtype="mixed_float16"),
        layers.BatchNormalization(dtype="mixed_float16"),
        layers.Activation("sigmoid", dtype="float32"),
    )


def nested_mixed():
    inner = functional((8,), layers.Dense(4, dtype="mixed_bfloat16"), name="inner")
    return functional((8,), inner, layers.Dense(2, dtype="float32"))


class Encoder(keras.Model):
    """A class with graphs() and nothing else."""

    def __init__(self):
        super().__init__()
        self.encoder = functional((6,), layers.Dense(2))
        self.built = True

    def graphs(self):
        return {"encoder": self.encoder}


EQUAL = {
    "mixed_float16": (mixed, (8, 9, 3)),
    "mixed_bfloat16, nested": (nested_mixed, (8,)),
    "class with graphs()": (Encoder, (6,)),
    "small scale": (lambda: functional((6,), layers.Dense(3), lambda x: x * 1e-6), (6,)),
    "large scale": (lambda: functional((6,), layers.Dense(3), lambda x: x * 1e6), (6,)),
}


def in_float32(model):
    """What the weights give in float32."""
    if isinstance(model, Encoder):
        return model.encoder
    if not any("mixed" in layer.dtype_policy.name for layer in model._flatten_layers()):
        return model
    return keras.models.clone_model(
        model,
        clone_function=lambda x: type(x).from_config({**x.get_config(), "dtype": "float32"}),
        recursive=True,
    )


@pytest.mark.parametrize("case", EQUAL)
def test_exported_and_equal(case, tmp_path):
    keras.utils.set_random_seed(0)
    make, shape = EQUAL[case]
    model = make()
    folder = export(model, tmp_path / "bundle")
    (file,) = folder.glob("*.onnx")
    session = ort.InferenceSession(file)
    whole = in_float32(model)
    whole.set_weights(model.get_weights())
    for batch in (1, 2, 5):
        x = RNG.standard_normal((batch, *shape)).astype(np.float32)
        found = session.run(None, {session.get_inputs()[0].name: x})[0]
        wanted = np.asarray(whole(x))
        assert np.abs(found - wanted).max() <= 2e-5 * np.abs(wanted).max()


def by_area(x):
    """Resize as tf2onnx writes wrongly."""
    import tensorflow as tf

    return tf.image.resize(x, (3, 4), method="area")


REFUSED = {
    "scalar": (lambda: functional((6,), layers.Dense(2), ops.mean), r"\[\], without a batch axis"),
    "mean over the batch": (
        lambda: functional((6,), layers.Dense(2), lambda x: ops.mean(x, 0)),
        r"\[2\], without a batch axis; expected \[batch, ...\]",
    ),
    "Monte Carlo dropout": (
        lambda: functional((6,), layers.Dense(2), lambda x: layers.Dropout(0.5, name="mc")(x, training=True)),
        r"layer 'mc' \(Dropout\) is called with training=True",
    ),
    "noise": (
        lambda: functional((6,), lambda x: layers.GaussianNoise(0.5, name="n")(x, training=True)),
        r"layer 'n' \(GaussianNoise\) is called with training=True",
    ),
    "area resize of small values": (
        lambda: functional((8, 9, 3), layers.Lambda(by_area), lambda x: x * 1e-6),
        "does not compute what Keras computes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_words(case, tmp_path):
    make, words = REFUSED[case]
    with pytest.raises(ExportError, match=words):
        export(make(), tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


WORDS = np.arange(32).reshape(8, 4) % 5


def words(dtype, size=5):
    return functional((4,), layers.Embedding(size, 3), layers.LSTM(2), dtype=dtype)


@pytest.mark.parametrize("kind", ["int64", "uint8"])
def test_whole_numbers_of_words_stay_what_they_are_where_the_input_takes_floats(kind, tmp_path):
    folder = export(words(None), tmp_path / "bundle", data=WORDS.astype(kind))
    with np.load(folder / "examples.npz") as examples:
        shown = np.concatenate([x.ravel() for name, x in examples.items() if name.endswith("x")])
    assert set(shown) <= set(range(5))
    assert shown.max() > 1


@keras.saving.register_keras_serializable("mine")
class Told(layers.Layer):
    """Words as vectors, of which 0 counts not; `says`: whether the layer has a compute_mask."""

    def __init__(self, says, **more):
        super().__init__(**more)
        self.table = layers.Embedding(5, 3, mask_zero=True)
        self.supports_masking = self.says = says

    def build(self, shape):
        self.table.build(shape)

    def call(self, x):
        return self.table(x)

    def compute_mask(self, x, mask=None):
        return self.table.compute_mask(x) if self.says else None


@pytest.mark.parametrize("says", [True, False])
def test_a_mask_that_a_layer_of_ones_own_makes(says, tmp_path):
    model = functional((4,), Told(says), layers.LSTM(2), dtype="int32")
    if says:
        assert export(model, tmp_path / "bundle", data=WORDS.clip(1)).exists()
        return
    with pytest.raises(ParityError, match=r"skips steps by a mask: .* needs a compute_mask\("):
        export(model, tmp_path / "bundle", data=WORDS.clip(1))  # without any padding


def test_a_bundle_that_no_device_would_open_is_not_written(tmp_path):
    x = keras.Input((3,), name="x")
    with pytest.raises(ExportError, match="no device would open this bundle: .*cannot be shown"):
        export(keras.Model(x, {"odd\x1b[2J": layers.Dense(2)(x)}), tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


def test_words_beyond_the_table_are_named(tmp_path):
    found = r"Keras itself does not run .* on x \[\d+, 4\] from 0 to 4: indices.* not in \[0, 3\)\. Give"
    with pytest.raises(ExportError, match=found):
        export(words("int32", size=3), tmp_path / "bundle", data=WORDS)
    assert not list(tmp_path.iterdir())


def test_a_loop_is_no_op_for_a_phone_and_tf2onnx_says_nothing_beside(tmp_path, caplog):
    model = functional((4, 2), layers.LSTM(2, activation="gelu", name="odd"))
    with pytest.raises(
        ExportError, match=r"'Loop' \(node 'odd/.* Use recurrent layers that are one"
    ):
        export(model, tmp_path / "bundle", target="phone")
    assert not [record for record in caplog.records if record.name.startswith("tf2onnx")]


@pytest.mark.parametrize("name", ["vae", "unet", "dcgan"])
def test_a_net_called_like_one_of_ours_is_not_given_our_paper(name, tmp_path):
    folder = export(functional((8, 8, 1), layers.Conv2D(1, 3), name=name), tmp_path / "bundle")
    said = json.loads((folder / "bundle.json").read_text())
    assert (said["paper"], said["lecture"]) == ("", "")
    assert "A Keras model." in (folder / "CARD.md").read_text()


def dimensions(model, folder):
    session = ort.InferenceSession(next(export(model, folder).glob("*.onnx")))
    return {t.name: t.shape for t in (*session.get_inputs(), *session.get_outputs())}


def test_an_output_that_rounds_its_size_up_has_dimensions_of_its_own_name(tmp_path):
    model = functional(
        (None, None, 3),
        layers.Conv2D(4, 3, strides=2, padding="same"),
        layers.Conv2DTranspose(2, 3, strides=2, padding="same", name="y"),
    )
    found = dimensions(model, tmp_path / "bundle")
    assert found == {
        "x": ["batch", "height", "width", 3], "y": ["batch", "y_height", "y_width", 2],
    }  # fmt: skip


def test_an_output_of_the_size_of_its_image_shares_its_dimensions(tmp_path):
    model = functional((None, None, 3), layers.Conv2D(2, 3, padding="same", name="y"))
    assert dimensions(model, tmp_path / "bundle")["y"] == ["batch", "height", "width", 2]


def test_two_images_have_sizes_of_their_own(tmp_path):
    import dimaging_edge as edge

    content = keras.Input((None, None, 3), name="content")
    style = keras.Input((None, None, 3), name="style")
    conv = layers.Conv2D(4, 3, padding="same")
    mean = layers.GlobalAveragePooling2D(keepdims=True)(conv(style))
    y = layers.Conv2D(3, 1)(layers.Multiply()([conv(content), mean]))
    model = keras.Model([content, style], {"out": y})
    a, b = (RNG.random((1, *size, 3), np.float32) for size in ((20, 24), (8, 9)))
    bundle = edge.open_bundle(export(model, tmp_path / "bundle"))
    found = bundle.run("model", content=a, style=b)["out"]
    np.testing.assert_allclose(found, np.asarray(model([a, b])["out"]), atol=1e-5)


def own_loss(a, b):
    return ops.mean(ops.abs(a - b))


def test_a_file_with_a_loss_of_ones_own_needs_no_loss(tmp_path):
    model = functional((4,), layers.Dense(2))
    model.compile("adam", loss=own_loss)
    model.save(tmp_path / "m.keras")
    assert (export(tmp_path / "m.keras", tmp_path / "bundle") / "bundle.json").exists()


LAYERS = """
import keras

@keras.saving.register_keras_serializable("mine")
class Scale(keras.layers.Layer):
    def call(self, x):
        return x * 2
"""


def test_a_file_with_a_layer_of_ones_own(tmp_path):
    """Its module is imported by the command; without it the error names the class and what mends it."""
    (tmp_path / "my_layers.py").write_text(LAYERS)
    make = (
        "import keras, my_layers\n"
        "x = keras.Input((8, 8, 1), name='x')\n"
        "keras.Model(x, my_layers.Scale()(x)).save('m.keras')\n"
    )
    run_warm([sys.executable, "-c", make], tmp_path)
    with pytest.raises(ExportError, match="holds the class 'Scale'.* --import MODULE"):
        export(tmp_path / "m.keras", tmp_path / "bundle")


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04 half"])
def test_a_file_that_is_no_model(content, tmp_path):
    path = tmp_path / "m.keras"
    path.write_bytes(content)
    with pytest.raises(ExportError, match=r"m\.keras is no Keras model that can be read"):
        export(path, tmp_path / "bundle")


def test_a_sequential_without_an_input_says_so(tmp_path):
    model = keras.Sequential([layers.Dense(2)], name="mine")
    with pytest.raises(ExportError, match="'mine' was never built.*begin it with keras.Input"):
        export(model, tmp_path / "bundle")


def test_a_fixed_batch_is_refused_with_words(tmp_path):
    x = keras.Input(batch_shape=(4, 6), name="x")
    model = keras.Model(x, layers.Dense(2)(x))
    words = r"the batch of input 'x' is fixed, \[4, 6\].*keras.Input\(\(6,\)\).*target='phone'"
    with pytest.raises(ExportError, match=words):
        export(model, tmp_path / "bundle")
    assert export(model, tmp_path / "phone", target="phone").exists()


def constant(value):
    return functional((16,), layers.Dense(4, kernel_initializer=keras.initializers.Constant(value)))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (30000.0, "tensor '.*' reaches .*, and float16 ends at 65504: a GPU would answer infinity"),
        (70000.0, "weight '.*' reaches 7e\\+04, and float16 ends at 65504"),
    ],
)
def test_what_float16_cannot_hold_is_refused(value, words, tmp_path):
    ones = np.ones((40, 16), np.float32)
    with pytest.raises(ExportError, match=words):
        export(constant(value), tmp_path / "bundle", precision="fp16", target="cuda", data=ones)
    assert export(constant(value), tmp_path / "fp32", data=ones).exists()


@pytest.mark.parametrize("far", [-1e9, -np.inf])
def test_a_mask_beyond_float16_stays_float32(far, tmp_path):
    """In arithmetic of float16 indeed, which the proof on a CPU is not."""
    from onnx.reference import ReferenceEvaluator

    keras.utils.set_random_seed(0)
    mask = np.where(np.tri(6) > 0, 0, far).astype(np.float32)
    x = keras.Input((6, 8), name="x")
    scores = layers.Dense(6)(x) / np.sqrt(8.0) + mask
    model = keras.Model(x, layers.Dense(3)(ops.matmul(ops.softmax(scores), layers.Dense(8)(x))))
    folder = export(model, tmp_path / "bundle", precision="fp16", target="cuda")
    given = RNG.random((3, 6, 8), np.float32)
    (found,) = map(
        np.asarray, ReferenceEvaluator(str(folder / "model.onnx")).run(None, {"x": given})
    )
    np.testing.assert_allclose(found, np.asarray(model(given)), rtol=1e-2, atol=2e-3)


def test_float16_of_a_model_within_its_range(tmp_path):
    from onnx.reference import ReferenceEvaluator

    model = constant(0.5)
    x = RNG.random((3, 16), np.float32)
    folder = export(model, tmp_path / "bundle", precision="fp16", target="cuda")
    (found,) = map(np.asarray, ReferenceEvaluator(str(folder / "model.onnx")).run(None, {"x": x}))
    np.testing.assert_allclose(found, np.asarray(model(x)), rtol=2e-3)
