"""What a graph is proven on: real inputs, and seeded ones over the whole declared range."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dimaging_export.emit.values import Shape
from dimaging_export.errors import ExportError
from dimaging_export.runner import Arrays
from dimaging_export.uint8 import to_bytes

BATCHES = (1, 3, 8)
STATIC_BATCHES = (1, 3)
"""A file of batch 1 runs three images one by one; more would repeat itself."""

Ranges = Mapping[str, tuple[float, float] | None]


@dataclass(frozen=True)
class Inputs:
    """The inputs of one graph."""

    example: dict[str, tuple[int, ...]]
    """A concrete shape of each, batch 1."""
    ranges: Ranges
    real: Arrays
    """Real values of all of them, or nothing."""
    any_height: frozenset[str]
    """Images whose height is free in the file."""
    batches: tuple[int, ...] = BATCHES

    @property
    def typical(self) -> int | None:
        """How many of the feeds, the first ones, are real; None where none is."""
        return len(self.batches) if self.real else None

    def feeds(self, byte_names: frozenset[str] = frozenset()) -> list[Arrays]:
        """Real inputs, then seeded ones, at every batch; a free height at twice the size too."""
        real = {k: to_bytes(v) if k in byte_names else v for k, v in self.real.items()}
        feeds = [{k: v[:n] for k, v in real.items()} for n in self.batches if real]
        feeds += [self._seeded(n, byte_names) for n in self.batches]
        if self.any_height:
            feeds.append(self._seeded(1, byte_names, tall=True))
        return feeds

    def _seeded(self, batch: int, byte_names: frozenset[str], tall: bool = False) -> Arrays:
        """Uniform over the range, standard normal where there is none."""
        rng = np.random.default_rng([batch, tall])
        feed = {}
        for name, (_, *shape) in self.example.items():
            if tall and name in self.any_height:
                shape[0] *= 2
            full, legal = (batch, *shape), self.ranges.get(name)
            if name in byte_names:
                feed[name] = rng.integers(0, 256, full).astype(np.uint8)
            elif legal is None:
                feed[name] = rng.standard_normal(full).astype(np.float32)
            else:
                feed[name] = rng.uniform(*legal, full).astype(np.float32).clip(*legal)
        return feed


def example_shapes(
    shapes: Sequence[tuple[str, Shape]], real: Arrays, size: tuple[int, int]
) -> dict[str, tuple[int, ...]]:
    """A concrete shape of each input: that of a real one, else with this height and width."""
    found = {}
    for name, shape in shapes:
        if name in real:
            found[name] = (1, *real[name].shape[1:])
            continue
        if len(shape) == 4:
            shape = (1, shape[1] or size[0], shape[2] or size[1], shape[3])
        if None in shape[1:]:
            raise ExportError(
                f"input {name!r} has free dimensions, {list(shape)}, and there is no real input "
                "to take them from; pass data="
            )
        found[name] = (1, *shape[1:])
    return found


def one_by_one(arrays: Arrays, n: int) -> list[Arrays]:
    """The first n images, a dict of batch 1 each."""
    count = min((len(x) for x in arrays.values()), default=0)
    return [{k: v[i : i + 1] for k, v in arrays.items()} for i in range(min(n, count))]
