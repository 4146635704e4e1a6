"""A camera takes a picture of a printed image; gradients find their way back through it.

    image ──light──pinhole──blur──colour──noise──8 bits──codec──> sensor ──enlarged──> classifier
            linear  linear linear linear straight straight its own          linear

Gradients go through the transposes of the linear steps, straight through noise and rounding, and through the
codec by its own way back, or straight where it has none (Athalye et al. 2018, arXiv 1707.07397 and
1802.00420). A Camera is a distribution: calling it draws a View,
which an attack (`dimaging_edge.attacks.robust`, `Eot`) takes as one view; training draws from it too.

images: float32 [N, H, W, C] in [0, 1], of any size; a View returns [N, side, side, C].
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np

from dimaging_edge.common.projection import Pose, Projection

Codec = Callable[[np.ndarray, int], np.ndarray]
"""codec(images [N, H, W, C] in [0, 1], quality) -> images: encoded and decoded again."""
CodecBack = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
"""back(images, gradient at what the codec made of them, quality) -> gradient at the images; [N, H, W, C]."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""What red, green and blue add to brightness (ITU-R BT.601), as JPEG and most cameras reckon."""


class View(NamedTuple):
    """One random transformation of images: how it looks, and how a gradient goes back through it."""

    apply: Callable[[np.ndarray], np.ndarray]
    back: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Camera:
    """Ranges (least, most) from which each picture draws; angles in degrees of either sign."""

    side: int = 32
    """Pixels a side of what the classifier takes, and of the plate on the sensor at distance 1."""
    distance: tuple[float, float] = (1.0, 3.0)
    """Least and largest distance of the plate; at 2 it is side / 2 pixels wide, cut out and enlarged."""
    yaw: tuple[float, float] = (0.0, 60.0)
    """Least and largest turn around the upright axis, degrees, to either side."""
    pitch: float = 5.0
    """Largest turn around the level axis, degrees."""
    roll: float = 5.0
    """Largest turn in the picture, degrees."""
    shift: float = 0.06
    """Largest displacement of the cut, in halves of its side."""
    exposure: tuple[float, float] = (0.8, 1.2)
    """Factor of the light."""
    blur: float = 0.5
    """Largest standard deviation of the lens' blur, pixels of the sensor."""
    electrons: float = 2000.0
    """Electrons at white: shot noise has the variance of their number. 0: none."""
    read_noise: float = 0.01
    """Standard deviation of the read noise, as a share of white."""
    colour: float = 0.0
    """Largest standard deviation of the blur of colour alone, pixels of the sensor; brightness stays sharp.
    Sensors measure one colour a pixel (Bayer) and files store half of the colours (4:2:0), so an attack that
    draws from such a camera puts nothing into fine colour that a photograph loses."""
    background: tuple[float, float] = (0.3, 0.7)
    """Grey behind the plate."""
    codec: Codec | None = None
    """A real JPEG, such as dimaging_tf.physics.jpeg; None: no compression."""
    codec_back: CodecBack | None = None
    """How gradients go back through the codec, such as dimaging_tf.physics.jpeg_gradient; None: straight."""
    quality: tuple[int, int] = (50, 95)
    """Least and largest quality of the JPEG, 1 to 100."""

    def at(self, distance: float, yaw: float) -> Self:
        """The same camera at one distance and one angle: a cell of a map."""
        return replace(self, distance=(distance, distance), yaw=(yaw, yaw))

    def __call__(self, rng: np.random.Generator) -> View:
        """Draw a picture."""
        distance = rng.uniform(*self.distance)
        pose = Pose(
            distance=distance,
            yaw=rng.uniform(*self.yaw) * rng.choice((-1, 1)),
            pitch=rng.uniform(-self.pitch, self.pitch),
            roll=rng.uniform(-self.roll, self.roll),
            right=rng.uniform(-self.shift, self.shift),
            down=rng.uniform(-self.shift, self.shift),
            zoom=distance,
        )
        light = np.float32(rng.uniform(*self.exposure))
        behind = float(rng.uniform(*self.background))
        width = max(2, round(self.side / distance))
        developed = self.develop(width, rng)
        enlarge = resize_matrix(width, self.side)
        cache: dict[tuple[int, int], Projection] = {}

        def projection(size: tuple[int, int]) -> Projection:
            if size not in cache:
                cache[size] = Projection(pose, size, (width, width))
            return cache[size]

        sizes: list[tuple[int, int]] = []

        def apply(x: np.ndarray) -> np.ndarray:
            sizes[:] = [(x.shape[1], x.shape[2])]
            seen = projection(sizes[0]).apply(x * light, behind * float(light))
            return both_axes(enlarge, developed.apply(seen)).astype(np.float32)

        def back(gradient: np.ndarray) -> np.ndarray:
            size = sizes[0] if sizes else (self.side, self.side)
            gradient = developed.back(both_axes(enlarge.T, gradient))
            return projection(size).back(gradient) * light

        return View(apply, back)

    def develop(self, side: int, rng: np.random.Generator) -> View:
        """Draw what happens between the pinhole and the file, to pictures [N, side, side, C]."""
        lens = blur_matrix(side, rng.uniform(0, self.blur))
        seed = int(rng.integers(2**32))
        quality = int(rng.integers(self.quality[0], self.quality[1] + 1))
        # Drawn only where it is asked for: cameras without it take the pictures that they always took.
        coarse = blur_matrix(side, rng.uniform(0, self.colour)) if self.colour else None
        stored: list[np.ndarray] = []

        def apply(seen: np.ndarray) -> np.ndarray:
            seen = both_axes(lens, seen)
            if coarse is not None and seen.shape[-1] == 3:
                grey = seen @ LUMA[:, None]
                seen = grey + both_axes(coarse, seen - grey)
            seen = self._sensor(seen, np.random.default_rng(seed))
            if self.codec is None:
                return seen
            stored[:] = [seen]
            return self.codec(seen, quality)

        def back(gradient: np.ndarray) -> np.ndarray:
            if self.codec_back is not None and stored:
                gradient = self.codec_back(stored[0], gradient, quality)
            if coarse is not None and gradient.shape[-1] == 3:
                blurred = both_axes(coarse.T, gradient)
                gradient = blurred + (gradient - blurred).sum(-1, keepdims=True) * LUMA
            return both_axes(lens.T, gradient)

        return View(apply, back)

    def _sensor(self, seen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Noise and 8 bits."""
        spread = np.full_like(seen, self.read_noise**2)
        if self.electrons:
            spread += seen.clip(0, None) / np.float32(self.electrons)
        noisy = seen + np.sqrt(spread) * rng.standard_normal(seen.shape, np.float32)
        return np.rint(noisy.clip(0, 1) * 255).astype(np.float32) / np.float32(255)


def both_axes(matrix: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Images [N, H, H, C] with a matrix [h, H] applied along height and width: [N, h, h, C]."""
    for axis in (1, 2):
        x = np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)
    return x


def resize_matrix(before: int, after: int) -> np.ndarray:
    """The matrix [after, before] of a linear interpolation that averages where it makes smaller."""
    step = before / after
    centre = (np.arange(after) + 0.5) * step - 0.5
    distance = np.abs(centre[:, None] - np.arange(before)) / max(step, 1.0)
    weight = np.maximum(1 - distance, 0)
    return (weight / weight.sum(1, keepdims=True)).astype(np.float32)


def blur_matrix(size: int, deviation: float) -> np.ndarray:
    """The matrix [size, size] of a Gaussian blur of this standard deviation in pixels; edges are kept."""
    distance = np.arange(size)[:, None] - np.arange(size)
    weight = np.exp(-0.5 * (distance / max(deviation, 1e-6)) ** 2)
    return (weight / weight.sum(1, keepdims=True)).astype(np.float32)
