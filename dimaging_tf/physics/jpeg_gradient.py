"""The way back through JPEG: an attack spends nothing on what the file will not keep.

    gradient ──brightness, halved colours──blocks of 8 x 8──DCT──times the mean slope of rounding──back again

A gradient that passes straight through asks for fine patterns and fine colours too, which JPEG removes, so an
attack spends its eps on what no file keeps, although each of its steps went through the codec. Rounding is a
staircase without a slope, but its argument carries the noise of a sensor, and the mean of a staircase over
noise has one: about 1 where a coefficient is larger than a step, 0 where it is rounded to nothing. Shin and
Song (2017, "JPEG-resistant adversarial images") smooth the steps by a cubic instead.

images, gradients: float32 [N, H, W, 1 or 3], images in [0, 1]; colours are 4:2:0, as `jpeg` stores them.
"""

import io
from functools import lru_cache
from typing import Any

import numpy as np
from dimaging_edge.common.camera import LUMA

NOISE = 5.0
"""Standard deviation of the noise of a coefficient, levels of 255: that of a photograph at middle grey."""
_FREQUENCY = np.arange(8)
_DCT = np.cos((2 * _FREQUENCY + 1) * _FREQUENCY[:, None] * np.pi / 16) / 2
_DCT[0] /= np.sqrt(2)
_DCT = _DCT.astype(np.float32)
_YCC = np.array(
    [LUMA, [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32
)  # JFIF: rows are brightness, blue, red
_RGB = np.linalg.inv(_YCC).astype(np.float32)


def jpeg_gradient(images: np.ndarray, gradient: np.ndarray, quality: int) -> np.ndarray:
    """Return the gradient at `images` of what has `gradient` at `jpeg(images, quality)`."""
    tables = _tables(quality)
    levels = images * np.float32(255)
    if images.shape[-1] == 1:
        return _through(levels[..., 0] - 128, gradient[..., 0], tables[0], NOISE)[..., None]
    planes, wanted = levels @ _YCC.T, gradient @ _RGB
    height, width = images.shape[1:3]
    back = [_through(planes[..., 0] - 128, wanted[..., 0], tables[0], NOISE)]
    for k in (1, 2):
        halved = _quarters(np.pad(planes[..., k], _margin(height, width, 2), "edge")) / 4
        asked = _quarters(np.pad(wanted[..., k], _margin(height, width, 2)))
        # The mean of four pixels has half of the noise, and each pixel a quarter of what it gives.
        given = _through(halved, asked, tables[1], NOISE / 2) / 4
        back.append(given.repeat(2, 1).repeat(2, 2)[:, :height, :width])
    return np.stack(back, -1) @ _YCC


def _through(
    plane: np.ndarray, gradient: np.ndarray, table: np.ndarray, noise: float
) -> np.ndarray:
    """The way back through the rounded coefficients of one plane [N, H, W], in levels around 0."""
    height, width = plane.shape[1:]
    margin = _margin(height, width, 8)
    slope = _slope(_transformed(_blocks(np.pad(plane, margin, "edge"))) / table, noise / table)
    kept = _transformed(_blocks(np.pad(gradient, margin))) * slope
    return _plane(_DCT.T @ kept @ _DCT)[:, :height, :width]


def _slope(steps: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """The slope of the mean of rint(steps + noise): a bell around each of the two nearest edges of a step."""
    deviation = np.maximum(
        deviation, 0.15
    )  # so that low qualities have slopes which steps can find
    off = np.abs(steps - np.rint(steps))
    bells = sum(np.exp(-0.5 * (edge / deviation) ** 2) for edge in (0.5 - off, 0.5 + off))
    return np.minimum(bells / (deviation * np.sqrt(2 * np.pi)), 2).astype(np.float32)


def _margin(height: int, width: int, multiple: int) -> tuple[tuple[int, int], ...]:
    return (0, 0), (0, -height % multiple), (0, -width % multiple)


def _blocks(plane: np.ndarray) -> np.ndarray:
    """[N, H, W] as blocks [N, H / 8, W / 8, 8, 8]."""
    count, height, width = plane.shape
    return plane.reshape(count, height // 8, 8, width // 8, 8).swapaxes(2, 3)


def _plane(blocks: np.ndarray) -> np.ndarray:
    """The way back from _blocks."""
    count, rows, columns = blocks.shape[:3]
    return blocks.swapaxes(2, 3).reshape(count, rows * 8, columns * 8)


def _transformed(blocks: np.ndarray) -> np.ndarray:
    """The cosine transform of each block, orthonormal as JPEG's."""
    return _DCT @ blocks @ _DCT.T


def _quarters(plane: np.ndarray) -> np.ndarray:
    """The sums over 2 x 2 pixels."""
    count, height, width = plane.shape
    return plane.reshape(count, height // 2, 2, width // 2, 2).sum((2, 4))


@lru_cache(maxsize=128)
def _tables(quality: int) -> tuple[np.ndarray, np.ndarray]:
    """The steps of brightness and of colours [8, 8], as Pillow writes them for a quality."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", quality=quality)
    found: Any = Image.open(file)  # a JpegImageFile, which has tables
    brightness, colours = (
        np.array(found.quantization[k], np.float32).reshape(8, 8) for k in (0, 1)
    )
    return brightness, colours
