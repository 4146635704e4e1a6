"""The attribute vector of glasses, from photographs that are moved until their eyes coincide.

    faces ── moved by whole pixels until their eyes are alike ── and their mirror images ── encode
          ── mean code with glasses - mean code without = vector

A mean over faces that are shifted by a pixel blurs the thin frames, and a blurred vector adds faint
glasses. So one round of joint alignment by translation (Learned-Miller 2006 calls many rounds congealing)
precedes the mean of White 2016, arXiv 1609.04468. Only the faces that the vector is made of are moved, not
those that it is added to. benchmarks/glasses.py measures the effect.
"""

from itertools import product

import numpy as np

from dimaging_tf.latent import arithmetic
from dimaging_tf.latent.space import Space

GLASSES = ("faces", "olivetti", "avatars")
"""Names of data sets in which label 1 means that the face wears glasses."""
EYES = (1 / 8, 5 / 8)
"""The rows of a portrait in which glasses are, from and to, as shares of its height."""
REACH = 1 / 32
"""The farthest that a face is moved, as a share of its height: one pixel of 32."""


def glasses_vector(space: Space, image: np.ndarray, has: np.ndarray) -> np.ndarray:
    """Return the vector [D] of faces float32 [N, h, w, C] in [0, 1]; has [N] is true or 1 with glasses.

    DataError where a side is empty, as `arithmetic.attribute_vector`.
    """
    image = aligned(image, has)
    code = (space.encode(image) + space.encode(image[:, :, ::-1])) / 2
    return arithmetic.attribute_vector(code, has)


def aligned(image: np.ndarray, has: np.ndarray) -> np.ndarray:
    """Move each image to where its eyes are most like the mean eyes of its side of `has` [N].

    Likeness is the correlation of the pixels. Pixels that come in from outside repeat the edge.
    """
    height, width = image.shape[1:3]
    reach = max(1, round(REACH * height))
    padded = np.pad(image, ((0, 0), (reach, reach), (reach, reach), (0, 0)), "edge")
    span = range(-reach, reach + 1)
    moves = sorted(product(span, span), key=lambda move: np.hypot(*move))  # of equals, the least

    rows = slice(*(round(share * height) for share in EYES))

    def moved(faces: slice | int, y: int, x: int) -> np.ndarray:
        return padded[faces, reach + y : reach + y + height, reach + x : reach + x + width]

    def eyes(y: int, x: int) -> np.ndarray:
        flat = moved(slice(None), y, x)[:, rows].reshape(len(image), -1)
        flat = flat - flat.mean(1, keepdims=True)
        return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)

    has, mean = np.asarray(has), eyes(0, 0)
    for side in np.unique(has):
        mean[has == side] = mean[has == side].mean(0)
    best = np.argmax([(eyes(*move) * mean).sum(1) for move in moves], 0)
    return np.stack([moved(face, *moves[k]) for face, k in enumerate(best)])
