"""Files to try the commands of the README on: photographs, signs, digits and a text, none downloaded.

    my_photos/*.png         photographs in colour           photo.png, large.png   others, to compress
    my_signs/CLASS/*.png    drawn traffic signs             stop.png, cat.png      to fool a classifier with
    digit.png, digits.npy   digits in black and white       digits.npz             x and y, with labels
    picture.png             a coloured shape, to caption    letter.txt             to pack

They have the licences of the data sets that they come from: `dimaging list`.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from dimaging_edge.common.files import whole_file, write_text

from dimaging_tf.errors import UserError

NAMES = (
    "my_photos", "photo.png", "large.png", "my_signs", "stop.png", "cat.png", "digit.png", "digits.npy",
    "digits.npz", "picture.png", "letter.txt",
)  # fmt: skip
"""What is written: files, and folders of files."""
SIGNS = 40
"""Pictures of each sign."""
DIGITS = 100
"""Digits in digits.npy and in digits.npz."""
LETTER = """The statement above is a sentence in the words of the documentation.

A function that is called with a list returns the same list, and the list is not changed.
"""


def write_example_files(folder: Path) -> list[Path]:
    """Write the files into `folder` and return their paths, of folders one for all.

    UserError where one of them is there already; nothing is written then.
    """
    if there := [name for name in NAMES if (folder / name).exists()]:
        raise UserError(f"{folder} holds {', '.join(there)} already; choose an empty folder")
    for name, content in _files():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, content)
    write_text(folder / "letter.txt", LETTER)
    return [folder / name for name in NAMES]


def _write(path: Path, content: np.ndarray | dict[str, np.ndarray]) -> None:
    with whole_file(path) as temporary:
        if isinstance(content, dict):
            np.savez(temporary, allow_pickle=False, **content)
        elif path.suffix == ".npy":
            np.save(temporary, content, allow_pickle=False)
        else:
            from PIL import Image

            Image.fromarray(content[..., 0] if content.shape[-1] == 1 else content).save(temporary)


def _files() -> Iterator[tuple[str, np.ndarray | dict[str, np.ndarray]]]:
    """Yield names and arrays: pictures uint8 [H, W, C], tables for .npy and .npz."""
    from dimaging_tf import data
    from dimaging_tf.data.dataset import to_float
    from dimaging_tf.data.photos import TRAIN, Photo, pixels
    from dimaging_tf.data.shapes import draw

    for photo in TRAIN:
        if (image := pixels(photo)).shape[-1] == 3:
            yield f"my_photos/{Path(photo.file).stem}.png", image
    for name, file in (("photo", "coffee.png"), ("large", "retina.jpg"), ("cat", "chelsea.png")):
        yield f"{name}.png", pixels(Photo(f"skimage/data/{file}", ""))
    signs = data.load("signs")
    for number, name in enumerate(signs.classes):
        for place in np.flatnonzero(signs.train.label == number)[:SIGNS]:
            yield f"my_signs/{name}/{place:04d}.png", signs.train.x[place]
    yield "stop.png", signs.valid.x[np.flatnonzero(signs.valid.label == 0)[0]]
    digits = data.load("mnist5k").valid
    x = digits.x[:DIGITS]
    black = (x > 127).astype(np.uint8)
    yield "digit.png", black[0] * np.uint8(255)
    yield "digits.npy", black[..., 0]
    yield "digits.npz", {"x": to_float(x), "y": np.asarray(digits.label, np.int64)[:DIGITS]}
    yield "picture.png", draw((0, 0, 1, 4), 64, np.random.default_rng(0))
