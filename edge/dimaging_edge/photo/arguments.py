"""What `compress` and `decompress` are given: checked before any work, each error with what was expected."""

from typing import Any

import numpy as np

from dimaging_edge.common.errors import InputError
from dimaging_edge.photo.container import MOST_PIXELS, MOST_TILE, QUALITIES, area
from dimaging_edge.photo.symbol_model import Photo, SymbolModel


def check_arguments(
    model: SymbolModel,
    photo: Photo,
    *,
    quality: int,
    tile: int,
    max_error: int | None,
    half: bool,
) -> None:
    """Raise InputError for what `compress` cannot work with: kinds, then the picture, then the numbers."""
    _check_model(model)
    if not isinstance(photo, Photo):
        raise InputError(
            f"photo: expected a Photo, received {type(photo).__name__}; such as dimaging_edge.Photo(image)"
        )
    for name, value in (("quality", quality), ("tile", tile), ("max_error", max_error)):
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int | np.integer)
        ):
            raise InputError(f"{name}: expected a whole number, received {value!r}")
    if not isinstance(photo.image, np.ndarray):
        raise InputError(f"image: expected a numpy array, received {type(photo.image).__name__}")
    image, alpha = photo.image, photo.alpha
    kind = f"uint{model.bit_depth}"
    channels = (1, 3) if model.channels == 3 else (1,)
    if image.dtype != kind or image.ndim != 3 or image.shape[2] not in channels:
        words = " or ".join(map(str, channels))
        raise InputError(
            f"image: expected {kind} [H, W, {words}], received {image.dtype} {list(image.shape)}"
        )
    if not image.size or area(image.shape[1], image.shape[0]) > MOST_PIXELS:
        raise InputError(
            f"image: expected 1 to {MOST_PIXELS} pixels, received {image.shape[1]} x {image.shape[0]}"
        )
    if alpha is not None and (alpha.shape != image.shape[:2] or alpha.dtype not in ("u1", "u2")):
        raise InputError(
            f"alpha: expected uint8 or uint16 {list(image.shape[:2])}, received {alpha.dtype} "
            f"{list(alpha.shape)}"
        )
    if half and min(image.shape[:2]) < 2:
        raise InputError(
            f"half: expected a picture of at least 2 x 2 pixels, received {image.shape[1]} x "
            f"{image.shape[0]}; leave half out"
        )
    if half and max_error is not None:
        raise InputError("half: exact pixels are of the whole picture; leave half or max_error out")
    if not 0 <= quality < QUALITIES:
        raise InputError(f"quality: expected 0 to {QUALITIES - 1}, received {quality}")
    if tile % 32 or not 32 <= tile <= MOST_TILE:
        raise InputError(f"tile: expected a multiple of 32 up to {MOST_TILE}, received {tile}")


def check_data(model: SymbolModel, data: bytes) -> None:
    """Raise InputError for what `decompress` cannot read at all, such as the name of a file."""
    _check_model(model)
    if not isinstance(data, bytes | bytearray):
        raise InputError(
            f"data: expected the bytes of a file, received {type(data).__name__}; such as "
            "Path('photo.dimg').read_bytes()"
        )


def _check_model(model: Any) -> None:
    if not hasattr(model, "model_id"):
        raise InputError(
            f"model: expected an open model, received {type(model).__name__}; such as "
            "dimaging_edge.open_model('unet_codec')"
        )
