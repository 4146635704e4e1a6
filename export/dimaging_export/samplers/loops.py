"""A sampler with loops: one ONNX file that draws whole images and computes every activation once.

Loop over rows      what the rows above contribute to each layer: one product a layer for all columns
  inner "pixels"    Loop over columns: taps to the left are small products, then the pixel is drawn
  inner "rows"      the row is drawn at once, again and again until nothing changes: `fixed_point`

noise [B, H, W, n], canvas [B, H, W, C], mask [B, H, W, 1] (1: keep canvas), conditions -> image
"""

from typing import Any

import keras
import onnx

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.likelihoods import decode, draw, prepare
from dimaging_export.emit.table import emit_layer
from dimaging_export.emit.values import last_value
from dimaging_export.errors import ExportError
from dimaging_export.graph.trace import Call
from dimaging_export.samplers import recurrent, steps, taps
from dimaging_export.samplers.file import loop_body, whole_model
from dimaging_export.samplers.fixed_point import fixed_point
from dimaging_export.samplers.layouts import Columns, Flat
from dimaging_export.samplers.plan import Plan, Step, plan
from dimaging_tf.layers.masked import MaskedConv2D

INNER = ("pixels", "rows")
"""What the inner loop may go through."""


def samplers(network: keras.Model, likelihood: Any) -> dict[str, onnx.ModelProto]:
    """Write a causal network's sampler with each inner loop that it can have: {"pixels", "rows"}.

    A state that runs along the row cannot be drawn for all columns at once. Raises ExportError for a layer
    that is not causal or not known here.
    """
    p = plan(network)
    inner = ("pixels",) if p.before else INNER
    return {name: Sampler(network, likelihood, p).model(name) for name in inner}


def sampler(network: keras.Model, likelihood: Any, inner: str) -> onnx.ModelProto:
    """Write the sampler of a causal network (image and conditions -> parameters).

    Raises ExportError for a layer that is not causal or not known here.
    """
    if inner not in INNER:
        raise ExportError(f"inner must be one of {', '.join(INNER)}; received {inner!r}")
    p = plan(network)
    if inner == "rows":
        recurrent.check_rows(p)
    return Sampler(network, likelihood, p).model(inner)


class Sampler:
    """A sampler under construction: the network's plan, its sizes and the builder of the file."""

    def __init__(self, network: keras.Model, likelihood: Any, p: Plan):
        self.plan, self.likelihood = p, likelihood
        shapes = {tensor.name: tuple(tensor.shape) for tensor in network.inputs}
        self.height, self.width, self.channels = shapes.pop("image")[1:]
        self.conditions = shapes
        self.passes = self.channels if likelihood.noise == self.channels else 1
        """Number of times that a pixel is evaluated: once a colour, where colours are drawn one by one."""
        self.b = Builder()

    def model(self, inner: str) -> onnx.ModelProto:
        """Write the whole file with this inner loop."""
        b, p = self.b, self.plan
        size = ("batch", self.height, self.width)
        inputs = {
            "noise": (*size, self.likelihood.noise),
            "canvas": (*size, self.channels),
            "mask": (*size, 1),
            **{name: ("batch", *shape[1:]) for name, shape in self.conditions.items()},
        }
        names = self.once()
        with b.named("prepare"):
            prepared = prepare(b, self.likelihood, "noise", "canvas", "mask")
            read = {t for step in p.steps for t in (*step.inputs, *step.addends)}
            maps = [t for t, kind in p.kinds.items() if kind == "map" and t in read]
            pieces = [*prepared, *((names[t], p.channels[t]) for t in maps)]
            data = b.node("Concat", *(name for name, _ in pieces), axis=3)
            data = b.node("Transpose", data, perm=[1, 2, 0, 3])
            batch = b.node("Shape", "noise", start=0, end=1)
            flat = Flat(self.width, b, batch) if inner == "rows" else None
            if flat:
                vectors = [t for t, kind in p.kinds.items() if kind == "vector" and t in read]
                names |= {t: flat.from_vector(names[t], p.channels[t]) for t in vectors}
            layout, sizes = flat or Columns(self.width), [n for _, n in pieces]
            shape = b.constant([self.height, *layout.lead, sum(sizes)], "shape")
            data = b.node("Reshape", data, shape)
        rows = self._rows(layout, names, maps, data, sizes, batch)
        shape = b.constant([self.height, self.width, -1, self.channels], "shape")
        rows = b.node("Reshape", rows, shape)
        image = b.node("Transpose", decode(b, self.likelihood, rows), perm=[2, 0, 1, 3])
        outputs = {"image": (*size, self.channels)}
        return whole_model(b, "sampler", inputs, outputs, {"image": image})

    def once(self) -> steps.Names:
        """Write what does not depend on the image: vectors [B, C] and maps [B, H, W, C], by tensor."""
        b, p = self.b, self.plan
        values = {
            tensor: last_value(name, self.conditions[name]) for name, tensor in p.conditions.items()
        }
        for call in p.calls:
            with b.named(call.op.name):
                values[id(call.output)] = emit_layer(b, call.op, *_arguments(call, values))
        names = {}
        for tensor, value in values.items():
            names[tensor] = b.last(value)
            if p.kinds[tensor] == "vector" and value.rank == 4:
                flat = b.constant([0, p.channels[tensor]], "shape")
                names[tensor] = b.node("Reshape", names[tensor], flat)
        return names

    def _rows(
        self, layout: Columns, names: steps.Names, maps: list[int], data: str, sizes: list[int],
        batch: str,
    ) -> str:  # fmt: skip
        """Write the outer loop; returns all rows."""
        p, body = self.plan, self.b.child()
        carried = [(t, d) for t, depth in p.history.items() for d in range(depth)]
        starts = {t: self._zeros(batch, p.channels[t], layout) for t in {p.image: 0, **p.history}}
        r, going = body.name("r"), body.name("going")
        history = {t: [body.name("above") for _ in range(n)] for t, n in p.history.items()}

        row = body.node("Gather", data, r, axis=0)
        split = [row, body.constant(sizes)]
        pieces = body.nodes_of("Split", split, len(sizes), axis=-1) if sizes[1:] else [row]
        drawn_by, known = pieces[: len(sizes) - len(maps)], pieces[len(sizes) - len(maps) :]
        local = names | dict(zip(maps, known, strict=True))
        terms = steps.row_steps(body, p, local, history, r, self.width, layout)
        if isinstance(layout, Flat):
            start = starts | {t: rows[0] for t, rows in history.items()}  # the row above
            image = fixed_point(body, p, self.likelihood, layout, local, terms, drawn_by, start)
        else:
            image = self._pixels(body, local, terms, drawn_by, sizes, batch)

        nexts = {t: [local[t], *rest[:-1]] for t, rest in history.items()}
        outputs = [going, *(nexts[t][d] for t, d in carried), image]
        graph = loop_body(body, "row", (r, going), [history[t][d] for t, d in carried], outputs)
        feeds = [self.b.constant(self.height, "rows"), "", *(starts[t] for t, _ in carried)]
        return self.b.nodes_of("Loop", feeds, len(carried) + 1, body=graph)[-1]

    def _pixels(
        self, outer: Builder, local: steps.Names, terms: dict[Step, str], drawn_by: list[str],
        sizes: list[int], batch: str,
    ) -> str:  # fmt: skip
        """Write the inner loop over columns; returns the row, and puts what next rows read into `local`."""
        p, body = self.plan, outer.child()
        extra = [t for t in read_by_pixels(p) if p.kinds[t] in ("row", "map")]
        known = [*drawn_by, *terms.values(), *(local[t] for t in extra)]
        widths = [
            *sizes[: len(drawn_by)],
            *(s.channels for s in terms),
            *(p.channels[t] for t in extra),
        ]
        context = outer.node("Concat", *known, axis=2) if len(known) > 1 else known[0]

        c, going = body.name("c"), body.name("going")
        left = {t: body.name("left") for t in p.registers}
        column = body.node("Gather", context, c, axis=0)
        pieces = body.nodes_of("Split", [column, body.constant(widths)], len(widths), axis=1)
        own_terms = dict(zip(terms, pieces[len(drawn_by) :], strict=False))
        inside = dict(local) | dict(zip(extra, pieces[len(drawn_by) + len(terms) :], strict=True))
        inside |= {name: left[t] for name, t in p.before.items()}
        pixel = None
        for _ in range(self.passes):  # a later pass knows one colour more
            inside[p.image] = pixel or ""

            def own(step: Step) -> str | None:
                return self.own_pixel(body, step, inside, left, own_terms)

            parameters = steps.pixel_steps(body, p, inside, own_terms, own)
            pixel = draw(body, self.likelihood, parameters, pieces[: len(drawn_by)])
        inside[p.image] = pixel or ""

        registers = [self._push(body, t, left[t], inside[t]) for t in left]
        kept = [p.image, *(t for t in p.history if p.kinds[t] == "pixel" and t != p.image)]
        out = (
            body.node("Concat", *(inside[t] for t in kept), axis=1) if kept[1:] else inside[p.image]
        )
        outputs = [going, *registers, out]
        graph = loop_body(body, "pixel", (c, going), list(left.values()), outputs)
        zeros = [self._zeros(batch, w * p.channels[t]) for t, w in p.registers.items()]
        feeds = [outer.constant(self.width, "columns"), "", *zeros]
        row = outer.nodes_of("Loop", feeds, len(left) + 1, body=graph)[-1]
        if not kept[1:]:
            local[p.image] = row
            return row
        split = outer.constant([p.channels[t] for t in kept])
        local.update(
            zip(kept, outer.nodes_of("Split", [row, split], len(kept), axis=2), strict=True)
        )
        return local[p.image]

    def own_pixel(
        self,
        b: Builder,
        step: Step,
        names: steps.Names,
        left: dict[int, str],
        terms: dict[Step, str],
    ) -> str | None:
        """Write a Gemm of the pixels to the left and the own one, plus the row term; None without taps."""
        layer, source = step.layer, step.inputs[0]
        kernel = taps.own_kernel(layer)
        if kernel is None or (not layer.left and not names[source]):
            return None
        pieces = []
        if layer.left:
            register, wide = left[source], self.plan.registers[source] - layer.left
            if wide:
                cut = b.constant([wide * self.plan.channels[source]])
                ends = (b.constant([2**31]), b.constant([1]))
                register = b.node("Slice", register, cut, *ends)
            pieces.append(register)
        if len(kernel) > layer.left and names[source]:
            pieces.append(names[source])
        else:  # the own pixel is not drawn yet
            kernel = kernel[: layer.left]
        weights = b.constant(kernel.reshape(-1, layer.filters), "kernel")
        joined = b.node("Concat", *pieces, axis=1) if len(pieces) > 1 else pieces[0]
        term = terms.get(step) or b.constant(taps.bias(layer), "bias")
        return b.node("Gemm", joined, weights, term)

    def _push(self, b: Builder, tensor: int, register: str, pixel: str) -> str:
        """Write the register of pixels to the left as the next column has it."""
        channels = self.plan.channels[tensor]
        if self.plan.registers[tensor] == 1:
            return pixel
        longer = b.node("Concat", register, pixel, axis=1)
        ends = (b.constant([2**31]), b.constant([1]))
        return b.node("Slice", longer, b.constant([channels]), *ends)

    def _zeros(self, batch: str, channels: int, layout: Columns | None = None) -> str:
        """Write zeros [B, channels], or with a layout a row of them."""
        b = self.b
        columns = [b.constant([self.width])] if layout else []
        shape = b.node("Concat", *columns, batch, b.constant([channels]), axis=0)
        zeros = b.node("ConstantOfShape", shape)
        return layout.from_columns(b, zeros, channels) if layout else zeros


def _arguments(call: Call, values: dict[int, Any]) -> Any:
    return keras.tree.map_structure(
        lambda x: values[id(x)] if isinstance(x, keras.KerasTensor) else x, call.args
    )


def read_by_pixels(p: Plan) -> list[int]:
    """Return the tensors known before the pixel that calls at the pixel read as they are."""
    found = []
    for step in p.steps:
        if step.kind == "pixel" and not isinstance(step.layer, MaskedConv2D):
            found += [t for t in step.inputs if p.kinds[t] in ("row", "map", "vector")]
    return list(dict.fromkeys(found))
