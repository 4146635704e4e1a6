"""Which K of N frames of a movie to take: one choice for all movies, learned with the network behind it.

    N frames --mask: K ones--> K frames --> network          light dose, bytes and CNN time fall by N / K

`random_masks`       a network that is trained on all masks at once knows what each of them is worth, so that
                     `search` finds the best one without training anew
`straight_through`   the differentiable form: the K largest of N learned scores, noise added; backwards as if
                     it were a soft threshold (LOUPE, Bahadir et al. 2020; DPS, Huijben et al. 2020)

A mask is a tuple of K frame numbers, ascending, from 0; in a network float32 [B, N] of zeros and ones.
"""

import io
import json
from collections.abc import Callable
from itertools import combinations
from math import comb
from typing import Any

import numpy as np

Mask = tuple[int, ...]
MOST_MASKS = 5000
"""The number of masks up to which `search` tries all of them."""


def uniform_mask(frames: int, keep: int) -> Mask:
    """Return `keep` of `frames` frames, evenly spaced: the middles of as many equal parts of the movie."""
    return tuple(int((2 * k + 1) * frames / (2 * keep)) for k in range(keep))


def random_masks(noise: Any, keep: int) -> Any:
    """Return the mask of the `keep` largest numbers of every row of `noise` [B, N], a tensor."""
    import tensorflow as tf

    places = tf.math.top_k(noise, keep).indices
    return tf.reduce_sum(tf.one_hot(places, tf.shape(noise)[-1]), -2)


def straight_through(scores: Any, noise: Any, keep: int, temperature: Any) -> Any:
    """Return masks [B, N] of the `keep` largest of scores [N] + noise [B, N], with a gradient for the scores.

    The gradient is that of a sigmoid about the threshold between the last frame taken and the first one left;
    its width is `temperature`. Gumbel noise draws masks in proportion to the exponentials of the scores.
    """
    import tensorflow as tf

    noisy = scores + noise
    near = tf.math.top_k(noisy, keep + 1).values[:, keep - 1 :]
    soft = tf.sigmoid((noisy - tf.reduce_mean(near, -1, keepdims=True)) / temperature)
    return random_masks(noisy, keep) + soft - tf.stop_gradient(soft)


def search(cost: Callable[[Mask], float], frames: int, keep: int) -> Mask:
    """Return the mask of least cost: of all masks up to `MOST_MASKS`, else by greedy choice and swaps.

    The greedy choice adds one frame at a time to those it has, and afterwards exchanges single frames as long
    as that helps; `cost` then has to take masks of fewer frames too.
    """
    if comb(frames, keep) <= MOST_MASKS:
        return min(combinations(range(frames), keep), key=cost)
    chosen: Mask = ()
    while len(chosen) < keep:
        left = [frame for frame in range(frames) if frame not in chosen]
        chosen = min((tuple(sorted((*chosen, frame))) for frame in left), key=cost)
    best = cost(chosen)
    while True:
        swaps = [
            tuple(sorted({*chosen, new} - {old}))
            for old in chosen
            for new in range(frames)
            if new not in chosen
        ]
        other = min(swaps, key=cost)
        if not (found := cost(other)) < best:
            return chosen
        chosen, best = other, found


def protocol(mask: Mask, frames: int, rate: float | None = None) -> str:
    """Return what a microscope has to do, as JSON: the frames to take, of how many, and their times.

    rate: frames a second of the whole movie; None where nobody knows, and then the times are null.
    """
    times = None if rate is None else [frame / rate for frame in mask]
    said = {"frames": list(mask), "of": frames, "frames_per_second": rate, "seconds": times}
    return json.dumps(said, indent=1) + "\n"


def strip(mask: Mask, frames: int, side: int = 24, gap: int = 4) -> np.ndarray:
    """Return a picture uint8 [H, W] of the frames in a row: those taken black, those left out light grey."""
    pixels = np.full((side + 2 * gap, frames * (side + gap) + gap), 255, np.uint8)
    for frame in range(frames):
        start = gap + frame * (side + gap)
        pixels[gap:-gap, start : start + side] = 0 if frame in mask else 224
    return pixels


def strip_png(mask: Mask, frames: int) -> bytes:
    """Return `strip` as the contents of a PNG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(strip(mask, frames)).save(file, "PNG")
    return file.getvalue()
