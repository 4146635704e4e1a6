"""Traffic signs in front of photographs, with masks: what a detector of signs learns from. No download.

    drawn signs ──paint and wear──┐
    photographs of scikit-image ──┴──scene camera: distance 1 to 4, yaw to 60 degrees──> scenes with masks

A scene holds none, one or two signs of different classes, and boards without a sign, which are patches of
photographs: an edge alone is no sign. Photographs and tracks of train are not those of valid. At distance 1
a sign is half as wide as the scene, at 4 an eighth.

uint8 [N, size, size, 3]; label int32 [N, size, size]: 0 nothing, k the class k of `CLASSES`, on the whole
board. So a class occurs once at most, and its pixels give its box.
"""

from dataclasses import replace

import numpy as np

from dimaging_tf.data import signs
from dimaging_tf.data.dataset import Dataset, Split, to_float
from dimaging_tf.data.photos import load_photos
from dimaging_tf.physics.scenes import SceneCamera, Where

CLASSES = ("nothing", *signs.CLASSES)
_TRIES = 20
"""How often a place is looked for where boards do not hide each other."""


def load_sign_scenes(
    size: int | None = None, seed: int = 0, scenes: tuple[int, int] = (1200, 150)
) -> Dataset:
    """Return `scenes` of `size` pixels a side (default 96): so many to train on, and of other photographs."""
    size, rng = 96 if size is None else size, np.random.default_rng(seed)
    parts, photographs = {}, load_photos(size, 3)
    for part, count in zip(("train", "valid"), scenes, strict=True):
        labels = np.repeat(np.arange(len(signs.CLASSES)), 40 if part == "train" else 15)
        plates = np.stack([signs.weathered(signs.draw_sign(int(k)), rng) for k in labels])
        camera = scene_camera(getattr(photographs, part))
        parts[part] = compose(plates, labels, camera, count, rng)
    return Dataset(
        name="sign_scenes",
        train=parts["train"],
        valid=parts["valid"],
        licence="signs drawn by dimaging, free; photographs: those of the data set photos",
        source="drawn here, before the photographs in scikit-image and scikit-learn",
        summary=f"{sum(scenes):,} scenes with traffic signs, {size} x {size}",
        classes=CLASSES,
    )


def scene_camera(photographs: Split) -> SceneCamera:
    """Return the camera that puts signs in front of patches of photographs."""
    side = photographs.x.shape[1]
    return SceneCamera(
        side=side, plate=side // 2, photographs=to_float(photographs.x), exposure=(0.6, 1.2)
    )


def compose(
    plates: np.ndarray,
    labels: np.ndarray,
    camera: SceneCamera,
    count: int,
    rng: np.random.Generator,
) -> Split:
    """Return scenes of plates float32 [N, h, w, 3] in [0, 1] of the classes `labels`, int [N], 0 the first.

    The mask of a plate of class k holds k + 1.
    """
    scenes, masks = [], []
    for _ in range(count):
        scene, mask = _scene(plates, labels, camera, rng)
        scenes.append(np.rint(scene * 255).astype(np.uint8))
        masks.append(mask)
    return Split(np.stack(scenes), np.stack(masks))


def _scene(
    plates: np.ndarray, labels: np.ndarray, camera: SceneCamera, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return one scene float32 [side, side, 3] and its mask int32 [side, side]."""
    seen, finish, _ = camera.behind(rng)
    mask = np.zeros(seen.shape[:2], np.int32)
    light = np.float32(rng.uniform(*camera.exposure))
    seen = (seen * light)[None]
    chosen = rng.permutation(len(plates))[: rng.choice((0, 1, 2), p=(0.1, 0.5, 0.4))]
    boards = [(plates[i], int(labels[i]) + 1) for i in chosen]
    if len({k for _, k in boards}) < len(boards):
        boards = boards[:1]
    boards += [(_board(camera, rng), 0)] * int(rng.integers(0, 2))
    taken: list[Where] = []
    for board, label in boards:
        places = (_place(camera, rng) for _ in range(_TRIES))
        where = next((w for w in places if all(map(w.beside, taken))), None)
        if where is not None:
            taken.append(where)
            placed = where.placed(board.shape[:2])
            seen = placed.paste(board[None] * light, seen)
            mask[placed.cover(camera.side) > 0.5] = label
    return finish(seen)[0], mask


def _place(camera: SceneCamera, rng: np.random.Generator) -> Where:
    # Evenly in the size on the sensor rather than in distance, or nearly all signs were far away.
    least, most = (1 / d for d in camera.distance)
    distance = 1 / rng.uniform(most, least)
    return Where(replace(camera, distance=(distance, distance)), rng)


def _board(camera: SceneCamera, rng: np.random.Generator) -> np.ndarray:
    """Return a board without a sign: a patch of a photograph, or of one colour."""
    side = camera.side // 2
    if not len(camera.photographs) or rng.random() < 0.3:
        colour = rng.uniform(0, 1, (1, 1, 3)).astype(np.float32)
        return np.broadcast_to(colour, (side, side, 3))
    other = camera.photographs[int(rng.integers(len(camera.photographs)))]
    y, x = rng.integers(0, camera.side - side + 1, 2)
    return other[y : y + side, x : x + side]
