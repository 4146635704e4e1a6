"""The inputs on which a graph is proven: real ones, and seeded ones over the whole declared range."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from dimaging_export.errors import ExportError
from dimaging_export.graph.trace import Shape
from dimaging_export.precision.image_bytes import Bytes, limits, to_bytes
from dimaging_export.prove.runners import Arrays, Graph

BATCHES = (1, 3, 8)
"""Batches at which a graph is proven."""
STATIC_BATCHES = (1, 3)
"""Batches for a file of batch 1, which runs three images one by one; more would show nothing new."""

CHANGES = ((0, 0), (-1, 3))
"""Changes (a, b) of free sizes: a is added to twice a size, b to the width of an image as it is.

So some sizes are no multiple of 2.
"""

Ranges = Mapping[str, tuple[float, float] | None]


@dataclass(frozen=True)
class Inputs:
    """The inputs of one graph: their shapes, ranges, real values, and the sizes that are free."""

    example: dict[str, tuple[int, ...]]
    """A shape of each at batch 1, every size known."""
    ranges: Ranges
    real: Arrays
    """Real values of all of them, or {}."""
    free: Mapping[str, tuple[int, ...]]
    """Input -> its axes, other than the batch, whose size is free in the file, such as height or time."""
    batches: tuple[int, ...] = BATCHES
    changes: tuple[tuple[int, int], ...] = CHANGES
    types: Mapping[str, str] = field(default_factory=dict)
    """Input -> numpy's name of its type, where that is not float32.

    Whole numbers, such as tokens, lie in their declared range, or else in that of the real values.
    """
    skipped: float | None = None
    """Value of the steps that a Masking layer skips; some seeded series [B, T, C] have such steps."""
    padded: bool = False
    """Whether an Embedding skips token 0; some seeded tokens are 0 then, if the least is 0 or 1."""

    def accepted(self, keras: Graph) -> "Inputs":
        """Return these inputs without the sizes that Keras itself refuses, as a plain U-Net does odd ones."""

        def takes(change: tuple[int, int]) -> bool:
            try:
                keras(self._seeded(1, (), change))
            except Exception:  # its layers and TensorFlow raise unrelated types
                return False
            return True

        return replace(self, changes=tuple(filter(takes, self.changes if self.free else ())))

    @property
    def sizes(self) -> list[tuple[int, ...]]:
        """Sizes in all feeds where they are free: height and width of images, steps of anything else."""
        shapes = [self.example] + [self._shapes(change) for change in self.changes]
        found = [
            tuple(s[name][axis] for axis in ((1, 2) if len(s[name]) == 4 else axes))
            for s in shapes
            for name, axes in self.free.items()
        ]
        return list(dict.fromkeys(found))

    @property
    def typical(self) -> int | None:
        """Number of feeds that are real, the first ones; None where none is."""
        return len(self.batches) if self.real else None

    def feeds(self, byte_names: Bytes = ()) -> list[Arrays]:
        """Return real inputs, then seeded ones, at every batch; then others at the changes of free sizes."""
        real = {
            k: to_bytes(v, limits(byte_names, k)) if k in byte_names else v
            for k, v in self.real.items()
        }
        feeds = [{k: v[:n] for k, v in real.items()} for n in self.batches if real]
        feeds += [self._seeded(n, byte_names) for n in self.batches]
        if self.free:
            feeds += [self._seeded(1, byte_names, change) for change in self.changes]
        return feeds

    def _shapes(self, change: tuple[int, int]) -> dict[str, tuple[int, ...]]:
        shapes = dict(self.example)
        for name, axes in self.free.items():
            shape = list(shapes[name])
            width = len(shape) - 2 if len(shape) > 3 else None
            for axis in axes:
                shape[axis] = (
                    shape[axis] + change[1] if axis == width else 2 * shape[axis] + change[0]
                )
            shapes[name] = tuple(shape)
        return shapes

    def _seeded(
        self, batch: int, byte_names: Bytes, change: tuple[int, int] | None = None
    ) -> Arrays:
        """Draw inputs uniformly over their range, or from a standard normal where there is none."""
        rng = np.random.default_rng([batch, change is not None])
        feed = {}
        shapes = self.example if change is None else self._shapes(change)
        for name, (_, *shape) in shapes.items():
            full, legal = (batch, *shape), self.ranges.get(name)
            kind = np.dtype(self.types.get(name, "float32"))
            if name in byte_names:
                feed[name] = rng.integers(0, 256, full).astype(np.uint8)
            elif kind.kind in "iu":
                feed[name] = self._whole(name, full, rng, kind)
            elif legal is None:
                feed[name] = rng.standard_normal(full).astype(kind)
            else:
                feed[name] = rng.uniform(*legal, full).astype(kind).clip(*legal)
            if self.skipped is not None and len(shape) == 2 and feed[name].dtype.kind == "f":
                _leave_out(feed[name], self.skipped)
        return feed

    def _whole(
        self, name: str, shape: tuple[int, ...], rng: np.random.Generator, kind: np.dtype
    ) -> np.ndarray:
        legal = self.ranges.get(name)
        if legal is None and name in self.real:
            legal = self.real[name].min(), self.real[name].max()
        if legal is None and kind == np.uint8:
            legal = 0, 255
        if legal is None:
            raise ExportError(
                f"input {name!r} holds whole numbers; state their range in `ranges`, or pass real ones: data="
            )
        drawn = rng.integers(int(legal[0]), int(legal[1]) + 1, shape).astype(kind)
        if self.padded and legal[0] <= 1 and len(shape) > 1:  # real texts need not have padding
            _leave_out(drawn, 0)
        return drawn


def _leave_out(steps: np.ndarray, value: float) -> None:
    """Cut every third series of [B, T, ...] short, and take single steps out of every third; in place."""
    half = steps.shape[1] // 2
    steps[0::3, max(half, 1) :] = value
    steps[1::3, :half:2] = value


def example_shapes(
    shapes: Sequence[tuple[str, Shape]], real: Arrays, size: tuple[int, int]
) -> dict[str, tuple[int, ...]]:
    """Return a shape of each input at batch 1: that of a real one, else with this height and width.

    Raises ExportError where a size stays free.
    """
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
                "to take them from; pass data= (dimaging export --data NAME_OR_PATH)"
            )
        found[name] = (1, *shape[1:])
    return found


def one_by_one(arrays: Arrays, n: int) -> list[Arrays]:
    """Return the first n examples, each a dict of batch 1."""
    count = min((len(x) for x in arrays.values()), default=0)
    return [{k: v[i : i + 1] for k, v in arrays.items()} for i in range(min(n, count))]
