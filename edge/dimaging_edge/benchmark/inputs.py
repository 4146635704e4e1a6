"""The inputs of a timed run: a bundle's example, repeated to a batch and along its free dimensions."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from dimaging_edge.bundle.schema import Graph
from dimaging_edge.common.errors import InputError, near


def tile(
    graph: Graph,
    examples: dict[str, np.ndarray],
    batch: int,
    sizes: Mapping[str, int] | None = None,
) -> dict[str, np.ndarray]:
    """Return the example inputs (batch 1), repeated to `batch` along a free first dimension and to `sizes`.

    sizes: the length of free dimensions by name, as {"height": 512}; one shorter than the example's takes
    its beginning.
    """
    if batch < 1:
        raise InputError(f"batch: expected 1 or more, received {batch}")
    free = {t.name for t in graph.inputs if t.shape and isinstance(t.shape[0], str)}
    if batch > 1 and not free:
        shapes = ", ".join(f"{t.name} {t.shape}" for t in graph.inputs)
        raise InputError(
            f"{graph.name}: batch {batch} was asked for, but its shapes are fixed ({shapes}); "
            "use batch 1, or export with dynamic shapes (--target cpu)"
        )
    wanted: dict[str, int] = dict(sizes or {})
    arrays: dict[str, np.ndarray] = {}
    for tensor in graph.inputs:
        array = examples[tensor.name]
        for axis, (name, here) in enumerate(zip(tensor.shape, array.shape, strict=True)):
            length = (
                batch if axis == 0 and tensor.name in free else wanted.get(str(name), int(here))
            )
            if length != here:
                array = np.take(array, np.arange(length) % here, axis)
        arrays[tensor.name] = np.ascontiguousarray(array)
    return arrays


def check_sizes(graphs: Sequence[Graph], sizes: Mapping[str, int]) -> None:
    """Raise InputError for a name that is no free dimension of these graphs, and for a length below 1."""
    names = {
        name: None for graph in graphs for tensor in graph.inputs for name in tensor.shape[1:]
        if isinstance(name, str)
    }  # fmt: skip
    first = {tensor.shape[0] for graph in graphs for tensor in graph.inputs if tensor.shape}
    for name, length in sizes.items():
        if name in first and name not in names:
            raise InputError(
                f"size: {name!r} is the number of items in one run; give it as batch (--batch N)"
            )
        if name not in names:
            which = ", ".join(graph.name for graph in graphs)
            raise InputError(
                f"{which}: no free dimension {name!r} among the inputs; {near(name, names)}"
            )
        if type(length) is not int or length < 1:
            raise InputError(
                f"size of {name}: expected a whole number of 1 or more, received {length!r}"
            )


def read_sizes(texts: Iterable[str]) -> dict[str, int]:
    """Return {"height": 512} for ["height=512"]; InputError for what is not NAME=N."""
    sizes = {}
    for text in texts:
        name, _, length = text.partition("=")
        if not name or not length.isdecimal():
            raise InputError(f"size: expected NAME=N, such as height=512, received {text!r}")
        sizes[name] = int(length)
    return sizes
