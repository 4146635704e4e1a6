"""Oracles around an oracle: random views averaged (EOT), parts without a gradient (BPDA), another's gradient.

Any attack takes one of these in place of the plain oracle.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dimaging_edge.attacks.table import check_whole, random_of
from dimaging_edge.attacks.threat import is_number
from dimaging_edge.common.camera import View
from dimaging_edge.common.errors import InputError

Draw = Callable[[np.random.Generator], View]
"""draw(rng) -> View: a family of transformations, such as all small shifts."""


class Eot:
    """Expectation over transformations (Athalye et al. 2018, arXiv 1707.07397).

    The gradient, margin and logits are means over `views` random views, drawn anew at every step from a seed.
    `score` is the mean of the views' logits as well, over views that are always the same. A model that is
    random itself takes no draws: Eot(model, (), views=20) averages it.
    """

    def __init__(self, oracle: Any, draws: Sequence[Draw], views: int = 8, seed: int = 0):
        check_whole("eot", views=views)
        check_draws("eot", draws)
        if views < 1:
            raise InputError(f"eot: views are 1 or more; received {views}")
        random_of(seed)
        self._oracle, self._draws, self._views = oracle, draws, views
        self._seed, self._rng = seed, np.random.default_rng([seed, 1])

    def __call__(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Means over fresh views."""
        return self._mean(lambda view: self._oracle(view, y), x, 1)

    def along(self, x: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means over fresh views."""
        return self._mean(lambda view: self._oracle.along(view, direction), x, 1)

    def score(self, x: np.ndarray) -> np.ndarray:
        """The mean over views that depend on the seed alone."""
        rng = np.random.default_rng([self._seed, 0])
        views = [chain(self._draws, rng).apply(x) for _ in range(self._views)]
        return np.mean([self._oracle.score(view) for view in views], 0)

    def _mean(self, ask: Callable[[np.ndarray], tuple], x: np.ndarray, gradients: int) -> Any:
        total: list[np.ndarray] = []
        for _ in range(self._views):
            view = chain(self._draws, self._rng)
            answer = ask(view.apply(x))
            answer = [view.back(a) if i < gradients else a for i, a in enumerate(answer)]
            total = [a + b for a, b in zip(total, answer, strict=True)] if total else answer
        return tuple(part / np.float32(self._views) for part in total)


def check_draws(who: str, draws: Any) -> None:
    """InputError where one family of views stands in place of a sequence of them."""
    if callable(draws):
        raise InputError(f"{who}: expected a sequence of views, received one; give [view]")


def expect(fits: bool, words: str, *received: Any) -> None:
    """InputError where a number that describes views does not fit."""
    if not fits:
        raise InputError(f"{words}; received {', '.join(map(str, received))}")


def chain(draws: Sequence[Draw], rng: np.random.Generator) -> View:
    """Several views drawn, to be taken one after the other."""
    views = [draw(rng) for draw in draws]

    def apply(x: np.ndarray) -> np.ndarray:
        for view in views:
            x = view.apply(x)
        return np.asarray(x, np.float32)

    def back(gradient: np.ndarray) -> np.ndarray:
        for view in reversed(views):
            gradient = view.back(gradient)
        return np.asarray(gradient, np.float32)

    return View(apply, back)


def shifts(pixels: int) -> Draw:
    """Cyclic shifts of images [N, H, W, C] by up to so many pixels in both directions."""
    check_whole("shifts", pixels=pixels)
    expect(pixels >= 0, "shifts: expected pixels of 0 or more", pixels)

    def draw(rng: np.random.Generator) -> View:
        down, right = (int(n) for n in rng.integers(-pixels, pixels + 1, 2))
        return View(
            lambda x: np.roll(x, (down, right), (1, 2)),
            lambda g: np.roll(g, (-down, -right), (1, 2)),
        )

    return draw


def light(share: float, bounds: tuple[float, float] = (0.0, 1.0)) -> Draw:
    """Images lighter or darker by up to this share; what leaves the bounds is cut, its gradient goes on."""
    expect(is_number(share) and 0 <= share <= 1, "light: expected a share of 0 to 1", share)

    def draw(rng: np.random.Generator) -> View:
        factor = np.float32(rng.uniform(1 - share, 1 + share))
        return View(lambda x: np.clip(x * factor, *bounds), lambda g: g * factor)

    return draw


def noise(deviation: float, bounds: tuple[float, float] = (0.0, 1.0)) -> Draw:
    """Gaussian noise of this standard deviation, in the unit of the bounds."""
    fits = is_number(deviation) and 0 <= deviation < np.inf
    expect(fits, "noise: expected a deviation of 0 or more", deviation)

    def draw(rng: np.random.Generator) -> View:
        seed = int(rng.integers(2**32))

        def apply(x: np.ndarray) -> np.ndarray:
            values = np.random.default_rng(seed).standard_normal(x.shape, np.float32)
            return np.clip(x + np.float32(deviation) * values, *bounds)

        return View(apply, lambda g: g)

    return draw


def through(codec: Callable[[np.ndarray], np.ndarray]) -> Draw:
    """Something without a gradient, such as a real JPEG codec: images to images; gradients pass straight."""
    return lambda rng: View(codec, lambda g: g)


class Bpda:
    """Backward pass differentiable approximation (Athalye, Carlini and Wagner 2018, arXiv 1802.00420).

    forward stands before the model and has no useful gradient (a threshold, a codec); backward carries the
    gradient through something like it, by default the identity.
    """

    def __init__(
        self,
        oracle: Any,
        forward: Callable[[np.ndarray], np.ndarray],
        backward: Callable[[np.ndarray], np.ndarray] = lambda gradient: gradient,
    ):
        self._oracle, self._forward, self._backward = oracle, forward, backward

    def __call__(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The gradient at forward(x), carried back."""
        gradient, margin, logits = self._oracle(self._forward(x), y)
        return self._backward(gradient), margin, logits

    def along(self, x: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same."""
        gradient, logits = self._oracle.along(self._forward(x), direction)
        return self._backward(gradient), logits

    def score(self, x: np.ndarray) -> np.ndarray:
        """The logits of forward(x)."""
        return self._oracle.score(self._forward(x))


class Transfer:
    """The gradient of one model, the judgement of another: does what fools the source fool the target?"""

    def __init__(self, source: Any, target: Any):
        self._source, self._target = source, target

    def __call__(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gradient and margin of the source, logits of the target."""
        gradient, margin, _ = self._source(x, y)
        return gradient, margin, self._target.score(x)

    def along(self, x: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient of the source, logits of the target."""
        return self._source.along(x, direction)[0], self._target.score(x)

    def score(self, x: np.ndarray) -> np.ndarray:
        """Logits of the target."""
        return self._target.score(x)
