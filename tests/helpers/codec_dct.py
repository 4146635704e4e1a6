"""A real codec without a network, for tests of the format: 8x8 DCT, all in whole numbers.

y: the coefficients of YCoCg-R planes [h, w, 64 C]; z: how busy a neighbourhood of 64x64 is, [h/4, w/4, 1].
z chooses the scale of each coefficient; pass 1 predicts the DC from its four neighbours of pass 0. The
decoder smooths the edges between blocks, so it needs its halo. The same bits on every machine.
"""

from dataclasses import dataclass, field
from math import isqrt

import numpy as np
from dimaging_edge.entropy.frequencies import normalise
from dimaging_edge.photo.symbol_model import Photo

_PRECISION = 10
_K = np.arange(8)
_COSINES = np.cos(np.pi * (2 * _K + 1) * _K[:, None] / 16) / 2
_COSINES[0] /= np.sqrt(2)
DCT = np.rint(_COSINES * (1 << _PRECISION)).astype(np.int64)
FREQUENCY = np.add.outer(_K, _K).reshape(-1)


def counts(escape: bool = True) -> np.ndarray:
    """Two-sided geometric tables of 64 widths; uint16 [64, 256], or [64, 255] without ESCAPE."""
    rows = np.zeros((64, 256), np.uint16)
    for k in range(1, 64):
        wide, weights = 1 + k * k // 16, [1 << 24]
        while len(weights) < 128 and weights[-1] > 6000:
            weights.append(weights[-1] * wide // (wide + 16))
        reach = len(weights) - 1
        both = np.array([*weights[:0:-1], *weights] + [1 << 15] * escape)
        frequency = normalise(both, 12)
        rows[k, 127 - reach : 128 + reach] = frequency[: 2 * reach + 1]
        rows[k, 255] = frequency[-1] if escape else 0
    return rows if escape else rows[:, :255]


def _scales(channels: int) -> np.ndarray:
    """Scale index of z and coefficient: int32 [16, 64 channels]."""
    table = np.zeros((16, 64), np.int32)
    for z in range(1, 16):
        for c, frequency in enumerate(FREQUENCY.tolist()):
            index = isqrt((16 << z) * 6 // (1 + frequency) ** 2)
            table[z, c] = min(63, index) if index > 4 else 0
    table[:, 0] = 40  # DC
    return np.tile(table, channels)


@dataclass
class Dct:
    """See `SymbolModel`."""

    channels: int = 3
    bit_depth: int = 8
    halo: int = 32
    model_id: bytes = bytes(range(16))
    z_channels: int = 1
    escape: bool = True
    y_channels: int = field(init=False)

    def __post_init__(self) -> None:
        self.y_channels = 64 * self.channels
        self.counts = counts(self.escape)
        self.scales = _scales(self.channels)

    def step(self, quality: int) -> np.ndarray:
        """Quantiser step of each coefficient, in 1/16 levels."""
        step = max(64, 2048 // (1 + quality * quality // 64)) << (self.bit_depth - 8)
        steps = np.full(64, step)
        steps[0] = max(step, 160 << (self.bit_depth - 8))
        return np.tile(steps, self.channels)

    def encode(self, image, quality):
        planes = _forward(image[0].astype(np.int64)) if self.channels == 3 else image[0].astype(int)
        planes[..., 0] -= 1 << (self.bit_depth - 1)
        height, width, channels = planes.shape
        blocks = planes.reshape(height // 8, 8, width // 8, 8, channels).transpose(0, 2, 4, 1, 3)
        y = (DCT @ blocks @ DCT.T).reshape(*blocks.shape[:2], -1)
        unit = self.step(quality) << (2 * _PRECISION)
        y = (y * 4096 + unit // 2) // unit
        y = y.clip(-(1 << 15), 1 << 15)
        busy = np.abs(y).reshape(*y.shape[:2], channels, 64)[..., 1:].sum((2, 3))
        busy = busy.reshape(height // 32, 4, width // 32, 4).sum((1, 3))
        around = np.pad(busy, 1)
        down, right = busy.shape
        busy = sum(around[i : i + down, j : j + right] for i in range(3) for j in range(3))
        mean = busy // (9 * 16 * 16 * 63 * channels)  # of 16 positions; in sixteenths of a step
        z = np.searchsorted(2 ** np.arange(1, 15), mean, side="right")
        return z[None, ..., None].astype(np.int32), y[None].astype(np.int32)

    def z_index(self, quality):
        return np.full(self.z_channels, 32, np.uint8)

    def prior(self, z, y, pass_, quality):
        level = z[0, ..., 0].clip(0, 15).repeat(4, axis=0).repeat(4, axis=1)
        index = self.scales[level][None].copy()
        mean = np.zeros_like(index)
        if pass_ == 1:
            dc = np.pad(y[..., ::64], ((0, 0), (1, 1), (1, 1), (0, 0)))
            around = dc[:, :-2, 1:-1] + dc[:, 2:, 1:-1] + dc[:, 1:-1, :-2] + dc[:, 1:-1, 2:]
            mean[..., ::64] = around >> 2
            index[..., ::64] = 30
        return index, mean

    def decode(self, z, y, quality):
        height, width = y.shape[1:3]
        c = (y[0].astype(np.int64) * self.step(quality)).reshape(height, width, -1, 8, 8)
        blocks = DCT.T @ c @ DCT + (1 << (2 * _PRECISION + 6)) >> (2 * _PRECISION + 7)
        planes = blocks.transpose(0, 3, 1, 4, 2).reshape(8 * height, 8 * width, -1)
        for axis in (0, 1):
            view = planes.swapaxes(0, axis)
            a, b = view[7:-8:8].copy(), view[8::8].copy()
            view[7:-8:8], view[8::8] = (3 * a + b + 2) >> 2, (a + 3 * b + 2) >> 2
        planes[..., 0] += 1 << (self.bit_depth - 1)
        image = _inverse(planes) if self.channels == 3 else planes
        return image.clip(0, (1 << self.bit_depth) - 1)[None].astype(f"u{self.bit_depth // 8}")


def _forward(rgb: np.ndarray) -> np.ndarray:
    r, g, b = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    co = r - b
    t = b + (co >> 1)
    cg = g - t
    return np.stack([t + (cg >> 1), co, cg], -1)


def _inverse(planes: np.ndarray) -> np.ndarray:
    y, co, cg = planes[..., 0], planes[..., 1], planes[..., 2]
    t = y - (cg >> 1)
    b = t - (co >> 1)
    return np.stack([b + co, cg + t, b], -1)


def picture(height: int, width: int, channels: int = 3, depth: int = 8, seed: int = 0) -> Photo:
    """Waves, edges and a little noise; whole numbers from a seed."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    image = np.zeros((height, width, channels), np.int64)
    for c in range(channels):
        a, b, d = (int(v) for v in rng.integers(3, 40, 3))
        wave = np.abs((x * a + y * b) // 64 % 256 - 128)
        image[..., c] = wave + 90 * ((x // (d + 40) + y // (d + 30)) % 2) + 16
    image += rng.integers(-3, 4, image.shape)
    image = image.clip(0, 255) << (depth - 8)
    return Photo(image.astype(f"u{depth // 8}"))


def psnr(a: np.ndarray, b: np.ndarray, depth: int = 8) -> float:
    """In dB."""
    mse = np.mean((a.astype(float) - b.astype(float)) ** 2)
    return float(20 * np.log10((1 << depth) - 1) - 10 * np.log10(max(mse, 1e-9)))
