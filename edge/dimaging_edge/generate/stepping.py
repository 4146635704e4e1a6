"""Draw pixel after pixel with the graphs `row` and `pixel` of a bundle, where a loop cannot be used.

    row      row [1], above_K_D [W, B, C]...                               -> context, row_K...
    pixel    context [B, S], left_K [B, .]..., noise, canvas, mask         -> image, parameters, own_K...

K names a tensor ("image", or one that only the graphs know): above_K_D lies D rows up, left_K are the
pixels to the left, the oldest first. The host keeps whole rows for the rows below and pixels for those to
the right.
"""

from collections.abc import Callable, Collection, Mapping

import numpy as np

Shapes = Mapping[str, tuple[int, ...]]
"""The shape at batch 1 of each input of a graph, by name."""
Run = Callable[..., Mapping[str, np.ndarray]]
"""A function run(graph, **inputs) that returns the outputs by name, as `Bundle.run`."""


def fit_together(inputs: Mapping[str, Shapes], outputs: Mapping[str, Collection[str]]) -> bool:
    """Return whether graphs `row` and `pixel` with these inputs and outputs can draw in turns."""
    row, pixel = inputs["row"], inputs["pixel"]
    kept = {"image"} | {name[4:] for name in outputs["pixel"] if name.startswith("own_")}
    higher = kept | {name[4:] for name in outputs["row"] if name.startswith("row_")}
    fits = {"context", "noise", "canvas", "mask"} <= set(pixel) and "row" in row
    fits &= "image" in outputs["pixel"] and "context" in outputs["row"]
    fits &= all(len(shape) == 2 for shape in pixel.values())
    for name in pixel:
        if name.startswith("left_"):
            fits &= name[5:] in kept
    for name, shape in row.items():
        if name.startswith("above_"):
            key, _, depth = name[6:].rpartition("_")
            below = f"above_{key}_{int(depth) - 1}" if depth.isdecimal() else ""
            fits &= len(shape) == 3 and (key in higher if depth == "1" else below in row)
    return fits


class Stepper:
    """A batch of images that is drawn pixel by pixel, from the upper left to the lower right.

    Call `row(r)` at the start of a row, then `pixel(c, ...)` and `put(value)` for each column.
    """

    def __init__(
        self, inputs: Mapping[str, Shapes], run: Run, batch: int,
        condition: Mapping[str, np.ndarray] | None = None,
    ):  # fmt: skip
        """Begin: `inputs` are those of the graphs "row" and "pixel", `condition` the model's, by name."""
        self._run, self._condition = run, dict(condition or {})
        self._starts = {
            name: np.zeros((batch, *shape[1:]), np.float32)
            for name, shape in inputs["pixel"].items()
            if name.startswith("left_")
        }
        self._above = {
            name: np.zeros((shape[0], batch, shape[2]), np.float32)
            for name, shape in inputs["row"].items()
            if name.startswith("above_")
        }
        self._given: Mapping[str, np.ndarray] = {}
        self._own: dict[str, list[np.ndarray]] = {}
        self._left: dict[str, np.ndarray] = {}

    def row(self, index: int) -> None:
        """Start a row: compute what the rows above contribute to all of its columns."""
        if index:
            self._shift()
        row = np.array([index], np.int64)
        self._given = self._run("row", row=row, **self._above, **self._condition)
        self._left, self._own = dict(self._starts), {}

    def pixel(
        self, column: int, noise: np.ndarray, canvas: np.ndarray, mask: np.ndarray
    ) -> Mapping[str, np.ndarray]:
        """Return the pixel of a column: "image" [B, C] drawn with `noise`, and its distribution."""
        context = self._given["context"][column]
        given = {"noise": noise, "canvas": canvas, "mask": mask, **self._left}
        found = self._run("pixel", context=context, **given)
        for name, value in found.items():
            if name.startswith("own_"):
                self._keep(name[4:], value)
        return found

    def put(self, value: np.ndarray) -> None:
        """Settle the pixel as float32 [B, C] in [0, 1]: what was drawn, or what is known to be there."""
        self._keep("image", value)

    def image_row(self) -> np.ndarray:
        """Return the row once it is complete, [B, W, C]."""
        return np.stack(self._own["image"], 1)

    def _keep(self, key: str, value: np.ndarray) -> None:
        self._own.setdefault(key, []).append(value)
        name = f"left_{key}"
        if (left := self._left.get(name)) is None:
            return
        if left.shape == value.shape:  # one pixel to the left, and this is it
            self._left[name] = value
            return
        longer = np.empty_like(left)
        longer[:, : -value.shape[1]] = left[:, value.shape[1] :]
        longer[:, -value.shape[1] :] = value
        self._left[name] = longer

    def _shift(self) -> None:
        """Let the row that is complete become the one above."""
        rows = {key: np.stack(values) for key, values in self._own.items()}
        rows |= {k[4:]: v for k, v in self._given.items() if k.startswith("row_")}
        shifted = {}
        for name in self._above:
            key, depth = name.removeprefix("above_").rsplit("_", 1)
            higher = f"above_{key}_{int(depth) - 1}"
            shifted[name] = rows[key] if depth == "1" else self._above[higher]
        self._above = shifted


def draw_by_steps(
    inputs: Mapping[str, Shapes], run: Run, feed: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Draw images [B, H, W, C] from noise, canvas, mask [B, H, W, .] and conditions [B, ...]."""
    images = ("noise", "canvas", "mask")
    condition = {name: x for name, x in feed.items() if name not in images}
    batch, height, width = feed["noise"].shape[:3]
    stepper = Stepper(inputs, run, batch, condition)
    rows = []
    for r in range(height):
        stepper.row(r)
        for c in range(width):
            given = [np.ascontiguousarray(feed[name][:, r, c]) for name in images]
            stepper.put(stepper.pixel(c, *given)["image"])
        rows.append(stepper.image_row())
    return np.stack(rows, 1)
