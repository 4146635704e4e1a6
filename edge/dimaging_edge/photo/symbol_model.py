"""The protocol of a model that the photo codec can use, and the picture that it codes."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class SymbolModel(Protocol):
    """A learned transform with latents z (1/32 of the size) and y (1/8), and a prior of y.

    `prior` must give the same integers for the same integers on every machine; `encode` and `decode`
    may be floats. All arrays have batch 1; H and W are multiples of 32, h = H / 8, w = W / 8. A model may
    also have `neighbours`: (tables of z, tables of y), see `neighbours.Tables`; `widest`, the largest
    symbol of y where that is not 127; and `least`, the smallest side of a window that it takes, in pixels.
    """

    model_id: bytes  # 16
    channels: int  # 1 or 3
    bit_depth: int  # 8: uint8 images; 16: uint16
    y_channels: int
    z_channels: int
    counts: np.ndarray  # uint16 [K, S], see `symbols.ScaleTables`
    halo: int  # pixels that encode and decode see beyond a tile, a multiple of 32

    def encode(self, image: np.ndarray, quality: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the latents of an image [1, H, W, C].

        z is int32 [1, H/32, W/32, Cz], symbols; y is int32 [1, h, w, Cy] in 1/256 of a step.
        """
        ...

    def z_index(self, quality: int) -> np.ndarray:
        """Return the scale index of each channel of z, uint8 [Cz]."""
        ...

    def prior(
        self, z: np.ndarray, y: np.ndarray, pass_: int, quality: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return scale index and mean (in eighths of a step) of y, both int32 [1, h, w, Cy].

        `y`, in eighths, holds what the passes before this one decoded, and 0 elsewhere.
        """
        ...

    def decode(self, z: np.ndarray, y: np.ndarray, quality: int) -> np.ndarray:
        """Return the image [1, H, W, C] of z and of y in eighths of a step."""
        ...


def widest(model: SymbolModel) -> int:
    """Return the largest symbol that a model has."""
    return getattr(model, "widest", 127)


@dataclass
class Photo:
    """A picture with its transparency, colour profile and EXIF."""

    image: np.ndarray  # uint8 or uint16 [H, W, 1 or 3]
    alpha: np.ndarray | None = None  # uint8 or uint16 [H, W]
    icc: bytes | None = None
    exif: bytes | None = None
    notes: tuple[str, ...] = ()  # what the file held and this has not, in words
