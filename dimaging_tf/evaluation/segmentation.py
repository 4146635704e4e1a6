"""How good a segmentation of membranes is: its pixels, and the cells that it separates.

F1, IoU   of the membrane's pixels
cells     connected pieces of what is no membrane. One missing pixel of a membrane joins two cells, which
pixels hardly notice; so the cells are compared too, where the truth has cells:
variation of information, in bits: H(found | truth), cells split, + H(truth | found), cells merged
adapted Rand error: 1 - F of the pairs of pixels that lie in one cell (Arganda-Carreras et al.
2015, doi 10.3389/fnana.2015.00142)
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scores:
    """The figures of one or more images."""

    f1: float  # of the membrane's pixels, 0 to 1
    iou: float  # the same, intersection over union
    split: float  # bits, H(found | truth)
    merged: float  # bits, H(truth | found)
    rand_error: float  # 0 to 1


def membrane_scores(
    probability: np.ndarray, mask: np.ndarray, threshold: float = 0.5, smallest: int = 50
) -> Scores:
    """Return the scores of membrane probabilities [N, H, W] against masks [N, H, W], 1 where membrane is.

    smallest: cells of fewer pixels, which are specks, count as membrane. The scores of cells are means over
    the images.
    """
    from skimage.metrics import adapted_rand_error, variation_of_information

    found, truth = probability > threshold, np.asarray(mask) > 0
    hit, union = np.sum(found & truth), np.sum(found | truth)
    cells = []
    for image, true in zip(found, truth, strict=True):
        a, b = cells_of(true, smallest), cells_of(image, smallest)
        split, merged = variation_of_information(a, b, ignore_labels=(0,))
        cells.append((split, merged, adapted_rand_error(a, b, ignore_labels=(0,))[0]))
    both = max(1, np.sum(found) + np.sum(truth))
    return Scores(
        float(2 * hit / both), float(hit / max(1, union)), *map(float, np.mean(cells, axis=0))
    )


def cells_of(membrane: np.ndarray, smallest: int = 50) -> np.ndarray:
    """Return the cells of a membrane [H, W] as numbers 1, 2, ...; 0 for membrane, and for smaller cells."""
    from skimage.measure import label

    cells = np.asarray(label(~membrane, connectivity=1))
    return np.where(np.bincount(cells.ravel())[cells] < smallest, 0, cells)
