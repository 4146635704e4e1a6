"""Freely licensed desktop photographs, cut to patches: what the shipped codec weights learned from.

    DATA_DIR/photos/PREFIX_NAME.webp       (also .png, .jpg); other prefixes are left alone

Eight photographs, chosen by name, are for validation and for measured curves; none of their pixels is
in train. uint8 [N, size, size, 1 or 3], sRGB 0..255, no label; patches overlap by half in train.
Author and licence of each photograph: `credits`, or docs/photographs.md.
"""

from pathlib import Path

import numpy as np

from dimaging_tf.data import images
from dimaging_tf.data.cache import Folder
from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.data.files import SUFFIXES, read_image
from dimaging_tf.data.folder import held_apart
from dimaging_tf.errors import DataError

LICENCES = {
    "backgrounds": "lomiri-wallpapers (Debian), CC BY, CC BY-SA or CC0 by photograph",
    "budgie": "budgie-backgrounds, CC0",
    "nature": "mate-backgrounds (Debian), GPL-2+",
    "popos": "pop-os wallpapers, Unsplash and NASA, public domain by their README",
}
"""Where photographs are from, and their licence, by the first word of a file's name."""
HELD_BACK = (
    "backgrounds_Dragonfly_by_Bolly", "backgrounds_Fossa_by_Jasper_Roks", "budgie_lake-sherburne",
    "budgie_piazza-gae-aulenti", "nature_Garden", "nature_LadyBird", "popos_jake-hills-36605",
    "popos_tony-webster-97532",
)  # fmt: skip


def load_wallpapers(
    data_dir: Folder = None, size: int | None = None, channels: int | None = None
) -> Dataset:
    """Return patches of `size` pixels (default 256): all of train, the middle three of a held-back one."""
    size, channels = 256 if size is None else size, 3 if channels is None else channels
    files = find(data_dir)
    free, held = held_apart(files, HELD_BACK, "free photographs")
    train = [_patches(file, size, channels, size // 2) for file in free]
    valid = [_middle(_patches(file, size, channels, size)) for file in held]
    used = sorted({file.name.split("_")[0] for file in files})
    return Dataset(
        name="wallpapers",
        train=Split(np.concatenate(train)),
        valid=Split(np.concatenate(valid)),
        licence="; ".join(f"{prefix}_*: {LICENCES[prefix]}" for prefix in used),
        source="the wallpapers of free desktops",
        summary=f"{len(files)} photographs in patches of {size} x {size}",
    )


def find(data_dir: Folder = None) -> list[Path]:
    """Return the photographs below DATA_DIR, in order; DataError where there are none."""
    folder = Path(data_dir or ".").expanduser() / "photos"
    found = [
        file
        for file in (sorted(folder.iterdir()) if folder.is_dir() else ())
        if file.suffix.lower() in SUFFIXES and file.name.split("_")[0] in LICENCES
    ]
    if not found:
        raise DataError(
            f"{folder} holds no free photographs; expected files called "
            f"{', '.join(f'{prefix}_*' for prefix in LICENCES)}. Say where they lie with --data-dir, "
            "or train on a folder of your own: --data my_photos/"
        )
    return found


def _patches(file: Path, size: int, channels: int, stride: int) -> np.ndarray:
    picture = images.to_channels(read_image(file)[0], channels)
    windows = images.grid(picture, size, max(1, stride))
    if not windows:
        raise DataError(f"{file} is {picture.shape[:2]}, smaller than a patch of {size} x {size}")
    return np.stack([picture[window] for window in windows])


def _middle(patches: np.ndarray, count: int = 3) -> np.ndarray:
    return patches[np.linspace(0, len(patches) - 1, count + 2).astype(int)[1:-1]]
