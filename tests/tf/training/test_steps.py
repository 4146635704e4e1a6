"""What a train_step needs: a step down a known gradient, noise that depends on seed, step and row alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dimaging_tf.deployable import TrackedModel
from dimaging_tf.training.steps import (
    descend,
    gather_rows,
    replica_count,
    step_normal,
    step_uniform,
    synchronise_batch_norm,
)


class Line(TrackedModel):
    """Two weights, w and v, whose loss is 3 w + 5 v."""

    def __init__(self):
        super().__init__()
        self.w, self.v = (self.add_weight(name=n, shape=(), initializer="ones") for n in "wv")
        self.trackers = {"loss": keras.metrics.Mean("loss"), "w": keras.metrics.Mean("w")}

    def loss_of(self):
        loss = 3 * tf.convert_to_tensor(self.w) + 5 * tf.convert_to_tensor(self.v)
        return loss, {"loss": loss, "w": [1.0, 3.0]}


@pytest.mark.parametrize(
    ("scale", "only_w", "moved"),
    [(None, False, (0.7, 0.5)), (1024.0, False, (0.7, 0.5)), (None, True, (0.7, 1.0))],
)
def test_a_step_goes_down_the_gradient(scale, only_w, moved):
    model = Line()
    model.compile(keras.optimizers.SGD(0.1, loss_scale_factor=scale))
    found = descend(model, model.loss_of, [model.w] if only_w else None)
    assert float(found["loss"]) == 8.0
    assert [float(x) for x in (model.w, model.v)] == pytest.approx(moved)
    assert int(model.optimizer.iterations) == 1


def test_trackers_are_means_until_they_are_reset():
    model = Line()
    model.track({"loss": 8.0, "w": [1.0, 3.0]})
    assert {k: float(v) for k, v in model.track({"loss": 4.0}).items()} == {"loss": 6.0, "w": 2.0}
    assert [metric.name for metric in model.metrics] == ["loss", "w"]
    model.reset_metrics()
    assert float(model.track({"loss": 1.0})["loss"]) == 1.0


@pytest.mark.parametrize("draw", [step_normal, step_uniform])
def test_noise_is_a_function_of_seed_and_step(draw):
    first = draw(tf.constant([4, 3]), 5, 7).numpy()
    np.testing.assert_array_equal(draw(tf.constant([4, 3]), 5, tf.constant(7, tf.int64)), first)
    for other in ((6, 7), (5, 8)):
        assert not np.array_equal(draw(tf.constant([4, 3]), *other), first)


def test_one_device_has_one_replica():
    rows = tf.zeros([3, 2])
    network = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization()])
    synchronise_batch_norm(network)
    assert replica_count() == 1
    assert gather_rows(rows) is rows
    assert not network.layers[0].synchronized
