"""Arrays and pictures in and out of files, for the command line.

Pillow is used if it is there and needed by nothing else; arrays travel as .npy without it.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dimaging_edge.bundle.arrays import read_npz
from dimaging_edge.bundle.schema import Graph, Tensor
from dimaging_edge.common.errors import BundleError, InputError, near
from dimaging_edge.common.files import whole_file
from dimaging_edge.common.output import tell
from dimaging_edge.common.picture_range import picture_range
from dimaging_edge.photo.picture import check_size
from dimaging_edge.photo.stored_bits import stored_bits

if TYPE_CHECKING:
    from PIL import Image

MOST_INPUT = 1 << 32
"""The most bytes of an array of a .npz, which a small file may inflate to: 4 GiB."""
_PLANAR = 284
"""The tag of a TIFF that is 2 where each colour is stored by itself."""
NORMAL = "normal"
"""The word that stands for Gaussian noise in place of a file."""
_MODES: dict[int | str, str] = {1: "L", 3: "RGB", 4: "RGBA"}
_CLEAR = ("LA", "La", "PA", "RGBA", "RGBa")  # Pillow's modes with transparency


def read_inputs(
    graph: Graph, specs: Mapping[str, str], *, n: int, seed: int
) -> dict[str, np.ndarray]:
    """Return an array for each `input name -> spec`.

    A spec is a .npy file, a .npz file (its array of the input's name, or its only one), a picture
    (one item of a batch, see `from_picture`), or "normal": `n` items of unit Gaussian noise,
    the same for the same `seed`. InputError for a file that cannot be read.
    """
    known = {tensor.name: (index, tensor) for index, tensor in enumerate(graph.inputs)}
    arrays = {}
    for name, spec in specs.items():
        if name not in known:
            raise InputError(f"{graph.name}: no input {name!r}; {near(name, tuple(known))}")
        index, tensor = known[name]
        if spec == NORMAL:
            arrays[name] = _noise(tensor, n, np.random.default_rng([seed, index]))
        else:
            arrays[name] = read_array(Path(spec), tensor)
    return arrays


def from_picture(picture: "Image.Image", tensor: Tensor) -> np.ndarray:
    """Return a picture as the tensor wants it: batch 1, its channels, its dtype.

    The tensor's channels decide between grey, RGB and RGBA; without RGBA, transparency is laid over white, as
    in training. uint8 stays 0..255 (16-bit pictures are rounded), floats are in [0, 1] or fill another range
    of the tensor (`picture_range`). InputError for a tensor that cannot be a picture, or a picture of floats.
    """
    axis = _channel_axis(tensor)
    channels = tensor.shape[axis]
    if picture.mode == "F":
        raise InputError(f"input {tensor.name!r}: a picture of floats has no range; give a .npy")
    if channels not in _MODES or tensor.dtype not in ("uint8", "float16", "float32"):
        raise InputError(
            f"input {tensor.name!r} ({tensor.dtype}, {channels} channels) cannot be a picture; "
            "give it as .npy"
        )
    if picture.mode.startswith("I"):  # 16 bits; convert() would clip them to 8
        grey = np.clip(np.asarray(picture, np.float32) / 65535, 0, 1)
        values = np.repeat(grey[..., None], int(channels), axis=-1)
    else:
        if channels != 4 and (picture.mode in _CLEAR or "transparency" in picture.info):
            picture = _over_white(picture)
        values = np.asarray(picture.convert(_MODES[channels]), np.float32) / 255
        values = values.reshape(*values.shape[:2], int(channels))
    if tensor.dtype == "uint8":
        values = np.rint(values * 255)
    else:
        low, high = picture_range(tensor.range)
        values = (low + values * np.float32(high - low)).clip(low, high)
    values = np.moveaxis(values, -1, axis - 1)
    return np.ascontiguousarray(values[None].astype(tensor.dtype))


def _coloured(picture: "Image.Image") -> bool:
    """Return whether a picture has a pixel that is not grey."""
    if picture.mode in ("1", "L", "LA", "La", "F") or picture.mode.startswith("I"):
        return False
    colours = np.asarray(picture.convert("RGB"))
    return bool((colours != colours[..., :1]).any())


def _over_white(picture: "Image.Image") -> "Image.Image":
    from PIL import Image

    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture.convert("RGBA"))


def write_outputs(graph: Graph, outputs: Mapping[str, np.ndarray], folder: Path) -> list[Path]:
    """Write each output as NAME.npy, and pictures also as NAME.png (NAME-0.png, ... of a batch).

    Each file is whole or absent. Returns the paths. Pictures need Pillow and are left out without.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []

    def free(stem: str, suffix: str) -> Path:
        """Return a path that this call has not written yet: a/b and a_b are different outputs."""
        taken, path, number = {str(one).lower() for one in written}, folder / f"{stem}{suffix}", 1
        while str(path).lower() in taken:
            number += 1
            path = folder / f"{stem}~{number}{suffix}"
        written.append(path)
        return path

    for tensor in graph.outputs:
        array = outputs[tensor.name]
        # Of the bundle: no way out of the folder, and no hidden file.
        name = re.sub(r"^\.|[^\w.-]", "_", tensor.name)[:100]
        with whole_file(free(name, ".npy")) as temporary:
            np.save(temporary, array, allow_pickle=False)
        pictures = _to_pictures(tensor, array)
        for index, picture in enumerate(pictures):
            end = f"-{index}" if len(pictures) > 1 else ""
            with whole_file(free(f"{name}{end}", ".png")) as temporary:
                picture.save(temporary)
    return written


def _noise(tensor: Tensor, n: int, rng: np.random.Generator) -> np.ndarray:
    free = bool(tensor.shape) and isinstance(tensor.shape[0], str)
    if tensor.dtype not in ("float16", "float32", "float64"):
        raise InputError(f"input {tensor.name!r} is {tensor.dtype}; only a float can be {NORMAL}")
    if n > 1 and not free:
        raise InputError(f"input {tensor.name!r}: {n} items were asked for, its batch is fixed")
    shape = (n, *tensor.example[1:]) if free else tensor.example
    return rng.standard_normal(shape, dtype=np.float32).astype(tensor.dtype)


def save_picture(image: np.ndarray, path: Path) -> None:
    """Write float32 [H, W, C] in [0, 1] as a picture; InputError without Pillow or for its suffix."""
    check_writable(path)
    picture = to_picture(image)
    with whole_file(path) as temporary:
        picture.save(temporary)


def to_picture(image: np.ndarray) -> "Image.Image":
    """Return float32 [H, W, C] in [0, 1] as a picture of 8 bits."""
    from PIL import Image

    pixels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def check_writable(path: Path, instead: str = ".png or .npy") -> None:
    """InputError where no picture of this name can be written and read again, or without Pillow.

    instead: the suffixes that the message names.
    """
    try:
        from PIL import Image
    except ImportError:
        raise InputError(f"{path}: writing a picture needs Pillow; choose a .npy") from None
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind not in Image.SAVE or kind not in Image.OPEN:
        raise InputError(f"{path}: no picture has the suffix {path.suffix!r}; choose {instead}")


def read_array(path: Path, tensor: Tensor) -> np.ndarray:
    """Return a .npy, .npz or picture (batch 1) for `tensor`; InputError where it cannot be read."""
    if not path.is_file():
        raise InputError(f"input {tensor.name!r}: no file {path} (or write {tensor.name}={NORMAL})")
    if path.suffix.lower() not in (".npy", ".npz"):
        _channel_axis(tensor)  # refuse before a picture is decoded
        return from_picture(_open_picture(path, tensor), tensor)
    try:
        if path.suffix.lower() == ".npz":
            arrays = read_npz(path.read_bytes(), str(path), most=MOST_INPUT, mend="write it again")
            return _member(arrays, path, tensor)
        with path.open("rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except InputError:
        raise
    except BundleError as error:
        raise InputError(f"input {tensor.name!r}: {error}") from None
    except Exception as error:  # numpy, zipfile and zlib raise unrelated types
        raise InputError(f"input {tensor.name!r}: {path} cannot be read: {error}") from None


def read_square(path: Path, tensor: Tensor) -> np.ndarray:
    """Return a picture's largest centred square, scaled to the tensor's size; a .npy as it is.

    InputError as for `read_array`.
    """
    if not path.is_file():
        raise InputError(f"input {tensor.name!r}: no file {path}")
    if path.suffix.lower() in (".npy", ".npz"):
        return read_array(path, tensor)
    axis = _channel_axis(tensor)
    height, width = (size for i, size in enumerate(tensor.example) if i not in (0, axis))
    picture = _open_picture(path, tensor)
    if picture.size != (width, height):
        from PIL import Image, ImageOps

        # 16 bits and palettes have no smooth resampling of their own.
        deep = picture.mode.startswith("I")
        clear = picture.mode in _CLEAR or "transparency" in picture.info
        picture = picture.convert("F" if deep else "RGBA" if clear else "RGB")
        picture = ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)
        if deep:
            grey = np.rint(np.clip(np.asarray(picture), 0, 65535)).astype(np.uint16)
            picture = Image.fromarray(grey)
    return from_picture(picture, tensor)


def _member(stored: dict[str, np.ndarray], path: Path, tensor: Tensor) -> np.ndarray:
    key = tensor.name if tensor.name in stored else next(iter(stored), "")
    if key != tensor.name and len(stored) != 1:
        found = ", ".join(stored) or "none"
        raise InputError(f"input {tensor.name!r}: {path} holds no such array; found: {found}")
    return stored[key]


def _open_picture(path: Path, tensor: Tensor) -> "Image.Image":
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise InputError(
            f"input {tensor.name!r}: reading {path.name} needs Pillow: pip install 'dimaging[images]', "
            "or give the input as .npy"
        ) from None
    try:
        with Image.open(path) as picture:
            check_size(picture.size)
            bits = _bits(picture, path)
            picture = ImageOps.exif_transpose(picture)  # upright, as a phone's photo is meant
    except Exception as error:  # Pillow raises half a dozen unrelated types
        raise InputError(f"input {tensor.name!r}: {path} is no readable picture: {error}") from None
    if bits > 8:
        tell(f"note: {path.name} has colour of {bits} bits a sample, which is read as 8")
    if tensor.shape[_channel_axis(tensor)] == 1 and _coloured(picture):
        words = f"{path.name} is in colour, and {tensor.name!r} is grey: its brightness is taken (Rec. 601)"
        tell(f"note: {words}")
    return picture


def _bits(picture: "Image.Image", path: Path) -> int:
    """Return the bits of a sample of colour; InputError where Pillow would read halves of samples."""
    bits = stored_bits(picture, path)
    if bits > 8 and getattr(picture, "tag_v2", {}).get(_PLANAR) == 2:
        raise InputError(
            f"it stores each colour of {bits} bits by itself, which cannot be read; give it as .npy"
        )
    return bits


def _channel_axis(tensor: Tensor) -> int:
    if tensor.layout not in ("NHWC", "NCHW"):
        layout = tensor.layout or "none"
        raise InputError(
            f"input {tensor.name!r} cannot be a picture: expected layout NHWC or NCHW, "
            f"it has {layout}; give it as .npy"
        )
    return tensor.layout.index("C")


def _to_pictures(tensor: Tensor, array: np.ndarray) -> "list[Image.Image]":
    picture_like = tensor.dtype == "uint8" or tensor.range == (0, 1)
    if not picture_like or tensor.layout not in ("NHWC", "NCHW"):
        return []
    items = np.moveaxis(array, tensor.layout.index("C"), -1)
    if items.shape[-1] not in _MODES:
        return []
    try:
        from PIL import Image
    except ImportError:
        return []
    if items.dtype != np.uint8:
        items = np.rint(np.clip(items.astype(np.float32), 0, 1) * 255).astype(np.uint8)
    return [Image.fromarray(item[..., 0] if item.shape[-1] == 1 else item) for item in items]
