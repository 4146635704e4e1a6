"""What a recurrent network remembers (lecture: "limited memory"): powers of W, gradients through time.

    h_t = W h_(t-1)  =>  h_t = W^t h_0 = Q L^t Q^T h_0                W symmetric: eigenvalues decide alone
    |W^t| may first grow by many powers of ten                        W not normal: they decide only at last
    dh_T / dh_(T-k) = product of diag(1 - h^2) W                      tanh network: vanishes or explodes
    ds_T / ds_(T-k) of an LSTM                                        lives while the forget gates are open

Everything is numpy in float64. Matrices are [n, n] and multiply a column h [n] from the left.
"""

import numpy as np

Array = np.ndarray


def symmetric_matrix(n: int, radius: float, seed: int = 0) -> Array:
    """Draw a symmetric Gaussian matrix and scale its largest absolute eigenvalue to `radius`."""
    a = np.random.default_rng(seed).normal(size=(n, n))
    return (a + a.T) * (radius / np.abs(np.linalg.eigvalsh(a + a.T)).max())


def triangular_matrix(n: int, eigenvalue: float, coupling: float = 1.5, seed: int = 0) -> Array:
    """Draw an upper triangular matrix: all eigenvalues are the same, and it is far from normal.

    coupling: standard deviation of the sum of a row's Gaussian entries above the diagonal.
    """
    above = np.random.default_rng(seed).normal(size=(n, n)) * (coupling / np.sqrt(n))
    return np.triu(above, 1) + eigenvalue * np.eye(n)


def orthogonal_matrix(n: int, seed: int = 0) -> Array:
    """Draw a matrix that keeps every length."""
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))
    return q * np.sign(np.diag(r))


def states_step_by_step(w: Array, h: Array, steps: int) -> Array:
    """Return h_0 ... h_steps of h_t = W h_(t-1), [steps + 1, n]."""
    states = [np.asarray(h, np.float64)]
    for _ in range(steps):
        states.append(w @ states[-1])
    return np.stack(states)


def states_by_eigenvalues(w: Array, h: Array, steps: int) -> Array:
    """Return the same as Q L^t Q^T h_0. ValueError for a matrix that is not symmetric."""
    if not np.allclose(w, w.T):
        raise ValueError(
            "Q L^t Q^T needs a symmetric matrix, whose eigenvectors are orthogonal; this one is not"
        )
    eigenvalues, q = np.linalg.eigh(w)
    powers = eigenvalues ** np.arange(steps + 1)[:, None]
    return powers * (q.T @ h) @ q.T


def power_norms(w: Array, steps: int) -> Array:
    """Return |W^t| for t = 1 ... steps, the largest factor by which any state is stretched, [steps]."""
    power, norms = np.eye(len(w)), []
    for _ in range(steps):
        power = w @ power
        norms.append(np.linalg.norm(power, 2))
    return np.array(norms)


def rnn_gradients(w: Array, inputs: Array) -> Array:
    """Return |dh_T / dh_(T-k)| for k = 1 ... T, as a root mean square gain, [T].

    The network is h_t = tanh(W h_(t-1) + x_t) from zero; inputs: x [T, n].
    """
    h, steps = np.zeros(len(w)), []
    for x in inputs:
        h = np.tanh(w @ h + x)
        steps.append((1 - h * h)[:, None] * w)
    return _gains(steps, slice(None))


def lstm_gradients(kernel: Array, recurrent: Array, bias: Array, inputs: Array) -> Array:
    """Return |ds_T / ds_(T-k)| of the internal state for k = 1 ... T, as a root mean square gain, [T].

    Weights in Keras' order of gates (input, forget, candidate, output): kernel [C, 4 H], recurrent [H, 4 H],
    bias [4 H]. The LSTM starts from zero; inputs: x [T, C]. All ways from state to state count, those
    through the outputs between too.
    """
    size = recurrent.shape[0]
    to_gates = np.split(np.asarray(recurrent, np.float64).T, 4)
    h = s = np.zeros(size)
    steps = []
    for x in inputs:
        z = x @ kernel + h @ recurrent + bias
        i, f, o = (_sigmoid(z[k * size : (k + 1) * size]) for k in (0, 1, 3))
        g = np.tanh(z[2 * size : 3 * size])
        slopes = (i * (1 - i) * g, f * (1 - f) * s, i * (1 - g * g))
        s = f * s + i * g
        out = np.tanh(s)
        by_h = sum(c[:, None] * u for c, u in zip(slopes, to_gates, strict=False))
        by_s, opened = np.diag(f), (o * (1 - out * out))[:, None]
        step = [
            [opened * by_h + (out * o * (1 - o))[:, None] * to_gates[3], opened * by_s],
            [by_h, by_s],
        ]
        steps.append(np.block(step))
        h = o * out
    return _gains(steps, slice(size, None))


def _gains(steps: list[Array], part: slice) -> Array:
    """Norms of the products of the last k Jacobians, of this part of the state."""
    product, gains = np.eye(len(steps[0])), []
    for step in reversed(steps):
        product = product @ step
        block = product[part, part]
        gains.append(np.linalg.norm(block) / np.sqrt(len(block)))
    return np.array(gains)


def _sigmoid(x: Array) -> Array:
    return 0.5 * (1 + np.tanh(0.5 * x))
