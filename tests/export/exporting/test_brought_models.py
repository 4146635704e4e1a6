"""Models as people bring them: built by a call, subclassed, quantised by Keras, saved otherwise, or no model."""

import warnings

import keras
import numpy as np
import onnxruntime as ort
import pytest
from dimaging_export import ExportError, export
from helpers.plain_keras import functional
from keras import layers, ops

RNG = np.random.default_rng(0)


class Own(keras.Model):
    """A forward pass in a class: `said` maps what its dense layer gives."""

    def __init__(self, said=ops.relu, **more):
        super().__init__(**more)
        self.said = said
        self.dense, self.drop = layers.Dense(3), layers.Dropout(0.5)

    def call(self, x, training=False):
        first, *others = x if isinstance(x, list) else [x]
        y = self.drop(self.dense(first), training=training)
        return self.said(sum(map(self.dense, others), y))


class Doubled(keras.Model):
    """A functional model whose class has a call() of its own."""

    def call(self, x, training=None, mask=None):
        return 2 * super().call(x)


def doubled():
    x = keras.Input((4,), name="x")
    return Doubled(x, layers.Dense(3)(x))


def called(model, *shapes):
    """Return a model that was called once on zeros of batch 2."""
    arrays = [np.zeros((2, *shape), np.float32) for shape in shapes]
    model(arrays if len(arrays) > 1 else arrays[0])
    return model


def quantised(mode):
    model = functional((16,), layers.Dense(8, activation="relu"), layers.Dense(4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Keras': its InputLayer cannot be quantised
        model.quantize(mode)
    return model


EQUAL = {
    "a Sequential built by a call": lambda: called(
        keras.Sequential([layers.Dense(3), layers.BatchNormalization()]), (4,)
    ),
    "functional, with a call of its own": doubled,
    "subclassed": lambda: called(Own(), (4,)),
    "subclassed, two inputs": lambda: called(Own(), (4,), (4,)),
    "quantised by Keras, int8": lambda: quantised("int8"),
    "quantised by Keras, int4": lambda: quantised("int4"),
}


@pytest.mark.parametrize("case", EQUAL)
def test_exported_and_equal(case, tmp_path):
    keras.utils.set_random_seed(0)
    model = EQUAL[case]()
    session = ort.InferenceSession(export(model, tmp_path / "bundle") / "model.onnx")
    names = [tensor.name for tensor in session.get_inputs()]
    size = session.get_inputs()[0].shape[1]
    for batch in (1, 3):
        x = [RNG.standard_normal((batch, size)).astype(np.float32) for _ in names]
        wanted = np.asarray(model(x if len(x) > 1 else x[0], training=False))
        found = session.run(None, dict(zip(names, x, strict=True)))[0]
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def of_tensorflow(x):
    import tensorflow as tf

    return tf.nn.relu(x)


def noisy(x):
    return x + keras.random.normal((3,))


@keras.saving.register_keras_serializable("brought")
class Sampling(layers.Layer):
    """The layer of many VAEs, which draws its noise itself."""

    def call(self, x):
        return x + keras.random.normal(ops.shape(x))


class Counting(layers.Layer):
    """A layer that gives another answer at each call."""

    def build(self, shape):
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x):
        self.count.assign_add(1.0)
        return x + self.count


def doubles():
    return functional((8, 8, 2), layers.Conv2D(2, 3, dtype="float64"))


REFUSED = {
    "never called": (Own, "nobody knows what it takes: call it once .* functional one"),
    "calls TensorFlow": (lambda: called(Own(of_tensorflow), (4,)), "does not run on symbolic inputs"),
    "draws": (lambda: called(Own(noisy), (4,)), "answers otherwise: does it draw random numbers"),
    "samples": (lambda: functional((4,), Sampling()), "draws random numbers.*Give the noise as an input"),
    "counts its calls": (lambda: functional((4,), Counting()), "otherwise at a second run.*an input and an output"),
    "float64": (doubles, "no such kernel for float64: build the layers with dtype='float32'"),
    "a layer": (lambda: layers.Dense(2), r"Dense is no model; expected.*keras.Model\(x, layer\(x\)\)"),
    "nothing": (lambda: None, "NoneType is no model"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_words(case, tmp_path, capfd):
    make, words = REFUSED[case]
    model = make()
    capfd.readouterr()
    with pytest.raises(ExportError, match=words):
        export(model, tmp_path / "bundle")
    assert not list(tmp_path.iterdir())
    assert not _said(capfd)


def test_what_else_keras_writes_is_told_apart(tmp_path):
    model = functional((4,), layers.Dense(2))
    model.export(tmp_path / "saved", verbose=False)
    model.save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ExportError, match=r"is a SavedModel .*model.save\('mine.keras'\)"):
        export(tmp_path / "saved", tmp_path / "bundle")
    with pytest.raises(ExportError, match="holds weights without their model"):
        export(tmp_path / "m.weights.h5", tmp_path / "bundle")


def test_an_output_of_no_size_is_refused(tmp_path):
    with pytest.raises(ExportError, match="no device would open this bundle.*sizes of 1 or more"):
        export(functional((4,), lambda x: x[:, :0]), tmp_path / "bundle")


def test_an_operation_without_weights_takes_the_other_road(tmp_path):
    model = functional((6,), lambda x: ops.bincount(x % 5, minlength=5), dtype="int32")
    assert export(model, tmp_path / "bundle", ranges={"x": (0, 9)}).exists()


def test_keras_says_nothing_of_sizes_that_it_traces(tmp_path, capfd, caplog):
    model = functional((None, None, 4), layers.Conv2D(4, 3, groups=2, padding="same"))
    export(model, tmp_path / "bundle", size=16)
    assert not _said(capfd)
    assert not caplog.records


def _said(capfd) -> list[str]:
    """Lines on the terminal but what TensorFlow's C++ side tells at level INFO, which is chosen before its import."""
    out, err = capfd.readouterr()
    return [line for line in (out + err).splitlines() if not line.startswith("I0000 ")]
