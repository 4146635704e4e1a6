"""Synthetic faces: drawn portraits with light from one side, so that no download is needed.

    outlines of head, hair, eyes, nose, mouth, glasses ─ tilted ─ shaded as an ellipsoid ─ block mean

Everything that a small picture cannot tell is random: where the eyes look, how the mouth is curved,
whether there are glasses. Real faces of a free licence are too few for a likelihood (scikit-image has
100 of 25 x 25); with `olivetti` the same models learn real ones.

image uint8 [N, S, S, 1]; label int32 [N]: 1 with glasses.
"""

import numpy as np

from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.errors import DataError

FINE = 3
"""Points along each side of a pixel; the pixel is their mean."""


def load_faces(
    size: int | None = None, *, train: int = 2000, valid: int = 200, seed: int = 0
) -> Dataset:
    """Draw `train` + `valid` faces from `seed`; face i is the same however many there are."""
    size = 32 if size is None else size
    if size < 8:
        raise DataError(f"faces have at least 8 pixels a side; received size={size}")
    splits = []
    for stream, count in enumerate((train, valid)):
        drawn = [draw(size, np.random.default_rng([seed, stream, i])) for i in range(count)]
        image, label = zip(*drawn, strict=True)
        splits.append(Split(np.stack(image), np.array(label, np.int32)))
    return Dataset(
        name="faces",
        train=splits[0],
        valid=splits[1],
        licence="synthetic, free",
        source=f"drawn by dimaging_tf.data.faces with seed {seed}",
        summary=f"{size} x {size} synthetic faces",
    )


def draw(size: int, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Draw one face [S, S, 1] uint8, and return whether it has glasses."""
    x, y = _head_coordinates(size * FINE, rng)
    light = rng.uniform(-0.35, 0.35)
    skin, hair = rng.uniform(0.5, 0.9), rng.uniform(0.05, 0.45)
    picture = rng.uniform(0.1, 0.95) + rng.uniform(-0.15, 0.15) * x
    picture = np.where(
        _inside(x, y - 1.75, 1.25, 0.85), rng.uniform(0.05, 0.9), picture
    )  # shoulders
    picture = np.where((abs(x) < 0.36) & (y > 0.3) & (y < 1.2), 0.75 * skin, picture)  # neck
    top = rng.uniform(0.95, 1.12)
    long = rng.random() < 0.4
    back = _inside(x, y + 0.12, 0.86, top) & (y < (0.9 if long else 0.1))
    picture = np.where(back, hair, picture)
    head = _inside(x, y, rng.uniform(0.66, 0.76), 0.95)
    round_ = np.sqrt(np.maximum(0, 1 - (x / 0.9) ** 2 - (y / 1.15) ** 2))
    face = skin * (0.62 + 0.38 * round_ + light * x)
    parting, fringe = rng.uniform(-0.5, 0.5), rng.uniform(-0.72, -0.42)
    face = np.where(y < fringe + rng.uniform(0, 0.5) * (x - parting) ** 2, hair, face)
    face, glasses = _features(x, y, face, skin, hair, light, rng)
    picture = np.where(head, face, picture) + glasses
    picture += rng.normal(0, 0.02, picture.shape)
    pixels = picture.reshape(size, FINE, size, FINE).mean((1, 3)).clip(0, 1)
    return np.rint(255 * pixels).astype(np.uint8)[..., None], int(glasses.any())


def _head_coordinates(side: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels' places in the frame of the head: its face reaches from -1 to 1 in y, +x is right."""
    across = (np.arange(side) + 0.5) / side * 2 - 1
    u = across[None] - rng.uniform(-0.08, 0.08)
    v = across[:, None] - rng.uniform(-0.1, 0.06)
    tilt, zoom = rng.uniform(-0.15, 0.15), rng.uniform(1.1, 1.3)
    x = zoom * (np.cos(tilt) * u + np.sin(tilt) * v)
    y = zoom * (np.cos(tilt) * v - np.sin(tilt) * u)
    return x, y


def _features(x, y, face, skin, hair, light, rng):
    """Draw eyes, brows, nose and mouth into the face, and return what glasses add to it."""
    apart, high = rng.uniform(0.28, 0.35), rng.uniform(-0.2, -0.1)
    across, gaze = abs(x) - apart, rng.uniform(-0.05, 0.05)
    wide, open_ = rng.uniform(0.11, 0.15), rng.uniform(0.045, 0.085)
    eye = _inside(across, y - high, wide, open_)
    face = np.where(eye, 0.95 * min(1.0, skin + 0.25), face)
    iris = _inside(x - np.sign(x) * apart - gaze, y - high, 0.065, 0.075)
    face = np.where(eye & iris, rng.uniform(0.02, 0.25), face)
    arch = high - rng.uniform(0.16, 0.22) + rng.uniform(0, 2) * across**2
    brow = (abs(y - arch) < rng.uniform(0.02, 0.05)) & (abs(across) < 0.17)
    face = np.where(brow, 0.8 * hair, face)
    tip = rng.uniform(0.22, 0.32)
    shade = (abs(x + np.sign(light) * 0.09) < 0.05) & (y > high) & (y < tip)
    face = np.where(shade | _inside(x, y - tip, 0.13, 0.035), 0.8 * face, face)
    bend, mouth = rng.uniform(-0.6, 0.9), rng.uniform(0.5, 0.6)
    lip = abs(y - mouth + bend * (x**2 - 0.03))
    face = np.where(
        (lip < rng.uniform(0.03, 0.06)) & (abs(x) < rng.uniform(0.2, 0.32)), 0.55 * face, face
    )
    glasses = np.zeros_like(face)
    if rng.random() < 0.3:
        outer = _inside(across, y - high - 0.02, 0.25, 0.19)
        rim = outer & ~_inside(across, y - high - 0.02, 0.2, 0.14)
        rim |= (abs(x) < apart - 0.2) & (abs(y - high) < 0.035)
        glasses = np.where(rim, -rng.uniform(0.35, 0.6), 0.06 * outer)
    return face, glasses


def _inside(x, y, wide, high):
    """Return which places lie inside an ellipse about 0 of these half axes."""
    return (x / wide) ** 2 + (y / high) ** 2 < 1
