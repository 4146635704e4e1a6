"""Arrays of pixels to another number of channels, bits or pixels. Nothing here knows a file."""

import numpy as np

from dimaging_tf.errors import DataError


def to_channels(image: np.ndarray, channels: int) -> np.ndarray:
    """Return integers [..., 1 or 3] as [..., channels]: grey is repeated, RGB becomes Rec. 601 luma."""
    if channels not in (1, 3):
        raise DataError(f"channels is 1 (grey) or 3 (RGB); received {channels}")
    if image.shape[-1] == channels:
        return image
    if channels == 3:
        return np.repeat(image, 3, axis=-1)
    # Pillow's fixed-point weights. They sum to 2^16, so 16-bit values just fit in 32 bits.
    luma = image.astype(np.uint32) @ np.array([19595, 38470, 7471], np.uint32)
    return ((luma + 0x8000) >> 16).astype(image.dtype)[..., None]


def to_uint16(image: np.ndarray) -> np.ndarray:
    """Return 8-bit values as 16-bit ones of the same meaning: 255 becomes 65535 = 257 * 255, exactly."""
    return image if image.dtype == np.uint16 else image.astype(np.uint16) * np.uint16(257)


def stretch(image: np.ndarray, white: int) -> np.ndarray:
    """Stretch uint16 of a sensor of fewer bits, such as 12 (white = 4095), to the full 0..65535."""
    return np.rint(np.minimum(image, white) * (65535 / white)).astype(np.uint16)


def grid(image: np.ndarray, size: int, stride: int) -> list[tuple[slice, slice]]:
    """Return the size x size windows of [H, W, ...] that are `stride` pixels apart, as indices."""
    rows, columns = (range(0, side - size + 1, stride) for side in image.shape[:2])
    return [np.s_[y : y + size, x : x + size] for y in rows for x in columns]


def centre_square(image: np.ndarray, size: int) -> np.ndarray:
    """Return the largest centred square of [H, W, C], resampled (Lanczos) to [size, size, C]."""
    from PIL import Image

    # One float plane at a time: Pillow resamples 16-bit integers with nearest neighbours only.
    planes = [
        Image.fromarray(plane).resize((size, size), Image.Resampling.LANCZOS)
        for plane in np.moveaxis(_square(image).astype(np.float32), -1, 0)
    ]
    limit = np.iinfo(image.dtype).max
    return (
        np.stack([np.asarray(plane) for plane in planes], -1)
        .round()
        .clip(0, limit)
        .astype(image.dtype)
    )


def nearest_square(mask: np.ndarray, size: int) -> np.ndarray:
    """Return the largest centred square of labels [H, W] as [size, size], each that of the nearest pixel."""
    square = _square(mask)
    nearest = ((np.arange(size) + 0.5) * (len(square) / size)).astype(int)
    return square[np.ix_(nearest, nearest)]


def pad_to(image: np.ndarray, size: int) -> np.ndarray:
    """Return [N, H, W, C] in the middle of a black [N, size, size, C]."""
    before = [(size - side) // 2 for side in image.shape[1:3]]
    after = [size - side - margin for side, margin in zip(image.shape[1:3], before, strict=True)]
    return np.pad(image, ((0, 0), *zip(before, after, strict=True), (0, 0)))


def _square(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]
