"""A graph run on many images, some at once, after a look at whether they are of the size that it takes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dimaging_edge.common.errors import InputError

BATCH = 100
"""Images at once: small maps stay in the cache, and the memory does not grow with the data."""


def run_batches(
    session: Any, outputs: list[str], feed: Mapping[str, np.ndarray], fixed: Mapping[str, Any] | None = None,
    batch: int = BATCH,
) -> list[np.ndarray]:  # fmt: skip
    """Outputs of a session for all rows of `feed`, whose first entry are the images [N, ...].

    fixed: inputs that are the same for every batch. A file of a fixed batch gets its last one filled up.
    InputError for images of another size than the file takes.
    """
    name, x = next(iter(feed.items()))
    shape = next(tensor.shape for tensor in session.get_inputs() if tensor.name == name)
    _check_size(shape, x)
    whole = isinstance(shape[0], int)
    size = shape[0] if whole else batch
    parts = []
    for start in range(0, len(x), size):
        rows = np.arange(start, min(start + size, len(x)))
        given = {key: value[start : start + size] for key, value in feed.items()}
        if whole and len(rows) < size:  # filled up with its last row
            given = {key: value[np.resize(rows, size)] for key, value in feed.items()}
        found = session.run(outputs, {**given, **(fixed or {})})
        parts.append([each[: len(rows)] for each in found])
    return [
        np.concatenate(each) if len(parts) > 1 else each[0] for each in zip(*parts, strict=True)
    ]


def _check_size(shape: list[Any], x: np.ndarray) -> None:
    """InputError where images [N, ...] do not fit the shape that a file declares, with what mends it."""
    free = ("N", *(size if isinstance(size, int) else "any" for size in shape[1:]))
    wanted, found = free[1:], x.shape[1:]
    fits = len(wanted) == len(found) and all(
        size in ("any", have) for size, have in zip(wanted, found, strict=True)
    )
    if fits and len(x):
        return
    mend = "scale or cut them to that size"
    if not len(x):
        mend = "give at least one"
    elif len(found) == len(wanted) - 1:
        mend = "their channels are missing: x[..., None]"
    elif len(found) == 3 and (found[2], *found[:2]) == wanted:
        mend = "the model takes channels first: np.moveaxis(x, -1, 1)"
    elif len(found) == 3 and (*found[1:], found[0]) == wanted:
        mend = "the model takes channels last: np.moveaxis(x, 1, -1)"
    elif len(found) == 3 and found[:2] == wanted[:2]:
        mend = f"the model takes {wanted[2]} channel(s)"
    raise InputError(
        f"images: the model takes [{', '.join(map(str, free))}], received {list(x.shape)}; {mend}"
    )
