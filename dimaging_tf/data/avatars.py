"""Cartoon faces with every attribute known: drawn by python-avatars, made into pixels by resvg.

    Look(hair, eyes, glasses, ...) --python-avatars--> SVG --resvg--> [S, S, 3]

    load_avatars(32)          a Dataset whose label says who wears glasses, for an attribute vector
    portraits(100, 64)        the pictures and the `Look` of each, for captions

The attributes of a face are drawn independently, glasses for half of them: nothing else goes with
glasses (White 2016, arXiv 1609.04468, balances real faces to get there). Both packages are an extra:
pip install 'dimaging[avatars]'. The drawings are Pablo Stanley's Avataaars, "free for personal and
commercial use".

image uint8 [N, S, S, 3]; label int32 [N]: 1 with glasses, clear or dark.
"""

import importlib.util
import io
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path

import numpy as np
from dimaging_edge.common.errors import DimagingError
from dimaging_edge.common.files import whole_file

from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.data.npz import read_npz
from dimaging_tf.errors import DataError

PACKAGES = ("python-avatars", "resvg-py")
LICENCE = "free for personal and commercial use (Avataaars, Pablo Stanley); code MIT"
FRAME = "36 12 192 192"
"""The part of the drawing, 264 wide and 280 high, that is shown: the head and the collar."""

# Word -> its name in python-avatars, or the colour. Hair that hides an eye or holds no glasses or no
# beard is left out, so that a `Look` is what one sees.
PARTS: dict[str, dict[str, str]] = {
    "hair": {
        "no": "NONE", "cropped": "BUZZCUT", "short": "SHORT_FLAT", "round": "SHORT_ROUND",
        "curly": "SHORT_CURLY", "wavy": "SHORT_WAVED", "shaggy": "SHAGGY_MULLET", "bun": "BUN",
        "bob": "BOB", "long": "STRAIGHT_1", "big": "BIG_HAIR", "afro": "FRO", "mohawk": "MOHAWK",
        "quiff": "QUIFF", "braided": "CORNROWS",
    },
    "hair_colour": {
        "black": "#2C1B18", "brown": "#724133", "blond": "#D6B370", "red": "#C93305",
        "grey": "#C8CCD0",
    },
    "skin": {"pale": "#FFDBB4", "light": "#EDB98A", "brown": "#AE5D29", "dark": "#614335"},
    "eyes": {
        "open": "DEFAULT", "closed": "CLOSED", "happy": "HAPPY", "wide": "SURPRISED",
        "sideways": "SIDE",
    },
    "brows": {"level": "DEFAULT", "raised": "RAISED_EXCITED", "angry": "ANGRY", "sad": "SAD_CONCERNED"},
    "mouth": {
        "open": "DEFAULT", "smiling": "SMILE", "laughing": "BIG_SMILE", "serious": "SERIOUS",
        "sad": "SAD",
    },
    "beard": {
        "no": "NONE", "short": "BEARD_LIGHT", "full": "BEARD_MAGESTIC", "moustache": "MOUSTACHE_MAGNUM",
    },
    "glasses": {
        "no": "NONE", "round": "ROUND", "square": "PRESCRIPTION_2", "pale": "PRESCRIPTION_1",
        "dark": "SUNGLASSES", "black": "WAYFARERS",
    },
    "shirt": {
        "black": "#262E33", "blue": "#5199E4", "green": "#A7FFC4", "red": "#FF5C5C",
        "white": "#FFFFFF",
    },
    "background": {
        "blue": "#A0C4E8", "green": "#B5D6A7", "yellow": "#F2E2A0", "pink": "#F0C0CC",
        "grey": "#C0C0C0",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """A face in words, each one of PARTS; `beard` and `glasses` may be "no"."""

    hair: str = "short"
    hair_colour: str = "brown"
    skin: str = "light"
    eyes: str = "open"
    brows: str = "level"
    mouth: str = "smiling"
    beard: str = "no"
    glasses: str = "no"
    shirt: str = "blue"
    background: str = "grey"

    def __post_init__(self) -> None:
        for part, word in asdict(self).items():
            if word not in PARTS[part]:
                raise DataError(f"{part} is one of {', '.join(PARTS[part])}; received {word!r}")


def look(seed: int, stream: int, index: int) -> Look:
    """Return the `Look` of a face, a pure function of three whole numbers; no package is needed."""
    rng = np.random.default_rng([seed, stream, index])
    words = {f.name: str(rng.choice(list(PARTS[f.name]))) for f in fields(Look)}
    for part in ("glasses", "beard"):
        kinds = [word for word in PARTS[part] if word != "no"]
        half = rng.random() < 0.5
        words[part] = str(rng.choice(kinds)) if half else "no"
    return Look(**words)


def draw(face: Look, size: int) -> np.ndarray:
    """Return the picture, uint8 [size, size, 3]; DataError says what to install."""
    check_installed()
    import python_avatars as parts
    import resvg_py
    from PIL import Image

    named = {part: PARTS[part][word] for part, word in asdict(face).items()}
    svg = parts.Avatar(
        style=parts.AvatarStyle.TRANSPARENT,
        top=parts.HairType[named["hair"]],
        hair_color=named["hair_colour"], facial_hair_color=named["hair_colour"],
        skin_color=named["skin"],
        eyes=parts.EyeType[named["eyes"]], eyebrows=parts.EyebrowType[named["brows"]],
        nose=parts.NoseType.DEFAULT, mouth=parts.MouthType[named["mouth"]],
        facial_hair=parts.FacialHairType[named["beard"]],
        accessory=parts.AccessoryType[named["glasses"]],
        clothing=parts.ClothingType.SHIRT_CREW_NECK, clothing_color=named["shirt"],
    ).render()  # fmt: skip
    frame = rf'<svg \1 width="{size}" height="{size}" viewBox="{FRAME}"'
    svg, changed = re.subn(
        r'^<svg (.*?) width=".*?" height=".*?" viewBox=".*?"', frame, svg, count=1
    )
    if not changed:
        raise DataError(
            f"python-avatars {version('python-avatars')} draws another kind of SVG; expected the "
            "one of 1.4: pip install 'dimaging[avatars]'"
        )
    png = resvg_py.svg_to_bytes(
        svg_string=svg, width=size, height=size, background=named["background"],
        skip_system_fonts=True,
    )  # fmt: skip
    return np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGB"))


def portraits(
    count: int, size: int = 64, *, seed: int = 0, stream: int = 0
) -> tuple[np.ndarray, list[Look]]:
    """Return `count` faces uint8 [count, size, size, 3] and the `Look` of each; face i never changes.

    They are drawn once (6 ms a face) and kept as avatars-*.npz in Keras's folder of data sets.
    """
    if count < 1:
        raise DataError(f"there is at least 1 face to draw; received {count}")
    looks = [look(seed, stream, index) for index in range(count)]
    return pictures(looks, size, f"{seed}-{stream}"), looks


def pictures(looks: Sequence[Look], size: int, keep: str | None = None) -> np.ndarray:
    """Draw uint8 [N, size, size, 3]; those of a name `keep` begin with the same looks, however many."""
    if size < 16:
        raise DataError(f"avatars have at least 16 pixels a side; received size={size}")
    check_installed()
    if keep is None:
        return np.stack([draw(face, size) for face in looks])
    path = _folder() / f"avatars-{size}-{keep}-{_versions()}.npz"
    image = _kept(path, size)[: len(looks)]
    if len(image) < len(looks):
        more = [draw(face, size) for face in looks[len(image) :]]
        image = np.concatenate([image, np.stack(more)])
        _keep(path, image)
    return image


def load_avatars(
    size: int | None = None, *, train: int = 2000, valid: int = 200, seed: int = 0
) -> Dataset:
    """Return `train` + `valid` faces; the label is 1 for those with glasses, which half of them have."""
    size = 32 if size is None else size
    splits = []
    for stream, count in enumerate((train, valid)):
        image, looks = portraits(count, size, seed=seed, stream=stream)
        splits.append(Split(image, glasses(looks)))
    return Dataset(
        name="avatars",
        train=splits[0],
        valid=splits[1],
        licence=LICENCE,
        source=f"drawn by python-avatars with seed {seed}",
        summary=f"{size} x {size} cartoon faces, half of them with glasses",
    )


def glasses(looks: Sequence[Look]) -> np.ndarray:
    """Return int32 [N]: 1 for each face with glasses, 0 for the others."""
    return np.array([face.glasses != "no" for face in looks], np.int32)


def looks_having(attribute: str, count: int, seed: int = 0, stream: int = 0) -> np.ndarray:
    """Return bool [count]: which faces have "glasses", a "beard" or a word such as "hair=bun"."""
    part, _, word = attribute.partition("=")
    if part not in PARTS or (word or "no") not in PARTS[part]:
        known = PARTS.get(part)
        raise DataError(
            f"an attribute of avatars is glasses, beard, or one as hair=bun; received {attribute!r}"
            + (f" ({part}: {', '.join(known)})" if known else f" (parts: {', '.join(PARTS)})")
        )
    found = [getattr(look(seed, stream, index), part) for index in range(count)]
    return np.array([value == word if word else value != "no" for value in found])


def check_installed() -> None:
    """Raise DataError with the command that installs them where one of the two packages is absent."""
    absent = [
        name
        for name, module in zip(PACKAGES, ("python_avatars", "resvg_py"), strict=True)
        if importlib.util.find_spec(module) is None
    ]
    if absent:
        raise DataError(
            f"avatars are drawn by {' and '.join(PACKAGES)}; {' and '.join(absent)} "
            f"{'is' if len(absent) == 1 else 'are'} not installed: pip install 'dimaging[avatars]'"
        )


def _folder() -> Path:
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "datasets"


def _versions() -> str:
    return "-".join(version(name) for name in PACKAGES)


def _kept(path: Path, size: int) -> np.ndarray:
    """Return the faces drawn before, [0, size, size, 3] where there are none or the file is damaged."""
    try:
        image = read_npz(path, ("image",))["image"]
        if image.dtype == np.uint8 and image.shape[1:] == (size, size, 3):
            return image
    except DataError:  # there is none yet, or it is damaged
        pass
    return np.zeros((0, size, size, 3), np.uint8)


def _keep(path: Path, image: np.ndarray) -> None:
    """Keep the faces if possible: a home that cannot be written costs only the time to draw them again."""
    try:
        with whole_file(path) as temporary:
            np.savez_compressed(temporary, image=image)
    except DimagingError:
        pass
