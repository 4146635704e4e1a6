"""Captioned pictures: one coloured shape on a light canvas, drawn here, so that no download is needed.

    shape x colour x size x position ─┬─ distance to the outline ─ coverage of each pixel ─> image
         3       6      3       5     └─ one of several phrasings ─────────────────────────> caption

Place, size, angle, tint and canvas vary a little from picture to picture. One combination in five is
never shown in training (the attributes' indices sum to a multiple of 5): every word, every pair of
attributes and most triples are seen, so that a model can compose what it never saw together.

image uint8 [N, S, S, 3]; label int32 [N, LENGTH]: the caption, as `dimaging_tf.text` numbers it.
"""

import itertools

import numpy as np

from dimaging_tf import text
from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.errors import DataError

SHAPES = ("circle", "square", "triangle")
COLOURS = {
    "red": (0.85, 0.12, 0.12), "green": (0.1, 0.6, 0.2), "blue": (0.12, 0.25, 0.85),
    "yellow": (0.95, 0.8, 0.1), "purple": (0.55, 0.15, 0.65), "black": (0.1, 0.1, 0.1),
}  # fmt: skip
SIZES = {("small", "little"): 0.1, ("medium",): 0.155, ("large", "big"): 0.215}
"""Names of a size -> half of its extent, the canvas being 1."""
POSITIONS = {
    ("top left", "upper left"): (0.3, 0.3), ("top right", "upper right"): (0.7, 0.3),
    ("bottom left", "lower left"): (0.3, 0.7), ("bottom right", "lower right"): (0.7, 0.7),
    ("centre", "middle"): (0.5, 0.5),
}  # fmt: skip
"""Names of a position -> (x, y) of the shape's centre."""
PHRASINGS = (
    "a {size} {colour} {shape} {at} the {position}",
    "the {colour} {shape} {at} the {position} is {size}",
    "{at} the {position} there is a {size} {colour} {shape}",
    "{size} {colour} {shape}, {position}",
    "a {shape} {at} the {position}, {size} and {colour}",
)
ATTRIBUTES = ("shape", "colour", "size", "position")
COMBINATIONS = np.array(
    list(itertools.product(*map(range, map(len, (SHAPES, COLOURS, SIZES, POSITIONS)))))
)
"""int [270, 4]: every combination, as indices in the order of ATTRIBUTES."""
HELD_OUT = COMBINATIONS.sum(1) % 5 == 0
"""bool [270]: the combinations of the valid split, absent from training."""
LENGTH = 12
"""Words of the longest caption, and some room."""


def _names(attributes: tuple[int, ...]) -> list[dict[str, str]]:
    """All ways to name a combination."""
    shape, colour, size, position = attributes
    ways = itertools.product(list(SIZES)[size], list(POSITIONS)[position])
    at = "in" if position == 4 else "at"
    return [
        {
            "shape": SHAPES[shape],
            "colour": list(COLOURS)[colour],
            "size": s,
            "position": p,
            "at": at,
        }
        for s, p in ways
    ]


def captions(attributes: tuple[int, ...]) -> list[str]:
    """Every caption of a combination of attributes."""
    return [phrase.format(**n) for n in _names(attributes) for phrase in PHRASINGS]


WORDS = text.vocabulary(c for a in COMBINATIONS for c in captions(tuple(a)))
"""The closed vocabulary."""


def load_shapes(
    size: int | None = None, *, train: int = 6000, valid: int = 540, seed: int = 0
) -> Dataset:
    """`train` pictures of seen combinations and `valid` of held-out ones, drawn from `seed`.

    Picture i is the same however many there are.
    """
    size = 64 if size is None else size
    if size < 16:
        raise DataError(f"shapes have at least 16 pixels a side; received size={size}")
    kinds = ((train, COMBINATIONS[~HELD_OUT]), (valid, COMBINATIONS[HELD_OUT]))
    splits = []
    for stream, (count, combinations) in enumerate(kinds):
        chosen = np.array([combinations[i % len(combinations)] for i in range(count)])
        rngs = [np.random.default_rng([seed, stream, i]) for i in range(count)]
        told = [_caption(tuple(a), rng) for a, rng in zip(chosen, rngs, strict=True)]
        image = np.stack([draw(tuple(a), size, rng) for a, rng in zip(chosen, rngs, strict=True)])
        splits.append(Split(image, text.encode(told, WORDS, LENGTH)))
    return Dataset(
        name="shapes",
        train=splits[0],
        valid=splits[1],
        licence="synthetic, free",
        source=f"drawn by dimaging_tf.data.shapes with seed {seed}",
        summary=f"{size} x {size} coloured shapes with captions",
        words=WORDS,
    )


def attributes_of(label: np.ndarray) -> np.ndarray:
    """What captions say: int32 [N, LENGTH] -> indices [N, 4] in the order of ATTRIBUTES."""
    known = {c: a for a in map(tuple, COMBINATIONS) for c in map(_plain, captions(a))}
    return np.array([known[caption] for caption in text.decode(label, WORDS)])


def _plain(caption: str) -> str:
    return " ".join(text.split_words(caption))


def _caption(attributes: tuple[int, ...], rng: np.random.Generator) -> str:
    names = _names(attributes)
    return PHRASINGS[rng.integers(len(PHRASINGS))].format(**names[rng.integers(len(names))])


def draw(attributes: tuple[int, ...], size: int, rng: np.random.Generator) -> np.ndarray:
    """One picture [S, S, 3] uint8 of a combination of attributes."""
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
    """Signed distance to the outline, negative inside; exact along its sides."""
    if shape == "circle":
        return np.hypot(u, v) - reach
    if shape == "square":
        return np.maximum(abs(u), abs(v)) - 0.9 * reach
    # Equilateral, a vertex on top; moved down, so that it fills its box.
    v = v - 0.2 * reach
    return np.maximum(v, 0.5 * (np.sqrt(3) * abs(u) - v)) - 0.66 * reach
