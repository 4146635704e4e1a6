"""Eight traffic signs, drawn here and photographed with the pinhole camera: no download.

    shape, colours, symbol ──64 pixels──paint and wear of a track──camera: five poses──> 32 x 32

A track is one sign by one road, of which five pictures are taken, as in the German benchmark (GTSRB); it is
in train or in valid, never in both, or a classifier could learn signs by heart.

uint8 [N, size, size, 3]; label 0 to 7 as `CLASSES` names them.
"""

import numpy as np
from dimaging_edge.common.camera import Camera

from dimaging_tf.data.dataset import Dataset, Split

CLASSES = (
    "stop",
    "yield",
    "no entry",
    "no vehicles",
    "priority",
    "turn right",
    "warning",
    "crossing",
)
_PICTURES = 5
"""Pictures of a track."""
_TRACKS = {"train": 40, "valid": 15}
"""Tracks of a class."""
_SIDE = 64
"""Side in pixels of the drawing."""
_RED, _BLUE, _WHITE, _BLACK, _YELLOW = (
    (190, 20, 25), (25, 70, 165), (245, 245, 245), (20, 20, 20), (245, 190, 15),
)  # fmt: skip


def load_signs(size: int | None = None, seed: int = 0) -> Dataset:
    """Return pictures of `size` pixels a side (default 32): 1,600 to train on, 600 of other tracks."""
    size, rng = 32 if size is None else size, np.random.default_rng(seed)
    camera = Camera(
        size, distance=(1.0, 2.5), yaw=(0.0, 50.0), exposure=(0.5, 1.3), background=(0.1, 0.9)
    )
    parts = {}
    for part, tracks in _TRACKS.items():
        x, y = [], []
        for label in range(len(CLASSES)):
            for _ in range(tracks):
                sign = weathered(draw_sign(label), rng)
                x += [camera(rng).apply(sign[None])[0] for _ in range(_PICTURES)]
                y += [label] * _PICTURES
        parts[part] = Split(np.rint(np.stack(x) * 255).astype(np.uint8), np.array(y, np.int32))
    return Dataset(
        name="signs",
        train=parts["train"],
        valid=parts["valid"],
        licence="drawn by dimaging, free",
        source="drawn here",
        summary=f"eight traffic signs by {len(CLASSES) * sum(_TRACKS.values())} roads, {size} x {size}",
        classes=CLASSES,
    )


def draw_sign(label: int, side: int = _SIDE) -> np.ndarray:
    """Return a new sign from the front on mid-grey, float32 [side, side, 3] in [0, 1]."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (_SIDE * 2, _SIDE * 2), (128, 128, 128))
    _draw(ImageDraw.Draw(picture), label, _SIDE)
    small = picture.resize((side, side), Image.Resampling.BOX)
    return np.asarray(small, np.float32) / np.float32(255)


def _draw(pen, label: int, r: int) -> None:
    """Draw around (r, r), inside a square of side 2r."""

    def polygon(radius: float, corners: int, turn: float, colour) -> None:
        angles = 2 * np.pi * (np.arange(corners) + turn) / corners
        pen.polygon([(r + radius * np.sin(a), r - radius * np.cos(a)) for a in angles], colour)

    def disk(radius: float, colour) -> None:
        pen.ellipse((r - radius, r - radius, r + radius, r + radius), colour)

    def bar(x0: float, y0: float, x1: float, y1: float, colour) -> None:
        pen.rectangle((r + x0 * r, r + y0 * r, r + x1 * r, r + y1 * r), colour)

    if label == 0:
        polygon(0.98 * r, 8, 0.5, _WHITE)
        polygon(0.9 * r, 8, 0.5, _RED)
        from PIL import ImageFont

        pen.text((r, r), "STOP", _WHITE, ImageFont.load_default(0.62 * r), "mm", stroke_width=3)
    elif label in (1, 6):
        turn = 1.5 if label == 1 else 0
        polygon(0.98 * r, 3, turn, _RED)
        polygon(0.58 * r, 3, turn, _WHITE)
        if label == 6:
            bar(-0.07, -0.25, 0.07, 0.1, _BLACK)
            bar(-0.07, 0.15, 0.07, 0.27, _BLACK)
    elif label in (2, 3):
        disk(0.95 * r, _RED)
        if label == 2:
            bar(-0.65, -0.17, 0.65, 0.17, _WHITE)
        else:
            disk(0.7 * r, _WHITE)
    elif label == 4:
        polygon(0.98 * r, 4, 0, _WHITE)
        polygon(0.75 * r, 4, 0, _YELLOW)
    elif label == 5:
        disk(0.95 * r, _BLUE)
        bar(-0.55, -0.13, 0.15, 0.13, _WHITE)
        pen.polygon([(r * 1.1, r * 0.6), (r * 1.1, r * 1.4), (r * 1.65, r)], _WHITE)
    else:
        bar(-0.9, -0.9, 0.9, 0.9, _BLUE)
        pen.polygon([(r, r * 0.3), (r * 0.35, r * 1.6), (r * 1.65, r * 1.6)], _WHITE)
        bar(-0.1, -0.3, 0.1, 0.3, _BLACK)


def weathered(sign: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return one plate of many: paint of another tint, faded, with a shadow or a spot of dirt."""
    tint = 1 + rng.normal(0, 0.08, 3)
    grey = sign.mean(-1, keepdims=True)
    faded = grey + (sign - grey) * rng.uniform(0.5, 1.1)
    y, x = np.mgrid[-1 : 1 : sign.shape[0] * 1j, -1 : 1 : sign.shape[1] * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    shadow = 1 - rng.uniform(0, 0.5) * (np.cos(angle) * x + np.sin(angle) * y > rng.uniform(-1, 1))
    spot = np.hypot(x - rng.uniform(-1, 1), y - rng.uniform(-1, 1)) < rng.uniform(0, 0.25)
    shaded = faded * tint * shadow[..., None]
    return np.where(spot[..., None], rng.uniform(0.2, 0.6), shaded).clip(0, 1).astype(np.float32)
