"""Functions of TensorFlow that are written in ONNX keep their digits where a difference would lose them."""

import keras
import numpy as np
import pytest
from dimaging_export.convert.to_onnx import convert
from keras import ops

X = np.array(
    [[-0.99, -0.5, -1e-3, -1e-5, -1e-8, 0, 1e-8, 1e-6, 1e-4, 0.3, 0.7, 1, 5, 60]], np.float32
)


@pytest.mark.parametrize(("function", "exact"), [(ops.log1p, np.log1p), (ops.expm1, np.expm1)])
def test_small_numbers_keep_their_digits(function, exact, run):
    x = keras.Input((X.size,), name="x")
    found = run(convert(keras.Model(x, {"y": function(x)})), x=X)["y"]
    np.testing.assert_allclose(found, exact(X.astype(np.float64)), rtol=5e-7)


def test_the_ends_of_the_logarithm(run):
    x = keras.Input((3,), name="x")
    at = np.array([[-1, 3e38, np.inf]], np.float32)
    found = run(convert(keras.Model(x, {"y": ops.log1p(x)})), x=at)["y"]
    np.testing.assert_allclose(found, [[-np.inf, np.log(3e38), np.inf]], rtol=1e-6)
