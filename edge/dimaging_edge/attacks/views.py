"""More views for `Eot` and `robust`: what happens to a photograph on its way to a classifier.

Each is a function of settings that returns a Draw: an image resampled, sent through a real codec, or several of
these one after the other. Resampling is linear, and its gradient goes back through the exact transpose.
"""

from collections.abc import Callable, Sequence

import numpy as np

from dimaging_edge.attacks.wrapped import Draw, View, chain, light, noise, shifts

Codec = Callable[[np.ndarray, int], np.ndarray]
"""codec(images [N, H, W, C], quality) -> images: encoded and decoded again."""


def resampled(least: float) -> Draw:
    """Images made smaller by a factor from `least` to 1, and as large again; both with the area averaged."""

    def draw(rng: np.random.Generator) -> View:
        factor = rng.uniform(least, 1)

        def through(x: np.ndarray, back: bool) -> np.ndarray:
            for axis in (1, 2):
                size = x.shape[axis]
                small = max(1, round(size * factor))
                matrix = _resize(small, size) @ _resize(size, small)
                matrix = matrix.T if back else matrix
                x = np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)
            return x

        return View(lambda x: through(x, False), lambda g: through(g, True))

    return draw


def encoded(codec: Codec, least: int, most: int) -> Draw:
    """Images sent through a codec at a quality from `least` to `most`; gradients pass straight."""

    def draw(rng: np.random.Generator) -> View:
        quality = int(rng.integers(least, most + 1))
        return View(lambda x: codec(x, quality), lambda g: g)

    return draw


def joined(*draws: Draw) -> Draw:
    """Several views of an image, one after the other."""
    return lambda rng: chain(draws, rng)


def photographed(codec: Codec, bounds: tuple[float, float] = (0.0, 1.0)) -> Sequence[Draw]:
    """The six ways in which a photograph changes: coded, shifted, resampled, both, lighter or darker, noisy."""
    span = bounds[1] - bounds[0]
    return (
        encoded(codec, 50, 95),
        shifts(4),
        resampled(0.6),
        joined(shifts(4), encoded(codec, 55, 95)),
        light(0.2, bounds),
        noise(0.02 * span, bounds),
    )


def _resize(before: int, after: int) -> np.ndarray:
    """The matrix [after, before] of a linear interpolation that averages where it makes smaller."""
    step = before / after
    width = max(step, 1.0)
    centre = (np.arange(after) + 0.5) * step - 0.5
    distance = np.abs(centre[:, None] - np.arange(before)) / width
    weight = np.maximum(1 - distance, 0)
    return (weight / weight.sum(1, keepdims=True)).astype(np.float32)
