"""The first batch of what a person hands to `fit`: arrays, a tf.data.Dataset, a PyDataset, a generator."""

from collections.abc import Iterator
from types import GeneratorType
from typing import Any

Parts = tuple[Any, Any, Any]
"""(x, y, sample_weight), None for what is not there."""


def first_batch(name: str, data: Any) -> tuple[Parts, Any]:
    """Return the parts of arrays, or of the first batch, and data that still begins with it.

    name: of the model. ValueError where there is no example.
    """
    first = data
    if hasattr(data, "element_spec") and hasattr(data, "take"):  # a tf.data.Dataset
        first = _next(name, iter(data.take(1)))
    elif hasattr(data, "num_batches") and hasattr(data, "__getitem__"):  # a keras PyDataset
        first = data[0]
    elif isinstance(data, GeneratorType):
        first = _next(name, data)
        data = _with_first(first, data)
    x, y, weight = (*first, None, None)[:3] if isinstance(first, tuple) else (first, None, None)
    shape = getattr(x, "shape", None)
    if shape is not None and len(shape) and shape[0] == 0:
        raise _nothing(name)
    return (x, y, weight), data


def _next(name: str, batches: Iterator[Any]) -> Any:
    for batch in batches:
        return batch
    raise _nothing(name)


def _with_first(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def _nothing(name: str) -> ValueError:
    return ValueError(f"{name}: the data holds no example; expected [N, ...] with N of 1 or more")
