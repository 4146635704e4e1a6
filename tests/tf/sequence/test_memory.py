"""Powers and gradients: the identity of the lecture, matrices it does not hold for, and TensorFlow's own Jacobians."""

import numpy as np
import pytest
import tensorflow as tf

from dimaging_tf.layers.lstm import SlideLSTM
from dimaging_tf.sequence import memory

N = 64


@pytest.mark.parametrize("radius", [0.9, 1.0, 1.1])
def test_powers_are_powers_of_the_eigenvalues(radius):
    w = memory.symmetric_matrix(N, radius)
    h = np.random.default_rng(1).normal(size=N)
    steps, found = (
        way(w, h, 200) for way in (memory.states_step_by_step, memory.states_by_eigenvalues)
    )
    error = np.linalg.norm(steps - found, axis=1) / np.linalg.norm(steps, axis=1)
    assert error.max() <= 1e-12
    eigenvalues, q = np.linalg.eigh(w)
    leading = q[:, np.argmax(np.abs(eigenvalues))]
    assert abs(leading @ steps[200]) / np.linalg.norm(steps[200]) > 0.999
    np.testing.assert_allclose(memory.power_norms(w, 50), radius ** np.arange(1, 51), rtol=1e-9)


def test_a_matrix_that_is_not_normal_grows_before_it_falls():
    w = memory.triangular_matrix(N, 0.9)
    np.testing.assert_allclose(np.diag(w), 0.9)
    norms = memory.power_norms(w, 2000)
    assert norms[99] > 1e8
    assert norms[-1] < 1e-8
    with pytest.raises(ValueError, match="needs a symmetric matrix"):
        memory.states_by_eigenvalues(w, np.ones(N), 3)


def test_an_orthogonal_matrix_keeps_lengths():
    w = memory.orthogonal_matrix(N)
    np.testing.assert_allclose(w @ w.T, np.eye(N), atol=1e-12)
    np.testing.assert_allclose(memory.power_norms(w, 20), 1, rtol=1e-9)


def test_gradients_of_a_tanh_network_are_tensorflows():
    rng = np.random.default_rng(0)
    w, x = rng.normal(size=(5, 5)) / 2, rng.normal(size=(6, 5))
    states = [tf.zeros(5, tf.float64)]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(states[0])
        for step in x:
            states.append(tf.tanh(tf.linalg.matvec(tf.constant(w), states[-1]) + step))
    jacobians = [tape.jacobian(states[-1], states[-1 - k]) for k in range(1, 7)]
    expected = [np.linalg.norm(jacobian) / np.sqrt(5) for jacobian in jacobians]
    np.testing.assert_allclose(memory.rnn_gradients(w, x), expected, rtol=1e-9)


def test_gradients_of_an_lstm_are_tensorflows():
    layer = SlideLSTM(4, return_state=True, return_sequences=False)
    layer.build((None, None, 3))
    rng = np.random.default_rng(0)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    x = rng.normal(size=(5, 3)).astype(np.float32)
    found = []
    for k in range(1, 6):
        h, s = tf.zeros((1, 4)), tf.zeros((1, 4))
        if k < 5:
            _, h, s = layer(x[None, : 5 - k])
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(s)
            last = layer(x[None, 5 - k :], initial_state=[h, s])[2]
        jacobian = tape.jacobian(last, s, experimental_use_pfor=False)
        found.append(np.linalg.norm(jacobian) / 2)
    kernel, recurrent, bias = layer.get_weights()
    gains = memory.lstm_gradients(kernel, recurrent, bias, x)
    np.testing.assert_allclose(gains, found, rtol=1e-4)


def test_an_open_forget_gate_keeps_the_gradient_alive():
    rng = np.random.default_rng(0)
    kernel, recurrent = rng.normal(size=(2, N, 4 * N)) / np.sqrt(N)
    x = 0.3 * rng.normal(size=(100, N))
    gains = {}
    for bias in (0.0, 1.0, 3.0):
        b = np.repeat([0, bias, 0, 0], N)
        gains[bias] = memory.lstm_gradients(kernel, recurrent, b, x)[[49, 99]]
    assert gains[0.0][1] < 1e-12
    assert gains[1.0][1] > 1e6 * gains[0.0][1]
    assert gains[3.0][1] > 0.5
    vanishing = memory.rnn_gradients(0.9 * memory.orthogonal_matrix(N), x)
    exploding = memory.rnn_gradients(2 * rng.normal(size=(N, N)) / np.sqrt(N), x)
    assert vanishing[99] < 1e-8
    assert exploding[99] > 1e2
