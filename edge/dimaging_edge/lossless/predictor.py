"""What the lossless codec needs to know of a model."""

from collections.abc import Generator
from typing import Protocol

import numpy as np


class Predictor(Protocol):
    """A model of images: integer weights, 1 to 2^32, of every symbol a pixel may have.

    Both methods must give equal weights for equal pixels before, to the last bit, on any machine.
    """

    @property
    def levels(self) -> int:
        """Size of the alphabet, 2 to 256."""
        ...

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, 1) of an image."""
        ...

    def parallel(self, symbols: np.ndarray) -> np.ndarray:
        """All pixels at once: uint8 [B, H, W] -> int64 [B, H, W, levels]."""
        ...

    def sequential(self, batch: int) -> Generator[np.ndarray, np.ndarray, None]:
        """Pixel by pixel: yields int64 [batch, levels], is sent uint8 [batch]; H W times."""
        ...
