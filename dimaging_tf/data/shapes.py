"""Captioned pictures: one coloured shape on a light canvas, drawn here, so that no download is needed.

    shape x colour x size x position ─┬─ distance to the outline ─ coverage of each pixel ─> image
         3       6      3       5     └─ one of several phrasings ─────────────────────────> caption

Place, size, angle, tint and canvas vary a little from picture to picture; one combination in five is
never shown in training (`captioned`).
"""

import itertools
from collections.abc import Sequence

import numpy as np

from dimaging_tf.data.captioned import Attributes, Captioned

SHAPES = ("circle", "square", "triangle")
COLOURS = {
    "red": (0.85, 0.12, 0.12), "green": (0.1, 0.6, 0.2), "blue": (0.12, 0.25, 0.85),
    "yellow": (0.95, 0.8, 0.1), "purple": (0.55, 0.15, 0.65), "black": (0.1, 0.1, 0.1),
}  # fmt: skip
SIZES = {("small", "little"): 0.1, ("medium",): 0.155, ("large", "big"): 0.215}
"""The names of each size, and half of its extent as a share of the canvas."""
POSITIONS = {
    ("top left", "upper left"): (0.3, 0.3), ("top right", "upper right"): (0.7, 0.3),
    ("bottom left", "lower left"): (0.3, 0.7), ("bottom right", "lower right"): (0.7, 0.7),
    ("centre", "middle"): (0.5, 0.5),
}  # fmt: skip
"""The names of each position, and (x, y) of the shape's centre as a share of the canvas."""
PHRASINGS = (
    "a {size} {colour} {shape} {at} the {position}",
    "the {colour} {shape} {at} the {position} is {size}",
    "{at} the {position} there is a {size} {colour} {shape}",
    "{size} {colour} {shape}, {position}",
    "a {shape} {at} the {position}, {size} and {colour}",
)


def _names(attributes: Attributes) -> list[dict[str, str]]:
    shape, colour, size, position = attributes
    ways = itertools.product(list(SIZES)[size], list(POSITIONS)[position])
    at = "in" if position == 4 else "at"
    named = {"shape": SHAPES[shape], "colour": list(COLOURS)[colour], "at": at}
    return [{**named, "size": s, "position": p} for s, p in ways]


def draw(attributes: Attributes, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw one picture [S, S, 3] uint8 of a combination of attributes."""
    shape, colour, extent, position = attributes
    reach = list(SIZES.values())[extent] * rng.uniform(0.92, 1.08)
    x, y = list(POSITIONS.values())[position] + rng.uniform(-0.04, 0.04, 2)
    turn = rng.uniform(-0.2, 0.2)
    paint = np.array(list(COLOURS.values())[colour]) + rng.uniform(-0.06, 0.06, 3)
    canvas = rng.uniform(0.82, 1.0) + rng.uniform(-0.02, 0.02, 3)
    across = (np.arange(size) + 0.5) / size
    u, v = across[None] - x, across[:, None] - y
    u, v = np.cos(turn) * u + np.sin(turn) * v, np.cos(turn) * v - np.sin(turn) * u
    # A pixel is covered by as much of it as the outline leaves inside.
    cover = np.clip(0.5 - _distance(SHAPES[shape], u, v, reach) * size, 0, 1)[..., None]
    return np.rint(255 * np.clip(canvas + cover * (paint - canvas), 0, 1)).astype(np.uint8)


def _distance(shape: str, u: np.ndarray, v: np.ndarray, reach: float) -> np.ndarray:
    """Return the signed distance to the outline, negative inside; it is exact along the sides."""
    if shape == "circle":
        return np.hypot(u, v) - reach
    if shape == "square":
        return np.maximum(abs(u), abs(v)) - 0.9 * reach
    # Equilateral, a vertex on top; moved down, so that it fills its box.
    v = v - 0.2 * reach
    return np.maximum(v, 0.5 * (np.sqrt(3) * abs(u) - v)) - 0.66 * reach


def _render(
    combinations: np.ndarray, size: int, rngs: Sequence[np.random.Generator], _: str | None
) -> np.ndarray:
    return np.stack([draw(tuple(a), size, rng) for a, rng in zip(combinations, rngs, strict=True)])


CAPTIONED = Captioned(
    name="shapes",
    counts={
        "shape": len(SHAPES), "colour": len(COLOURS), "size": len(SIZES), "position": len(POSITIONS),
    },
    phrasings=PHRASINGS,
    names=_names,
    render=_render,
    length=12,
    train=6000,
    valid=540,
    licence="synthetic, free",
    summary="coloured shapes with captions",
)  # fmt: skip
load_shapes = CAPTIONED.load
