"""The sampler of a fully visible belief network: one ONNX file in which every product is computed once.

    state    hidden units before ReLU, and the parameters that pixels above give directly [B, K + O]

Loop over rows      units that know all their pixels give their part of the whole row: one product
  inner "pixels"    Loop over columns: each drawn pixel is added to the inputs of the units `near`
  inner "rows"      the row is drawn again at once until nothing changes (see `loops`)
                    then the row is added to the state: one product

Units are sorted by degree, so those that read pixels of a row and give something to it are a short window
of them: `near`. Each pixel of the row counts as one more unit, which gives its own value: that is not
negative, so ReLU leaves it alone, and direct edges inside the row are edges from hidden units like others.

noise [B, H, W, n], canvas [B, H, W, C], mask [B, H, W, 1] (1: keep canvas), label -> image
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import onnx

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.likelihoods import draw, prepare
from dimaging_export.errors import ExportError
from dimaging_export.samplers.dense_weights import weights_of
from dimaging_export.samplers.file import loop_body, whole_model

INNER = ("pixels", "rows")
"""What the inner loop may go through."""


def fvbn_samplers(network: keras.Model, likelihood: Any) -> dict[str, onnx.ModelProto]:
    """Write the sampler of `dimaging_tf.models.fvbn`'s network with each inner loop: {"pixels", "rows"}."""
    return {inner: fvbn_sampler(network, likelihood, inner) for inner in INNER}


def fvbn_sampler(network: keras.Model, likelihood: Any, inner: str) -> onnx.ModelProto:
    """Write the sampler of `dimaging_tf.models.fvbn`'s network; ExportError for another `inner`."""
    if inner not in INNER:
        raise ExportError(f"inner must be one of {', '.join(INNER)}; received {inner!r}")
    return _Sampler(network, likelihood, inner).model()


class _Sampler:
    def __init__(self, network: keras.Model, likelihood: Any, inner: str):
        shapes = {tensor.name: tuple(tensor.shape) for tensor in network.inputs}
        self.height, self.width, self.channels = shapes.pop("image")[1:]
        self.conditions, self.likelihood, self.inner = shapes, likelihood, inner
        self.row = self.width * self.channels
        self.weights = weights_of(network, self.height, self.width, self.channels)
        self.b = Builder()

    def model(self) -> onnx.ModelProto:
        b, w, size = self.b, self.weights, ("batch", self.height, self.width)
        inputs = {
            "noise": (*size, self.likelihood.noise),
            "canvas": (*size, self.channels),
            "mask": (*size, 1),
            **{name: ("batch", *shape[1:]) for name, shape in self.conditions.items()},
        }
        prepared = prepare(b, self.likelihood, "noise", "canvas", "mask")
        data = b.node("Concat", *(name for name, _ in prepared), axis=3)
        # Whatever the inner loop takes one by one comes first.
        data = b.node(
            "Transpose", data, perm=[1, 2, 0, 3] if self.inner == "pixels" else [1, 0, 2, 3]
        )
        batch = b.node("Shape", "noise", start=0, end=1)
        first = b.constant(w.first[None], "first")
        if w.label is not None:
            state = b.node("Gemm", "label", b.constant(w.label, "told"), first)
        else:
            state = b.node("Expand", first, b.node("Concat", batch, b.constant([1]), axis=0))
        rows = self._rows(state, data, [n for _, n in prepared], batch)
        shape = b.constant([self.height, -1, self.width, self.channels], "shape")
        image = b.node("Transpose", b.node("Reshape", rows, shape), perm=[1, 0, 2, 3])
        outputs = {"image": (*size, self.channels)}
        return whole_model(b, "sampler", inputs, outputs, {"image": image})

    def _rows(self, state: str, data: str, sizes: list[int], batch: str) -> str:
        """Write the outer loop; returns the rows [H, B, W C]."""
        outer, b, w = self.b, self.b.child(), self.weights
        parts = b.constant([w.units, len(w.first) - w.units], "parts")
        r, going, known, last = (b.name(hint) for hint in ("r", "going", "known", "last"))
        if w.direct:
            hidden, said = b.nodes_of("Split", [known, parts], 2, axis=1)
        else:  # nothing that rows add to it
            state, said = outer.nodes_of("Split", [state, parts], 2, axis=1)
            hidden = known
        by_row = b.node("Reshape", said, b.constant([0, self.height, -1], "shape"))
        said = b.node("Gather", by_row, r, axis=1)
        far = b.node("Gather", b.constant(w.far, "far"), r, axis=0)
        said = b.node("Gemm", b.node("Relu", hidden), far, said)
        row = b.node("Gather", b.constant(w.row, "row"), r, axis=0)
        starts, ends = (b.constant(w.start[:, None] + n, "window") for n in (0, w.window))
        cut = [b.node("Gather", x, r, axis=0) for x in (starts, ends)] + [b.constant([1], "axis")]
        inputs, near = b.node("Slice", row, *cut), b.node("Slice", hidden, *cut)
        if w.direct:
            inputs = b.node("Concat", inputs, b.constant(np.eye(self.row), "itself"), axis=1)
            near = b.node("Concat", near, self._zeros(b, batch), axis=1)
        local = _Row(b, r, inputs, near, said, b.node("Gather", data, r, axis=0))
        write = self._pixels if self.inner == "pixels" else self._fixed_point
        drawn = write(local, sizes, last)
        outputs = [going, b.node("Gemm", drawn, row, known), drawn, drawn]
        body = loop_body(b, "row", (r, going), [known, last], outputs)
        feeds = [outer.constant(self.height, "rows"), "", state, self._zeros(outer, batch)]
        return outer.nodes_of("Loop", feeds, 3, body=body)[-1]

    def _pixels(self, row: "_Row", sizes: list[int], last: str) -> str:
        """Write the inner loop over columns; returns the row [B, W C]."""
        b, w, count = row.b.child(), self.weights, self.likelihood.count
        said = row.b.node("Reshape", row.said, row.b.constant([0, self.width, count], "shape"))
        said = row.b.node("Transpose", said, perm=[1, 0, 2])
        context = row.b.node("Concat", row.drawn_by, said, axis=2)
        shape = row.b.constant([self.width, self.channels, -1], "shape")
        inputs = row.b.node("Reshape", row.inputs, shape)
        speech = row.b.constant(w.near.transpose(0, 2, 1, 3), "near")
        speech = row.b.node("Gather", speech, row.index, axis=0)
        c, going, known = (b.name(hint) for hint in ("c", "going", "known"))
        sizes = [*sizes, count]
        column = b.node("Gather", context, c, axis=0)
        *drawn_by, said = b.nodes_of("Split", [column, b.constant(sizes)], len(sizes), axis=1)
        speech, inputs = (b.node("Gather", x, c, axis=0) for x in (speech, inputs))
        now, pixel = known, ""
        for _ in range(self.channels):  # a later pass knows one colour more
            parameters = b.node("Gemm", b.node("Relu", now), speech, said)
            pixel = draw(b, self.likelihood, parameters, drawn_by)
            now = b.node("Gemm", pixel, inputs, known)
        body = loop_body(b, "pixel", (c, going), [known], [going, now, pixel])
        feeds = [row.b.constant(self.width, "columns"), "", row.near]
        pixels = row.b.nodes_of("Loop", feeds, 2, body=body)[-1]
        return self._flat(row.b, row.b.node("Transpose", pixels, perm=[1, 0, 2]))

    def _fixed_point(self, row: "_Row", sizes: list[int], last: str) -> str:
        """Write the inner loop that draws the whole row until it stays; it starts from the row above."""
        b, w = row.b.child(), self.weights
        speech = row.b.constant(w.near.reshape(*w.near.shape[:2], -1), "near")
        speech = row.b.node("Gather", speech, row.index, axis=0)
        split = row.b.constant(sizes)
        drawn_by = row.b.nodes_of("Split", [row.drawn_by, split], len(sizes), axis=2)
        n, going, known = (b.name(hint) for hint in ("n", "going", "known"))
        near = b.node("Relu", b.node("Gemm", known, row.inputs, row.near))
        shape = b.constant([0, self.width, self.likelihood.count], "shape")
        parameters = b.node("Reshape", b.node("Gemm", near, speech, row.said), shape)
        again = self._flat(b, draw(b, self.likelihood, parameters, drawn_by))
        change = b.node("ReduceMax", b.node("Abs", b.node("Sub", again, known)), keepdims=0)
        changed = b.node("Greater", change, b.constant(0.0))
        body = loop_body(b, "again", (n, going), [known], [changed, again])
        feeds = [row.b.constant(self.row + 1, "most"), "", last]
        return row.b.nodes_of("Loop", feeds, 1, body=body)[0]

    def _flat(self, b: Builder, pixels: str) -> str:
        """Write [B, W, C] as [B, W C]."""
        return b.node("Reshape", pixels, b.constant([0, self.row], "shape"))

    def _zeros(self, b: Builder, batch: str) -> str:
        """Write zeros [B, W C]."""
        shape = b.node("Concat", batch, b.constant([self.row]), axis=0)
        return b.node("ConstantOfShape", shape)


@dataclass(frozen=True)
class _Row:
    """The names of a row's tensors in the body of the outer loop."""

    b: Builder
    index: str
    inputs: str  # [W C, near]: what a pixel adds to
    near: str  # [B, near]: these units before the row
    said: str  # [B, W count]: parameters, as far as they are known before the row
    drawn_by: str  # what `draw` reads; "pixels": [W, B, .], "rows": [B, W, .]
