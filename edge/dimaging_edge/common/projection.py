"""A plane before a pinhole: which points of an image each pixel of a sensor sees, and the way back.

    image on a plate ──pose: distance, yaw, pitch, roll, shift──> rays ──area of a pixel──> sensor
    gradient at the sensor ────────────────exact transpose──────────────> gradient of the image

The plate is a square of side 2 around the origin, on which the image is printed; the camera looks at it from
`FOCAL` times the pose's distance. At distance 1 and without turns the plate fills the sensor. The picture
is linear in the image, so its gradient is a transpose and exact; `common.camera` adds what comes after it:
light, blur, noise, 8 bits, a codec.

images: float [N, H, W, C]; angles in degrees; distances in units of that at which the plate fills the sensor.
"""

from dataclasses import dataclass

import numpy as np

FOCAL = 2.5
"""Distance of the plate, in halves of its side, at which it fills the sensor."""


@dataclass(frozen=True)
class Pose:
    """Where the plate is."""

    distance: float = 1.0
    """1: the plate fills the sensor; 2: it is half as wide."""
    yaw: float = 0.0
    """Turn around the upright axis, degrees; at 90 the plate is seen from its edge."""
    pitch: float = 0.0
    """Turn around the level axis, degrees."""
    roll: float = 0.0
    """Turn in the picture, degrees."""
    right: float = 0.0
    """Shift of the plate on the sensor, in halves of the sensor's side."""
    down: float = 0.0
    """The same, downwards."""
    zoom: float = 1.0
    """Focal length over FOCAL: as far as the distance, the plate fills the sensor again."""

    def homography(self) -> np.ndarray:
        """The matrix [3, 3] that takes (x, y, 1) on the plate, each -1 to 1, to the sensor, homogeneous."""
        a, b, c = (np.deg2rad(angle) for angle in (self.yaw, self.pitch, self.roll))
        about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
        about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
        about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
        turned = about_z @ about_x @ about_y
        plate = np.column_stack([turned[:, :2], [0, 0, FOCAL * self.distance]])
        focal = FOCAL * self.zoom
        lens = np.array([[focal, 0, self.right], [0, focal, self.down], [0, 0, 1.0]])
        return lens @ plate


class Projection:
    """The linear map from an image on the plate to a sensor, and its transpose.

    image, sensor   sizes (height, width) in pixels
    samples         rays a pixel along each axis; None: so many that no pixel of the image is passed over
    """

    def __init__(
        self,
        pose: Pose,
        image: tuple[int, int],
        sensor: tuple[int, int],
        samples: int | None = None,
    ):
        self.image, self.sensor = image, sensor
        inverse = np.linalg.inv(pose.homography())
        if samples is None:
            shrink = max(image[0] / sensor[0], image[1] / sensor[1]) * pose.distance / pose.zoom
            samples = int(np.clip(np.ceil(shrink / _foreshortened(pose)), 1, 6))
        y, x = (_rays(size, samples) for size in sensor)
        grid = np.stack(np.broadcast_arrays(x[None, :], y[:, None], 1.0), -1) @ inverse.T
        seen = grid[..., :2] / grid[..., 2:]
        # [rows, samples, columns, samples] -> [rows, columns, samples * samples]
        seen = seen.reshape(sensor[0], samples, sensor[1], samples, 2).swapaxes(1, 2)
        seen = seen.reshape(sensor[0] * sensor[1], samples * samples, 2)
        column, row = ((seen[..., i] + 1) * image[1 - i] / 2 - 0.5 for i in (0, 1))
        inside = (np.abs(seen) <= 1).all(-1)
        left, top = np.floor(column), np.floor(row)
        index, weight = [], []
        for dy in (0, 1):
            for dx in (0, 1):
                r = np.clip(top + dy, 0, image[0] - 1).astype(np.int64)
                c = np.clip(left + dx, 0, image[1] - 1).astype(np.int64)
                share = (1 - np.abs(row - top - dy)) * (1 - np.abs(column - left - dx))
                index.append(r * image[1] + c)
                weight.append(np.where(inside, share, 0) / seen.shape[1])
        self._index = np.concatenate(index, 1)
        self._weight = np.concatenate(weight, 1).astype(np.float32)
        self.cover = self._weight.sum(1).reshape(sensor)
        """Share of each sensor pixel that the plate covers, [height, width] in 0 to 1."""

    def apply(self, images: np.ndarray, background: np.ndarray | float = 0.0) -> np.ndarray:
        """What the sensor sees of images [N, H, W, C]; where the plate is not, the background."""
        count, channels = len(images), images.shape[-1]
        flat = images.reshape(count, -1, channels)
        seen = np.einsum("pk,npkc->npc", self._weight, flat[:, self._index], optimize=True)
        seen = seen.reshape(count, *self.sensor, channels)
        return (seen + (1 - self.cover)[..., None] * background).astype(images.dtype)

    def back(self, gradient: np.ndarray) -> np.ndarray:
        """The gradient of the images, of that at the sensor [N, h, w, C]: the transpose of `apply`."""
        count, channels = len(gradient), gradient.shape[-1]
        rows = (
            gradient.reshape(count, -1, channels).transpose(1, 0, 2).reshape(len(self._index), -1)
        )
        order = np.argsort(self._index, axis=None, kind="stable")
        pixel = self._index.ravel()[order]
        parts = rows[order // self._index.shape[1]] * self._weight.ravel()[order, None]
        first = np.flatnonzero(np.diff(pixel, prepend=-1))
        total = np.zeros((self.image[0] * self.image[1], rows.shape[1]), gradient.dtype)
        total[pixel[first]] = np.add.reduceat(parts, first, axis=0)
        return total.reshape(*self.image, count, channels).transpose(2, 0, 1, 3)


def _rays(size: int, samples: int) -> np.ndarray:
    """Where rays meet the sensor along one axis, -1 to 1."""
    return (np.arange(size * samples) + 0.5) * (2 / (size * samples)) - 1


def _foreshortened(pose: Pose) -> float:
    """How much narrower the plate looks because it is turned."""
    return max(float(np.cos(np.deg2rad(pose.yaw)) * np.cos(np.deg2rad(pose.pitch))), 0.2)
