"""What a detector found: cells read as classes with boxes, and how many of them are right.

    scores [h, w, classes] ─ above 0 ─┐
    boxes  [h, w, 4] ── corners ──────┴─ the strongest first, none that covers it ──> Found(label, score, box)

A score is the logit of a class against nothing, so 0 is the threshold. A box in a map is the distance in
pixels from the middle of its cell to the top, left, bottom and right edge.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

OVERLAP = 0.5
"""Intersection over union from which a box is that of a sign, and two boxes are one."""


class Found(NamedTuple):
    """A sign in an image."""

    label: int
    """Its class, 1 and above; 0 is nothing."""
    score: float
    """Its logit against nothing; in the truth infinite."""
    box: np.ndarray
    """Top, left, bottom and right edge in pixels, float64 [4]."""


def read(scores: np.ndarray, boxes: np.ndarray, stride: int) -> list[Found]:
    """Return what one image's maps [h, w, classes] and [h, w, 4] show, the strongest first.

    stride: pixels from the middle of a cell to that of the next.
    """
    label, strongest = scores.argmax(-1) + 1, scores.max(-1)
    rows, columns = np.nonzero(strongest > 0)
    order = np.argsort(-strongest[rows, columns])
    kept: list[Found] = []
    for row, column in zip(rows[order], columns[order], strict=True):
        y, x = (np.array([row, column]) + 0.5) * stride
        top, left, bottom, right = boxes[row, column].astype(np.float64)
        box = np.array([y - top, x - left, y + bottom, x + right])
        if all(overlap(box, other.box) < OVERLAP / 2 for other in kept):
            kept.append(Found(int(label[row, column]), float(strongest[row, column]), box))
    return kept


def read_maps(maps: Mapping[str, np.ndarray], stride: int) -> list[list[Found]]:
    """Return what maps {"scores": [N, h, w, classes], "boxes": [N, h, w, 4]} show in each image."""
    pairs = zip(maps["scores"], maps["boxes"], strict=True)
    return [read(scores, boxes, stride) for scores, boxes in pairs]


def truth(mask: np.ndarray) -> list[Found]:
    """Return the signs of a mask int [H, W], which holds each class once at most."""
    signs = []
    for label in np.unique(mask[mask > 0]):
        rows, columns = np.nonzero(mask == label)
        box = np.array([rows.min(), columns.min(), rows.max() + 1, columns.max() + 1], np.float64)
        signs.append(Found(int(label), float("inf"), box))
    return signs


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Return the intersection over union of two boxes, 0 to 1."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    common = float(np.prod(np.maximum(sides, 0)))
    return common / max(float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - common, 1e-12)


def f1(found: Sequence[Sequence[Found]], expected: Sequence[Sequence[Found]]) -> float:
    """Return the F1 score of several images, percent: a sign counts with its class and half of its box.

    F1 = 2 right / (found + expected); 100 where there is nothing, and nothing was found.
    """
    right = total = 0
    for ours, theirs in zip(found, expected, strict=True):
        total += len(ours) + len(theirs)
        left = list(theirs)
        for one in ours:
            match = next(
                (t for t in left if t.label == one.label and overlap(t.box, one.box) >= OVERLAP),
                None,
            )
            if match is not None:
                # By identity: an array has no truth value.
                left = [t for t in left if t is not match]
                right += 1
    return 200 * right / total if total else 100.0


def reading(found: Sequence[Found], sign: Found) -> int:
    """Return the class of the strongest box that shares a third of a sign; 0: the sign is not seen."""
    return next((f.label for f in found if overlap(f.box, sign.box) >= OVERLAP / 1.5), 0)


def framed(image: np.ndarray, found: Sequence[Found]) -> np.ndarray:
    """Return an image float32 [H, W, C] with a white frame around each sign."""
    image = image.copy()
    height, width = image.shape[:2]
    for _, _, box in found:
        top, left, bottom, right = np.clip(
            np.rint(box).astype(int), 0, (height, width, height, width)
        )
        bottom, right = max(bottom - 1, top), max(right - 1, left)
        if top < height and left < width:
            image[[top, bottom], left : right + 1] = 1
            image[top : bottom + 1, [left, right]] = 1
    return image


@dataclass(frozen=True, eq=False)
class Readings:
    """What a detector made of signs, by distance and angle."""

    distances: tuple[float, ...]
    yaws: tuple[float, ...]
    """Angles in degrees, of either sign."""
    right: np.ndarray
    """Pictures in which the sign was found as what it is, int [distances, yaws]."""
    other: np.ndarray
    """Pictures in which it was found as another sign."""
    unseen: np.ndarray
    """Pictures in which it was not found: the detector's misses."""

    @property
    def pictures(self) -> int:
        """The number of pictures of a cell."""
        return int(self.right.flat[0] + self.other.flat[0] + self.unseen.flat[0])

    def share(self, what: str) -> float:
        """Return the mean share over all cells of "right", "other" or "unseen"."""
        return float(getattr(self, what).mean() / self.pictures)


def read_views(
    detect: Callable[[np.ndarray], Sequence[Sequence[Found]]], plates: np.ndarray, labels: np.ndarray,
    camera: Any, *, distances: Sequence[float] = (1.0, 2.0, 3.0, 4.0),
    yaws: Sequence[float] = (0.0, 20.0, 40.0, 60.0), draws: int = 3, seed: int = 99,
) -> Readings:  # fmt: skip
    """Put plates [N, h, w, 3] into `draws` scenes a cell, and count what becomes of each.

    detect: scenes -> what was found in each. labels: classes as the detector numbers them, int [N]. camera:
    a `dimaging_tf.physics.scenes.SceneCamera`; plates of one draw stand in the same place.
    """
    rng = np.random.default_rng(seed)
    counts = np.zeros((3, len(distances), len(yaws)), np.int64)
    for row, distance in enumerate(distances):
        for column, yaw in enumerate(yaws):
            for _ in range(draws):
                view, where = camera.at(distance, yaw).located(rng)
                found = detect(view.apply(plates))
                cover = where.placed(plates.shape[1:3]).cover(camera.side) > 0.5
                (sign,) = truth(cover.astype(np.int64))
                for signs, label in zip(found, labels, strict=True):
                    said = reading(signs, sign)
                    counts[0 if said == label else 1 if said else 2, row, column] += 1
    return Readings(tuple(distances), tuple(yaws), *counts)
