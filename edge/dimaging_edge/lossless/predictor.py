"""The protocol of a model that the lossless codec can use."""

from collections.abc import Generator
from typing import Protocol

import numpy as np


class Predictor(Protocol):
    """A model of images: it gives an integer weight, 1 to 2^32, to every symbol that a pixel may have.

    Both methods must give equal weights for equal pixels before, to the last bit, on any machine.
    """

    @property
    def levels(self) -> int:
        """The size of the alphabet, 2 to 256."""
        ...

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of an image: (height, width, 1)."""
        ...

    def parallel(self, symbols: np.ndarray) -> np.ndarray:
        """Return the weights of all pixels, int64 [B, H, W, levels], for symbols uint8 [B, H, W]."""
        ...

    def sequential(self, batch: int) -> Generator[np.ndarray, np.ndarray, None]:
        """Yield weights int64 [batch, levels] pixel by pixel, H W times; each time be sent uint8 [batch]."""
        ...
