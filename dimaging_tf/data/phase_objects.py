"""Transparent shapes with captions: they delay light and do no more, so a plain microscope sees nothing.

    shape x size x thickness x height x side ─┬─> phase of each pixel
      3       2        2          2      2    └─> "a small thick circle at the upper left"

Place and surface vary from picture to picture. Every combination is in both splits: what is learned here is
how to look, not how to compose.

image uint8 [N, 32, 32, 1]: 255 is a delay of 2 radians (`dimaging_tf.physics.illumination`).
"""

from collections.abc import Sequence

import numpy as np

from dimaging_tf.data.captioned import Attributes, Captioned

SHAPES = ("circle", "square", "triangle")
SIZES = {"small": 3 / 32, "large": 5 / 32}
"""Radius, as a share of the side."""
THICKNESSES = {"thin": 0.25, "thick": 0.5}
"""Phase, as a share of full scale."""
HEIGHTS = {"upper": 9 / 32, "lower": 23 / 32}
SIDES = {"left": 9 / 32, "right": 23 / 32}
"""The middle of a shape, as a share of the side."""
GROUND, ROUGH = 0.15, 0.025
"""Phase of the ground, and the standard deviation of the surface, as shares of full scale."""


def _names(attributes: Attributes) -> list[dict[str, str]]:
    parts = (SHAPES, list(SIZES), list(THICKNESSES), list(HEIGHTS), list(SIDES))
    keys = ("shape", "size", "thickness", "height", "side")
    return [{key: part[k] for key, part, k in zip(keys, parts, attributes, strict=True)}]


def draw(attributes: Attributes, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the phase [S, S, 1] uint8 of a combination of attributes."""
    shape, extent, thickness, height, side = attributes
    radius = list(SIZES.values())[extent] * size
    y, x = np.mgrid[:size, :size].astype(float)
    y -= (list(HEIGHTS.values())[height] + rng.uniform(-2 / 32, 2 / 32)) * size
    x -= (list(SIDES.values())[side] + rng.uniform(-2 / 32, 2 / 32)) * size
    if SHAPES[shape] == "circle":
        distance = np.hypot(y, x) - radius
    elif SHAPES[shape] == "square":
        distance = np.maximum(abs(y), abs(x)) - 0.886 * radius  # of the same area
    else:
        slopes = 0.866 * abs(x) - 0.5 * y - 0.78 * radius
        distance = np.maximum(slopes, y - 0.78 * radius)
    cover = 1 / (1 + np.exp(np.clip(3 * distance, -50, 50)))
    phase = GROUND + list(THICKNESSES.values())[thickness] * cover
    phase = phase + ROUGH * rng.normal(size=phase.shape)
    return np.rint(255 * np.clip(phase, 0, 1)).astype(np.uint8)[..., None]


def _render(
    combinations: np.ndarray, size: int, rngs: Sequence[np.random.Generator], _: str | None
) -> np.ndarray:
    return np.stack([draw(tuple(a), size, rng) for a, rng in zip(combinations, rngs, strict=True)])


CAPTIONED = Captioned(
    name="phase_objects",
    counts={
        "shape": len(SHAPES), "size": len(SIZES), "thickness": len(THICKNESSES),
        "height": len(HEIGHTS), "side": len(SIDES),
    },
    phrasings=("a {size} {thickness} {shape} at the {height} {side}",),
    names=_names,
    render=_render,
    length=8,
    train=3600,
    valid=480,
    licence="synthetic, free",
    summary="transparent shapes with captions",
    side=32,
    hold=False,
)  # fmt: skip
load_phase_objects = CAPTIONED.load
