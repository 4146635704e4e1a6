"""Real values of a plain model of several inputs, by their names: data={"content": ..., "style": ...}."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from dimaging_edge.common.errors import near

from dimaging_export.bundle.named_files import MOST_IMAGES, read_values
from dimaging_export.bundle.subject import Subject
from dimaging_export.errors import ExportError
from dimaging_export.graph.interface import names_of


def named_inputs(
    data: Mapping[str, object], subject: Subject, size: tuple[int, int] | None = None
) -> dict[str, np.ndarray]:
    """Return the arrays of every input, in its type, row i of each belonging together; ExportError otherwise.

    A value is an array, or the path of one or of a folder of images (`read_values`). Arrays are taken as they
    are: whole numbers of a float input are not scaled. Images of a folder get the declared range of their
    input, else 0 to 1 where it takes floats and 0 to 255 where it takes whole numbers. size: height and width
    of images where an input leaves them free.
    """
    if subject.model is not None or len(subject.graphs) != 1:
        raise ExportError(
            f"data= by the names of inputs is for a plain Keras model; {subject.name} makes the inputs of "
            "its graphs itself: pass its examples as one array"
        )
    (graph,) = subject.graphs.values()
    names, _ = names_of(graph)
    for name in data:
        if name not in names:
            raise ExportError(f"data: {subject.name} has no input {name!r}; {near(name, names)}")
    if missing := [name for name in names if name not in data]:
        raise ExportError(
            f"data: {', '.join(missing)} of {subject.name} is missing; give every input"
        )
    found, folders = {}, False
    for name, tensor in zip(names, graph.inputs, strict=True):
        value, wanted = data[name], tuple(tensor.shape)
        if isinstance(value, str | PathLike):
            folders |= Path(value).expanduser().is_dir()
            value = _from_path(value, name, tensor, subject, size)
        array = np.asarray(value)
        fits = array.ndim == len(wanted) and all(
            w in (None, g) for w, g in zip(wanted[1:], array.shape[1:], strict=True)
        )
        if not fits or array.dtype.kind not in "fiub":
            raise ExportError(
                f"data: input {name!r} takes numbers of the shape {list(wanted)}; received {array.dtype} "
                f"{list(array.shape)}"
            )
        if not len(array) or not np.isfinite(array).all():
            raise ExportError(f"data: {name!r} is empty, or holds NaN or infinity")
        found[name] = np.asarray(array, tensor.dtype, order="C")
    if len({len(array) for array in found.values()}) > 1:
        sizes = ", ".join(f"{name} {len(array)}" for name, array in found.items())
        cut = f" (of a folder at most the first {MOST_IMAGES} images are read)" if folders else ""
        raise ExportError(
            f"data: every input needs as many rows as the others; received {sizes}{cut}"
        )
    return found


def _from_path(
    path: str | PathLike[str], name: str, tensor: Any, subject: Subject, size: Any
) -> np.ndarray:
    """Return the values at a path for an input; of whole numbers where it takes those."""
    if "int" not in str(tensor.dtype):
        limits = subject.range_of(name) if Path(path).expanduser().is_dir() else (0.0, 1.0)
        return read_values(path, name, tuple(tensor.shape), limits, size)
    limits = subject.ranges.get(name) or (0.0, 255.0)
    values = read_values(path, name, tuple(tensor.shape), limits, size)
    return np.rint(values) if Path(path).expanduser().is_dir() else values
