"""How often a printed image is misread, by distance and angle (lecture: "NO need to worry", and the answer).

          0°   20°   40°   60°
    1    .93   .95   ...           a cell: pictures that a camera takes at this distance and angle,
    2    .97   ...                 the share of them that deceive, and its interval of 95 %

Lu et al. 2017 (arXiv 1707.03501) photograph images that were attacked in one view, and most are read right;
Athalye et al. 2018 (arXiv 1707.07397) attack over the views. A mean hides where an image fails, so the map is
the result.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dimaging_edge.attacks.threat import Threat
from dimaging_edge.common.camera import Camera
from dimaging_edge.common.errors import DimagingError, InputError
from dimaging_edge.robustness.report import wilson


@dataclass(frozen=True, eq=False)
class ViewMap:
    """Counts of a map: rows are distances, columns angles."""

    distances: tuple[float, ...]
    yaws: tuple[float, ...]
    """Angles in degrees, of either sign."""
    hits: np.ndarray
    """Pictures that deceive, int [distances, yaws]."""
    pictures: int
    """Pictures in a cell: images times draws."""

    @property
    def rates(self) -> np.ndarray:
        """Share of the pictures of each cell that deceive."""
        return self.hits / self.pictures

    @property
    def mean(self) -> float:
        """The mean over all cells; `worst` and `rates` belong beside it."""
        return float(self.rates.mean())

    @property
    def worst(self) -> float:
        """The least share of a cell: where the attack fails most."""
        return float(self.rates.min())

    def interval(self, row: int, column: int) -> tuple[float, float]:
        """The interval of 95 % of a cell (Wilson 1927), as if its pictures were independent."""
        figure = wilson(int(self.hits[row, column]), self.pictures)
        return figure.low, figure.high

    def table(self) -> str:
        """The map as text: percent, with the ends of the interval."""
        lines = ["distance " + "".join(f"{yaw:>13g}°" for yaw in self.yaws)]
        for row, distance in enumerate(self.distances):
            cells = []
            for column in range(len(self.yaws)):
                low, high = self.interval(row, column)
                share = self.rates[row, column]
                cells.append(f"{share:>5.0%} {low * 100:>3.0f}-{high * 100:<3.0f}")
            lines.append(f"{distance:>8g} " + " ".join(f"{cell:>13}" for cell in cells))
        return "\n".join(lines)


def view_map(
    score: Callable[[np.ndarray], np.ndarray], x: np.ndarray, y: np.ndarray, camera: Camera,
    *, distances: Sequence[float] = (1.0, 1.5, 2.0, 3.0), yaws: Sequence[float] = (0.0, 20.0, 40.0, 60.0),
    draws: int = 3, seed: int = 99, target: Any = None,
) -> ViewMap:  # fmt: skip
    """Photograph printed images x [N, H, W, C] `draws` times in each cell, and count what deceives.

    score: images -> logits, of any file. target: the class that counts, None any but y [N]. An image or a
    logit that is not finite is an error, for NaN differs from every label and would count as deceived.
    """
    if draws < 1 or not np.isfinite(x).all():
        raise InputError(
            f"view_map: expected finite images and at least one draw, received {draws} and "
            f"{np.count_nonzero(~np.isfinite(x))} values that are NaN or infinite"
        )
    threat = Threat("linf", 0.0, target=target)
    rng = np.random.default_rng(seed)
    hits = np.zeros((len(distances), len(yaws)), np.int64)
    for row, distance in enumerate(distances):
        for column, yaw in enumerate(yaws):
            for _ in range(draws):
                logits = score(camera.at(distance, yaw)(rng).apply(x))
                if not np.isfinite(logits).all():
                    raise DimagingError("view_map: the model gives NaN or infinite logits")
                hits[row, column] += threat.reached(logits, np.asarray(y, np.int64)).sum()
    return ViewMap(tuple(distances), tuple(yaws), hits, draws * len(x))
