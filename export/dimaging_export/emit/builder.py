"""The builder of an ONNX graph: it collects nodes and constants, and changes layouts where one is needed."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from dimaging_export.emit.values import FIRST, LAST, TIME, Value, axes, axis_of, permuted
from dimaging_export.graph.weights import to_tensor

ONNX_TYPES = {
    name: getattr(TensorProto, name.upper())
    for name in "int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool float16 double".split()
} | {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}
"""Type of a Keras tensor -> that of ONNX."""


class Builder:
    """A builder collects nodes in the order of execution.

    Names read `<layer>/<op>`; equal constants are one, so shared layers share their weights.
    """

    def __init__(self):
        self.nodes: list[onnx.NodeProto] = []
        self.scope: list[str] = []
        self.other_road: Callable[..., list[Value]] | None = None
        """Writes a call that has no emitter: (builder, call, value of a tensor, why) -> its outputs."""
        self.converted: list[str] = []
        """The layers that took the other road, such as "block/odd (Mystery)"."""
        self._constants: dict[tuple, onnx.TensorProto] = {}
        self._taken: dict[str, int] = {}

    def child(self) -> "Builder":
        """Return a builder for a loop's body: it has its own nodes, and the file's names and constants."""
        body = Builder()
        body._constants, body._taken, body.scope = self._constants, self._taken, list(self.scope)
        return body

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Append a node of one output; returns the name of that output."""
        return self.nodes_of(op, inputs, 1, **attributes)[0]

    def nodes_of(
        self, op: str, inputs: Sequence[str], outputs: int, **attributes: Any
    ) -> list[str]:
        """Append a node of several outputs; returns their names."""
        names = [self._unique(op) for _ in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, name=names[0], **attributes))
        return names

    def name(self, hint: str) -> str:
        """Return a name that nothing else has, for the input of a loop's body."""
        return self._unique(hint)

    @contextmanager
    def named(self, layer: str) -> Iterator[None]:
        """Name whatever is written inside after this layer."""
        self.scope.append(layer)
        try:
            yield
        finally:
            self.scope.pop()

    def constant(self, array: Any, hint: str = "constant") -> str:
        """Return the name of an initializer with this array.

        Floats become float32, whole numbers int64, but bytes stay bytes.
        """
        array = np.asarray(array)
        kinds = {"f": np.float32, "u": np.uint8 if array.dtype == np.uint8 else np.int64}
        array = np.asarray(array, kinds.get(array.dtype.kind, np.int64), order="C")
        return self.exact_constant(array, hint)

    def exact_constant(self, array: np.ndarray, hint: str = "constant") -> str:
        """Return the name of an initializer with this array, in the array's own type."""
        key = (
            array.shape,
            array.dtype.str,
            hashlib.sha256(array.reshape(-1).view(np.uint8).data).digest(),
        )
        if key not in self._constants:
            self._constants[key] = to_tensor(array, self._unique(hint))
        return self._constants[key].name

    @property
    def initializers(self) -> list[onnx.TensorProto]:
        """The constants so far."""
        return list(self._constants.values())

    def form(self, value: Value, layout: str) -> str:
        """Return the name of the tensor that holds `value` in this layout; it is written on first demand."""
        if layout not in value.forms:
            maker = value.makers.get(layout)
            value.forms[layout] = maker() if maker else self._relayout(value, layout)
        return value.forms[layout]

    def last(self, value: Value) -> str:
        """Return the name of `value` as Keras sees it, channels last."""
        return self.form(value, LAST)

    def first(self, value: Value) -> str:
        """Return the name of `value` with the channels first, as the convolutions want it."""
        return self.form(value, FIRST)

    def map(self, value: Value, emit: Callable[[str], str]) -> Value:
        """Apply an elementwise function to the form that is there for free; the layout stays.

        A vector that can still change its order keeps that freedom: order first, then the function.
        """
        if value.forms:
            layout = value.working
            result = Value(value.shape, {layout: emit(self.form(value, layout))})
        else:  # nobody has chosen a layout yet: leave that to the reader
            result = Value(value.shape, order=value.order)
            for layout in value.makers:
                result.makers[layout] = self.later(lambda form=layout: emit(self.form(value, form)))
        if reordered := value.reordered:
            result.reordered = lambda order: self.map(reordered(order), emit)
        return result

    def later(self, emit: Callable[[], str]) -> Callable[[], str]:
        """Return `emit` for a call while another layer is written; its nodes keep the name of this one."""
        scope = list(self.scope)

        def in_scope() -> str:
            current, self.scope = self.scope, scope
            try:
                return emit()
            finally:
                self.scope = current

        return in_scope

    def _relayout(self, value: Value, layout: str) -> str:
        known = [x for x in (FIRST, LAST, TIME) if x in value.forms]
        source = known[0] if known else value.layout
        name = self.form(value, source)
        if value.shape[-1] != 1 or TIME in (source, layout):
            order = axes(value.rank, source)
            perm = [order.index(axis) for axis in axes(value.rank, layout)]
            return self.node("Transpose", name, perm=perm)
        # One channel: the bytes lie the same way already, only the shape is written anew.
        if None not in value.shape[1:]:
            shape = permuted(value.shape, layout)
            return self.node("Reshape", name, self.constant([0, *shape[1:]], "shape"))
        old, new = (axis_of(-1, value.rank, x) for x in (source, layout))
        flat = self.node("Squeeze", name, self.constant([old], "axes"))
        return self.node("Unsqueeze", flat, self.constant([new], "axes"))

    def _unique(self, hint: str) -> str:
        name = "/".join([*self.scope, hint])
        count = self._taken[name] = self._taken.get(name, 0) + 1
        return name if count == 1 else f"{name}_{count}"
