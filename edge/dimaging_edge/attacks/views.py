"""More views for `Eot` and `robust`: what happens to a photograph on its way to a classifier.

Each is a function of settings that returns a Draw: an image resampled, sent through a real codec, or several
of these one after the other; a `common.camera.Camera` is a Draw too. Resampling is linear, and its gradient
goes back through the exact transpose.
"""

from collections.abc import Sequence

import numpy as np

from dimaging_edge.attacks.threat import is_number
from dimaging_edge.attacks.wrapped import Draw, chain, expect, light, noise, shifts
from dimaging_edge.common.camera import Codec, View, resize_matrix


def resampled(least: float) -> Draw:
    """Images made smaller by a factor from `least` to 1, and as large again; both with the area averaged."""
    fits = is_number(least) and 0 < least <= 1
    expect(fits, "resampled: expected a factor above 0, at most 1", least)

    def draw(rng: np.random.Generator) -> View:
        factor = rng.uniform(least, 1)

        def through(x: np.ndarray, back: bool) -> np.ndarray:
            for axis in (1, 2):
                size = x.shape[axis]
                small = max(1, round(size * factor))
                matrix = resize_matrix(small, size) @ resize_matrix(size, small)
                matrix = matrix.T if back else matrix
                x = np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)
            return x

        return View(lambda x: through(x, False), lambda g: through(g, True))

    return draw


def encoded(codec: Codec, least: int, most: int) -> Draw:
    """Images sent through a codec at a quality from `least` to `most`; gradients pass straight."""
    expect(least <= most, "encoded: expected a least quality up to the most", least, most)

    def draw(rng: np.random.Generator) -> View:
        quality = int(rng.integers(least, most + 1))
        return View(lambda x: codec(x, quality), lambda g: g)

    return draw


def joined(*draws: Draw) -> Draw:
    """Several views of an image, one after the other."""
    return lambda rng: chain(draws, rng)


def photographed(codec: Codec, bounds: tuple[float, float] = (0.0, 1.0)) -> Sequence[Draw]:
    """Six ways in which a photograph changes: coded, shifted, resampled, shifted and coded, light, noise."""
    span = bounds[1] - bounds[0]
    return (
        encoded(codec, 50, 95),
        shifts(4),
        resampled(0.6),
        joined(shifts(4), encoded(codec, 55, 95)),
        light(0.2, bounds),
        noise(0.02 * span, bounds),
    )
