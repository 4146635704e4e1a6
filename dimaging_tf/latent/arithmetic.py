"""Arithmetic on codes, for any decoder or generator (lecture: "adding glasses to a new face").

    add an attribute     code + scale (mean of codes with it - mean of codes without)   White 2016,
                                                    arXiv 1609.04468; Larsen et al. 2016, 1512.09300
    an analogy           mean of three (man with glasses) - mean of three (man) + mean of three (woman)
                                                                   Radford et al. 2015, arXiv 1511.06434
    between two codes    on the line, or on the great arc (White 2016: a Gaussian in many dimensions
                         lies near a sphere, which the line leaves)
    along one latent     all others stay as they are

Codes are float arrays [N, D]; a single code is [D]. `decode` maps codes [N, D] to images [N, h, w, C] in
[0, 1]. Nothing here depends on a model: `latent.space.open_space` makes encode and decode from one, by its
encoder or by inversion. Every *_grid returns cells [rows, columns, h, w, C] for `plots.save_grid`.
"""

from collections.abc import Callable, Sequence

import numpy as np

from dimaging_tf.errors import DataError

Decode = Callable[[np.ndarray], np.ndarray]
"""A decoder: codes [N, D] -> images [N, h, w, C] in [0, 1]."""


def attribute_vector(
    code: np.ndarray, has: np.ndarray, group: np.ndarray | None = None
) -> np.ndarray:
    """Return the mean code with the attribute minus the mean code without it, [D].

    code    [N, D]
    has     [N], true or 1 where a code has the attribute
    group   [N], such as the person in each picture: every group counts once on each side, so that a
            person with many pictures does not become part of the attribute

    DataError where a side is empty.
    """
    code, has = np.asarray(code), np.asarray(has).astype(bool)
    _check_counts(code, has)
    if not has.any() or has.all():
        side = "with" if not has.any() else "without"
        raise DataError(
            f"an attribute vector needs codes with and without the attribute; received {len(has)} "
            f"codes, none {side} it"
        )
    sides = []
    for side in (has, ~has):
        groups = [side] if group is None else [side & (group == g) for g in np.unique(group[side])]
        sides.append(np.mean([code[members].mean(0) for members in groups], 0))
    return sides[0] - sides[1]


def analogy(
    plus: Sequence[np.ndarray | Sequence[np.ndarray]],
    minus: Sequence[np.ndarray | Sequence[np.ndarray]] = (),
) -> np.ndarray:
    """Return the sum of the averages of `plus` minus that of the averages of `minus`, [D].

    Each item is a code [D], or exemplars [k, D] that are averaged first: Radford et al. found the arithmetic
    unstable for single codes and stable for means of three.

    analogy(plus=[men_with_glasses, women], minus=[men])
    """
    if not plus:
        raise DataError("an analogy has at least one code to add; received none")
    means = [[np.atleast_2d(np.asarray(item)).mean(0) for item in side] for side in (plus, minus)]
    sizes = {len(mean) for side in means for mean in side}
    if len(sizes) > 1:
        raise DataError(f"the codes of an analogy are equally long; received {sorted(sizes)}")
    return np.sum(means[0], 0) - (np.sum(means[1], 0) if means[1] else 0)


def linear(start: np.ndarray, end: np.ndarray, steps: int) -> np.ndarray:
    """Return `steps` codes on the line from start [D] to end [D], both included: [steps, D]."""
    share = _shares(steps)
    return (1 - share) * start + share * end


def spherical(start: np.ndarray, end: np.ndarray, steps: int) -> np.ndarray:
    """Return `steps` codes on the great arc from start to end, whose lengths change evenly: [steps, D].

    This is Shoemake's slerp with the lengths interpolated too, and the line where the two directions are
    equal. DataError where they are opposite, because then no arc is the shortest.
    """
    share = _shares(steps)
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    if min(lengths) == 0:
        return linear(start, end, steps)
    cosine = float(np.clip(start @ end / (lengths[0] * lengths[1]), -1, 1))
    angle = np.arccos(cosine)
    if angle < 1e-6:
        return linear(start, end, steps)
    if np.pi - angle < 1e-6:
        raise DataError(
            "the two codes are opposite: no arc between them is the shortest; use linear"
        )
    directions = [
        np.sin((1 - share) * angle) * start / lengths[0],
        np.sin(share * angle) * end / lengths[1],
    ]
    return sum(directions) / np.sin(angle) * ((1 - share) * lengths[0] + share * lengths[1])


def traversal(code: np.ndarray, latent: int, values: Sequence[float]) -> np.ndarray:
    """Return the code [D] with one latent set to each of the values: [len(values), D]."""
    if not 0 <= latent < len(code):
        raise DataError(f"there are latents 0 to {len(code) - 1}; received {latent}")
    codes = np.repeat(np.asarray(code)[None], len(values), 0)
    codes[:, latent] = values
    return codes


def strongest(decode: Decode, code: np.ndarray, count: int, reach: float = 2.0) -> list[int]:
    """Return the `count` latents that change the picture most from -reach to reach, strongest first.

    A VAE switches off latents that it has no use for; a traversal of those shows nothing.
    """
    low, high = (
        decode(np.concatenate([traversal(code, k, [end]) for k in range(len(code))]))
        for end in (-reach, reach)
    )
    change = np.square(high - low).reshape(len(code), -1).sum(1)
    return [int(k) for k in np.argsort(-change, kind="stable")[:count]]


def random_like(vector: np.ndarray, seed: int) -> np.ndarray:
    """Draw a random direction as long as `vector`: the control for every attribute vector."""
    drawn = np.random.default_rng(seed).standard_normal(vector.shape)
    return drawn * (np.linalg.norm(vector) / np.linalg.norm(drawn))


def attribute_grid(
    decode: Decode, code: np.ndarray, vector: np.ndarray, scales: Sequence[float]
) -> np.ndarray:
    """Decode every code [N, D] (a column each) with every multiple of the vector added (a row each)."""
    return _rows(decode, np.stack([code + scale * vector for scale in scales]))


def interpolation_grid(
    decode: Decode, start: np.ndarray, end: np.ndarray, steps: int = 8
) -> np.ndarray:
    """Decode two rows from start to end: on the line, and on the arc."""
    return _rows(decode, np.stack([linear(start, end, steps), spherical(start, end, steps)]))


def traversal_grid(
    decode: Decode, code: np.ndarray, latents: Sequence[int], values: Sequence[float]
) -> np.ndarray:
    """Decode the code with each latent (a row each) set to each value (a column each)."""
    return _rows(decode, np.stack([traversal(code, latent, values) for latent in latents]))


def _rows(decode: Decode, codes: np.ndarray) -> np.ndarray:
    """Decode codes [rows, columns, D] in one call."""
    images = decode(codes.reshape(-1, codes.shape[-1]))
    return images.reshape(*codes.shape[:2], *images.shape[1:])


def _shares(steps: int) -> np.ndarray:
    if steps < 2:
        raise DataError(f"an interpolation has at least 2 steps, its ends; received {steps}")
    return np.linspace(0, 1, steps)[:, None]


def _check_counts(code: np.ndarray, has: np.ndarray) -> None:
    if code.ndim != 2 or has.shape != code.shape[:1]:
        raise DataError(
            f"codes are [N, D] and the attribute is [N]; received {list(code.shape)} and "
            f"{list(has.shape)}"
        )
