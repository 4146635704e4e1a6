"""A folder like DIMAGING_DATA with little in it: what every benchmark can start on, drawn here.

python tests/helpers/tiny_data.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from dimaging_tf.data import nuclei, wallpapers

TRAIN, VALID = 600, 200
"""Digits to learn from, and to judge by."""


def make(folder: Path) -> Path:
    """Write all sets below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    _digits(folder)
    _faces(folder, rng)
    _tracks(folder, rng)
    for kind, draw in (("photos", _photos), ("nuclei16", _nuclei)):
        (folder / kind).mkdir(exist_ok=True)
        draw(folder / kind, rng)
    _captions(folder / "flickr8k", rng)
    _membranes(folder / "em_membranes", rng)
    return folder


def _membranes(folder: Path, rng: np.random.Generator) -> None:
    """Draw six slices of 160 x 160 with dark lines between square cells, and their masks."""
    folder.mkdir(exist_ok=True)
    y, x = np.mgrid[:160, :160]
    for k in range(6):
        mask = ((y + 5 * k) % 40 < 4) | ((x + 3 * k) % 40 < 4)
        raw = np.where(mask, 60, 180) + rng.normal(0, 10, mask.shape)
        Image.fromarray(raw.clip(0, 255).astype(np.uint8)).save(folder / f"{k:02d}_raw.png")
        Image.fromarray(mask).save(folder / f"{k:02d}_membrane.png")


def _captions(folder: Path, rng: np.random.Generator) -> None:
    """Draw twenty photographs of one colour with two captions each."""
    folder.mkdir(exist_ok=True)
    rows = ["image,caption"]
    for k in range(20):
        colour = ("red", "green", "blue")[k % 3]
        pixels = rng.integers(0, 80, (70, 90, 3), np.uint8)
        pixels[..., k % 3] += 150
        Image.fromarray(pixels).save(folder / f"{k}.jpg")
        rows += [f"{k}.jpg,A {colour} wall .", f"{k}.jpg,this wall is {colour} and number {k % 5}"]
    (folder / "captions.csv").write_text("\n".join(rows), "utf-8")


def _digits(folder: Path) -> None:
    """mnist.npz and binarized_mnist.npz of scikit-learn's digits: 8 x 8, enlarged to 28 x 28."""
    found: tuple[np.ndarray, np.ndarray] = load_digits(return_X_y=True)
    image = found[0].reshape(-1, 8, 8).repeat(3, 1).repeat(3, 2)
    image = np.pad(image * (255 / 16), ((0, 0), (2, 2), (2, 2))).astype(np.uint8)
    label = found[1].astype(np.uint8)
    train, valid = slice(TRAIN), slice(TRAIN, TRAIN + VALID)
    np.savez_compressed(
        folder / "mnist.npz",
        x_train=image[train], y_train=label[train], x_test=image[valid], y_test=label[valid],
    )  # fmt: skip
    bits = np.packbits(image.reshape(-1, 784) > 127, axis=1)
    np.savez_compressed(folder / "binarized_mnist.npz", x_train=bits[train], x_valid=bits[valid])


def _faces(folder: Path, rng: np.random.Generator) -> None:
    """olivetti.npz: 40 people, each a pattern of its own; every second picture has a bar before the eyes."""
    people = rng.integers(60, 200, (40, 8, 8)).repeat(8, 1).repeat(8, 2)
    images = people.repeat(10, 0) + rng.normal(0, 5, (400, 64, 64))
    glasses = np.arange(400) % 2
    images[glasses == 1, 20:28] = 20
    np.savez_compressed(
        folder / "olivetti.npz",
        images=images.clip(0, 255).astype(np.uint8),
        person=np.arange(400) // 10,
        glasses=glasses,
    )


def _tracks(folder: Path, rng: np.random.Generator) -> None:
    """lineage_tracks.npz: 12 trees of a cell that divides after 60 frames, and a cell that is lost."""
    parts = []
    for tree in range(12):
        for cell, (first, count, parent) in enumerate(
            [(0, 60, 0), (60, 50, 0), (60, 50, 0), (0, 50, 3)]
        ):
            rows = np.zeros((count, 8), np.float32)
            rows[:, 0] = rows[:, 6] = rows[:, 7] = 10 * tree + cell + 1
            rows[:, 1] = first + np.arange(count)
            rows[:, 2:4] = rng.uniform(0, 900, 2) + rng.normal(0, 2, (count, 2)).cumsum(0)
            rows[:, 6:8] = 10 * tree + parent + 1
            rows[:, 5] = cell in (1, 2)
            parts.append(rows)
    columns = ["track", "frame", "y", "x", "state", "generation", "root", "parent"]
    np.savez(folder / "lineage_tracks.npz", points=np.concatenate(parts), columns=np.array(columns))


def _photos(folder: Path, rng: np.random.Generator) -> None:
    """Waves and noise, 400 x 440 in colour, named like the photographs that are held back, and two more."""
    y, x = np.mgrid[:400, :440] / 100
    for name in (*wallpapers.HELD_BACK, "nature_one", "nature_two"):
        a, b = rng.uniform(1, 6, (2, 3))
        wave = 128 + 90 * np.sin(a * x[..., None] + b * y[..., None])
        image = (wave + rng.normal(0, 6, wave.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(image).save(folder / f"{name}.png")


def _nuclei(folder: Path, rng: np.random.Generator) -> None:
    """16-bit fields of 264 x 328 with bright discs, as a camera of 12 bits stores them."""
    y, x = np.mgrid[:264, :328]
    for name in (*nuclei.HELD_BACK[:2], "001"):
        image = rng.poisson(200, (264, 328)).astype(float)
        for top, left, size in rng.uniform((0, 0, 8), (264, 328, 20), (12, 3)):
            image += 1500 * (np.hypot(y - top, x - left) < size)
        Image.fromarray(image.clip(0, 4095).astype(np.uint16)).save(folder / f"{name}.png")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
