"""A data set of faces for tests: noise, of which every second picture has glasses."""

import numpy as np

from dimaging_tf.data.dataset import Dataset, Split


def faces() -> Dataset:
    """Return 40 pictures [16, 16, 3] in both splits, labels 0 and 1 in turn."""
    x = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), np.uint8)
    split = Split(x, np.arange(40, dtype=np.int32) % 2)
    return Dataset(
        "faces", split, split, licence="drawn here, free", source="drawn here", summary="noise"
    )
