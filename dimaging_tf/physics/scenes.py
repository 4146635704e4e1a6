"""Signs in front of photographs, as a detector sees them: a pinhole camera at a known distance and angle.

    plate ──light──pinhole──> its place in the picture ─┐
    photograph ──light─────────> all the rest ──────────┴─blur──noise──8 bits──codec──> scene

`Camera` cuts the plate out for a classifier; here nothing is cut out, so a sign far away is a few pixels of
a picture. A SceneCamera is a distribution like it: calling it draws a View, which an attack takes as it is
(`dimaging_edge.attacks.robust`), and gradients go back to the plate through exact transposes.

plates: float32 [N, h, w, 3] in [0, 1], square boards of any size; scenes: float32 [N, side, side, 3].
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from dimaging_edge.common.camera import Camera, View
from dimaging_edge.common.projection import Pose, Projection

from dimaging_tf.errors import DataError

Images = Callable[[np.ndarray], np.ndarray]
"""Images [N, H, W, C], or gradients of them, to others."""
_ROOM = 1.75
"""Side of the window around a plate, in sides of the plate from the front: turned it may be taller."""


@dataclass(frozen=True)
class Placed:
    """A plate in a picture: where its window is, and how it is seen there."""

    projection: Projection
    top: int
    left: int
    """First row and column of the window in the picture; a part of the window may lie outside."""

    def cover(self, side: int) -> np.ndarray:
        """Return the share of each pixel of the picture that the plate covers, [side, side] in 0 to 1."""
        whole = np.zeros((side, side), np.float32)
        (rows, columns), inner = self._windows(side)
        whole[rows, columns] = self.projection.cover[inner]
        return whole

    def paste(self, plates: np.ndarray, scenes: np.ndarray) -> np.ndarray:
        """Return scenes [N, side, side, C] with the plates in front of them."""
        scenes = scenes.copy()
        (rows, columns), inner = self._windows(scenes.shape[1])
        seen = self.projection.apply(plates)[:, inner[0], inner[1]]
        hidden = self.projection.cover[inner][..., None]
        scenes[:, rows, columns] = seen + (1 - hidden) * scenes[:, rows, columns]
        return scenes

    def back(self, gradient: np.ndarray) -> np.ndarray:
        """Return the gradient of the plates, of that of the scenes: the transpose of `paste`."""
        (rows, columns), inner = self._windows(gradient.shape[1])
        window = np.zeros(
            (len(gradient), *self.projection.sensor, gradient.shape[-1]), gradient.dtype
        )
        window[:, inner[0], inner[1]] = gradient[:, rows, columns]
        return self.projection.back(window)

    def _windows(self, side: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Return the part of the picture that the window covers, and the same part of the window."""
        outer, inner = [], []
        for first, size in zip((self.top, self.left), self.projection.sensor, strict=True):
            low, high = max(first, 0), min(first + size, side)
            outer.append(slice(low, high))
            inner.append(slice(low - first, high - first))
        return (outer[0], outer[1]), (inner[0], inner[1])


@dataclass(frozen=True)
class SceneCamera(Camera):
    """Ranges as of Camera, for a picture of which the plate is a part; `shift` is not used."""

    side: int = 96
    """Pixels a side of the picture."""
    distance: tuple[float, float] = (1.0, 4.0)
    """Least and largest distance of the plate; at 1 it is `plate` pixels wide, at 4 a quarter of that."""
    plate: int = 48
    """Pixels a side of the plate at distance 1, from the front."""
    photographs: Sequence[np.ndarray] | np.ndarray = field(default=(), repr=False)
    """What stands behind: float32 [M, side, side, 3] in [0, 1]; without any it is a grey of `background`."""

    def __post_init__(self) -> None:
        found = np.shape(self.photographs)[1:] if len(self.photographs) else ()
        if found and found != (self.side, self.side, 3):
            raise DataError(
                f"scenes: photographs are float32 [M, {self.side}, {self.side}, 3] in [0, 1]; "
                f"received {list(np.shape(self.photographs))}"
            )

    def __call__(self, rng: np.random.Generator) -> View:
        """Draw a picture with one plate in it."""
        return self.located(rng)[0]

    def located(self, rng: np.random.Generator) -> tuple[View, "Where"]:
        """Draw a picture with one plate in it, and say where the plate will be."""
        where = Where(self, rng)
        scene, finish, finish_back = self.behind(rng)

        def apply(x: np.ndarray) -> np.ndarray:
            placed = where.placed((x.shape[1], x.shape[2]))
            light = np.float32(where.light)
            return finish(placed.paste(x * light, np.repeat(scene[None] * light, len(x), 0)))

        def back(gradient: np.ndarray) -> np.ndarray:
            return where.placed(where.size).back(finish_back(gradient)) * np.float32(where.light)

        return View(apply, back), where

    def behind(self, rng: np.random.Generator) -> tuple[np.ndarray, Images, Images]:
        """Draw what stands behind, [side, side, 3], what comes after the light, and the transpose of that."""
        if len(self.photographs):
            scene = np.asarray(
                self.photographs[int(rng.integers(len(self.photographs)))], np.float32
            )
        else:
            scene = np.full((self.side, self.side, 3), rng.uniform(*self.background), np.float32)
        developed = self.develop(self.side, rng)
        return scene, developed.apply, developed.back


class Where:
    """The pose and the place of a plate in a picture, drawn by a SceneCamera."""

    def __init__(self, camera: SceneCamera, rng: np.random.Generator):
        self.distance = rng.uniform(*camera.distance)
        wide = camera.plate / self.distance
        self._window = max(4, round(_ROOM * wide))
        self.pose = Pose(
            distance=self.distance,
            yaw=rng.uniform(*camera.yaw) * rng.choice((-1, 1)),
            pitch=rng.uniform(-camera.pitch, camera.pitch),
            roll=rng.uniform(-camera.roll, camera.roll),
            zoom=camera.plate / self._window,
        )
        self.light = rng.uniform(*camera.exposure)
        # The middle of the plate stays so far inside that a plate from the front is whole.
        room = max(camera.side - wide, 0) / 2
        self.middle = camera.side / 2 + rng.uniform(-room, room, 2)
        """Row and column of the plate's middle in the picture, pixels."""
        self.wide = wide
        """Pixels a side of the plate, if it were seen from the front."""
        self.top, self.left = (round(m - self._window / 2) for m in self.middle)
        self.size = (camera.plate, camera.plate)
        """Rows and columns of the plates that were seen last; of a gradient before any, the camera's own."""
        self._cache: dict[tuple[int, int], Placed] = {}

    def beside(self, other: "Where") -> bool:
        """Return whether neither of two plates can hide the other."""
        return bool(np.abs(self.middle - other.middle).max() > 0.6 * (self.wide + other.wide))

    def placed(self, size: tuple[int, int]) -> Placed:
        """Return how plates of this size in pixels are seen."""
        self.size = size
        if size not in self._cache:
            projection = Projection(self.pose, size, (self._window, self._window))
            self._cache[size] = Placed(projection, self.top, self.left)
        return self._cache[size]
