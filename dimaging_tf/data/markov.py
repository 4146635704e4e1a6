"""The exact optimum of every kind of model of a sequence, where the truth is a hidden Markov model.

    y_1 -> y_2 -> y_3 ...     the states: a chain with `change[i, j]` = p(y_t = j | y_(t-1) = i)
     |      |      |
    x_1    x_2    x_3         measured: the mean of the state plus Gaussian noise

    causal         p(y_t | x up to t)                   forward pass
    bidirectional  p(y_t | all x)                       forward and backward pass
    conditional    p(y_t | x up to t, y before t)       the true past is told
    joint          p(y_t | all x, y before t)           so the product over t is p(y | x)

No model can foretell more than these (Rabiner 1989). x [N, T], y [N, T] int, probabilities [N, T, S].
"""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray
KINDS = ("causal", "bidirectional", "conditional", "joint")


@dataclass(frozen=True)
class Chain:
    """A hidden Markov model of S states with Gaussian measurements."""

    start: Array
    """[S], of the first state."""
    change: Array
    """[S, S], from row to column."""
    means: Array
    """[S], of what is measured in each state."""
    noise: float
    """Standard deviation of the measurement."""

    def draw(self, count: int, steps: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return (measurements, states), each [count, steps]."""
        y = np.zeros((count, steps), int)
        y[:, 0] = _choose(np.tile(self.start, (count, 1)), rng)
        for t in range(1, steps):
            y[:, t] = _choose(self.change[y[:, t - 1]], rng)
        return self.means[y] + self.noise * rng.normal(size=y.shape), y

    def likelihoods(self, x: Array) -> Array:
        """Return p(x_t | y_t) of every state, up to a factor of each step."""
        distance = (x[..., None] - self.means) ** 2 / (2 * self.noise**2)
        return np.exp(distance.min(-1, keepdims=True) - distance)

    def probabilities(self, kind: str, x: Array, y: Array | None = None) -> Array:
        """Return the exact probabilities of one of `KINDS`; y: the true states, where they are told."""
        seen = self.likelihoods(x)
        if kind == "causal":
            return self._forward(seen)
        if kind == "bidirectional":
            return _normalised(self._forward(seen) * self._backward(seen))
        if y is None:
            raise ValueError(f"{kind}: the states before each step are told; received y=None")
        later = self._backward(seen) if kind == "joint" else np.ones_like(seen)
        before = np.broadcast_to(self.start, (len(x), 1, len(self.start)))
        told = np.concatenate([before, self.change[y[:, :-1]]], 1)
        return _normalised(told * seen * later)

    def sample(self, x: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw states from p(y | x), each fed back into the next; return them and each step's odds."""
        seen = self.likelihoods(x)
        weight = seen * self._backward(seen)
        drawn, stated = np.zeros(x.shape, int), np.zeros_like(weight)
        told = np.tile(self.start, (len(x), 1))
        for t in range(x.shape[1]):
            stated[:, t] = _normalised(told * weight[:, t])
            drawn[:, t] = _choose(stated[:, t], rng)
            told = self.change[drawn[:, t]]
        return drawn, stated

    def possible(self, y: Array) -> Array:
        """Return which sequences the chain can take at all, bool [N]."""
        return (self.change[y[:, :-1], y[:, 1:]] > 0).all(-1) & (self.start[y[:, 0]] > 0)

    def _forward(self, seen: Array) -> Array:
        found = [_normalised(self.start * seen[:, 0])]
        for t in range(1, seen.shape[1]):
            found.append(_normalised(found[-1] @ self.change * seen[:, t]))
        return np.stack(found, 1)

    def _backward(self, seen: Array) -> Array:
        found = [np.ones_like(seen[:, 0])]
        for t in range(seen.shape[1] - 1, 0, -1):
            found.append(_normalised((found[-1] * seen[:, t]) @ self.change.T))
        return np.stack(found[::-1], 1)


def nats(probabilities: Array, y: Array) -> float:
    """Return the mean negative log-likelihood of a whole sequence, in nats."""
    own = np.take_along_axis(probabilities, y[..., None], -1)[..., 0]
    return float(-np.log(np.maximum(own, 1e-300)).sum(-1).mean())


def _normalised(weights: Array) -> Array:
    return weights / weights.sum(-1, keepdims=True)


def _choose(probabilities: Array, rng: np.random.Generator) -> Array:
    """Draw one state for each row of probabilities [N, S]."""
    below = probabilities.cumsum(-1) < rng.random((len(probabilities), 1))
    return below.sum(-1).clip(max=probabilities.shape[-1] - 1)
