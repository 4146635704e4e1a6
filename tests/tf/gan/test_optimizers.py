"""Adam in one operation against Keras'."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dimaging_tf.gan.optimizers import apply_adam


@pytest.mark.parametrize(
    "rate", [1e-2, keras.optimizers.schedules.CosineDecay(1e-2, 30)], ids=["constant", "schedule"]
)
@pytest.mark.parametrize(
    ("more", "taken"),
    [({"beta_1": 0.3}, True), ({"clipnorm": 1.0}, False), ({"use_ema": True}, False)],
)
def test_adam_in_one_operation_is_keras_adam(rate, more, taken):
    def after_steps(ours):
        variables = [keras.Variable(np.ones((3, 4), np.float32)), keras.Variable(np.ones(5))]
        optimizer, rng = keras.optimizers.Adam(rate, **more), np.random.default_rng(0)
        optimizer.build(variables)
        for _ in range(20):
            gradients = [tf.constant(rng.standard_normal(v.shape), v.dtype) for v in variables]
            if not ours:
                optimizer.apply(gradients, variables)
            else:
                assert apply_adam(optimizer, gradients, variables) == taken
        return [x.numpy() for x in (*variables, *optimizer.variables)]

    if taken:
        for a, b in zip(after_steps(True), after_steps(False), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    else:
        after_steps(True)
