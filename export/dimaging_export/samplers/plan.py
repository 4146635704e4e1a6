"""The plan of a sampler: what of a causal network is known once an image, once a row, or at every pixel.

    vector, map   does not depend on the image: labels, conditions          before the loops
    row           depends on rows above: vertical stacks, taps above        once a row, all columns at once
    pixel         depends on the own row too                                at every pixel

A pixel convolution is split: its taps in the rows above are computed once a row, as its row term, and those
to the left at every pixel. Whatever else is added to its result and known before the row (bias, position,
vertical stack) joins the row term. A layer with a state becomes several steps (`unfolds`).
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import keras

from dimaging_export.emit.builder import Builder
from dimaging_export.errors import ExportError
from dimaging_export.graph.trace import Call, trace
from dimaging_tf.layers.masked import MaskedConv2D, PositionBias


@dataclass(eq=False)
class Step:
    """A call of the network inside the loops; tensors are known by the `id` of the KerasTensor."""

    layer: Any
    inputs: list[int]
    output: int
    kind: str
    """When it is computed: "row" or "pixel"."""
    channels: int
    """Channels of the output."""
    addends: list[int] = field(default_factory=list)
    """Row tensors that join the row term of a pixel convolution."""
    positions: list[Any] = field(default_factory=list)
    """Layers with a bias per position that join the row term of a pixel convolution."""


class Part(ABC):
    """A piece of a layer that becomes several steps."""

    name: str

    @abstractmethod
    def write(self, b: Builder, names: dict[int, str], row: str = "") -> None:
        """Write its nodes, and put the names of their outputs into `names`.

        row: index of the row, in a step of kind "row".
        """


@dataclass(frozen=True)
class Plan:
    """The calls of the network, sorted by when they are computed, in the order of execution."""

    image: int
    conditions: dict[str, int]
    calls: list[Call]
    """Calls that are computed once an image."""
    steps: list[Step]
    """All other calls."""
    kinds: dict[int, str]
    """Tensor -> "image", "vector", "map", "row" or "pixel"."""
    channels: dict[int, int]
    parameters: int = 0
    above: dict[int, int] = field(default_factory=dict)
    """Row tensor -> the tensor whose previous row it is."""
    before: dict[int, int] = field(default_factory=dict)
    """Pixel tensor -> the tensor whose pixel to the left it is."""

    def tensor(self, kind: str, channels: int) -> int:
        """Add a tensor that the network does not have; its number is below zero, where no id is."""
        number = -len(self.channels) - 1
        self.kinds[number], self.channels[number] = kind, channels
        return number

    @property
    def history(self) -> dict[int, int]:
        """Tensor -> number of its rows above the own one that are read."""
        depth = dict.fromkeys(self.above.values(), 1)
        for step in self.steps:
            if isinstance(step.layer, MaskedConv2D) and step.layer.above:
                source = step.inputs[0]
                depth[source] = max(depth.get(source, 0), step.layer.above)
        return depth

    @property
    def registers(self) -> dict[int, int]:
        """Tensor -> number of its pixels to the left that are read."""
        width = dict.fromkeys(self.before.values(), 1)
        for step in self.steps:
            if step.kind == "pixel" and isinstance(step.layer, MaskedConv2D) and step.layer.left:
                source = step.inputs[0]
                width[source] = max(width.get(source, 0), step.layer.left)
        return width


_UNFOLD: dict[type, Callable[[Plan, Call, int], list[Step]]] = {}


def unfolds(layer: type) -> Callable[[Any], Any]:
    """Register `(plan, call, input) -> steps`, the last of which gives the call's output."""

    def register(unfold: Any) -> Any:
        _UNFOLD[layer] = unfold
        return unfold

    return register


def plan(network: keras.Model) -> Plan:
    """Sort the calls of `network` (image and conditions -> parameters)."""
    names = [tensor.name for tensor in network.inputs]
    walk = trace(network)
    tensors = dict(zip(names, walk.inputs, strict=True))
    image = id(tensors.pop("image"))
    kinds = {image: "image"}
    channels = {image: walk.inputs[names.index("image")].shape[-1]}
    for tensor in tensors.values():
        kinds[id(tensor)] = _once(tensor)
        channels[id(tensor)] = tensor.shape[-1]
    uses = walk.uses()
    calls, steps, alias = [], [], {}
    p = Plan(image, {n: id(t) for n, t in tensors.items()}, calls, steps, kinds, channels)
    for call in walk.calls:
        sources = [x for x in keras.tree.flatten(call.args) if isinstance(x, keras.KerasTensor)]
        inputs = [alias.get(id(x), id(x)) for x in sources]
        output = id(call.output)
        channels[output] = call.output.shape[-1]
        found = {kinds[i] for i in inputs}
        if found <= {"vector", "map"}:
            kinds[output] = _once(call.output)
            calls.append(call)
            continue
        if unfold := _UNFOLD.get(type(call.op)):
            steps += unfold(p, call, *inputs)
            kinds[output] = steps[-1].kind
            continue
        kind = kind_of(call.op, found)
        kinds[output] = kind
        if kind == "pixel" and (host := _host(call.op, sources, inputs, steps, kinds, uses)):
            host.addends += [i for i in inputs if i != host.output]
            host.positions += [call.op] * isinstance(call.op, PositionBias)
            alias[output] = host.output
            continue
        steps.append(Step(call.op, inputs, output, kind, channels[output]))
    (last,) = walk.outputs
    return replace(p, parameters=alias.get(id(last), id(last)))


def _once(tensor: Any) -> str:
    flat = len(tensor.shape) == 2 or tuple(tensor.shape[1:3]) == (1, 1)
    return "vector" if flat else "map"


def kind_of(layer: Any, found: set[str]) -> str:
    """Return when a layer's output is known, "row" or "pixel", from the kinds of its inputs.

    Raises ExportError for a layer that is not causal.
    """
    if isinstance(layer, MaskedConv2D):
        if layer.mask in ("above", "rows"):
            if layer.mask == "rows" and found & {"pixel", "image"}:
                raise ExportError(
                    f"{layer.name}: mask 'rows' on values of the own row is not causal; use mask 'B' there"
                )
            return "row"
        if "image" in found and layer.mask != "A":
            raise ExportError(
                f"{layer.name}: the image enters through mask 'A' or 'above' only; received mask "
                f"{layer.mask!r}"
            )
        return "row" if found <= {"row", "map", "vector"} else "pixel"
    if "image" in found:
        raise ExportError(
            f"{layer.name}: the image enters through mask 'A' or 'above' only; received a "
            f"{type(layer).__name__}, which has none"
        )
    return "pixel" if "pixel" in found else "row"


def _host(
    layer: Any, sources: list[Any], inputs: list[int], steps: list[Step], kinds: dict[int, str],
    uses: Counter[int],
) -> Step | None:  # fmt: skip
    """Return the pixel convolution whose row term can take in this sum, or None."""
    if not isinstance(layer, keras.layers.Add | PositionBias):
        return None
    pixels = [(x, i) for x, i in zip(sources, inputs, strict=True) if kinds[i] == "pixel"]
    if len(pixels) != 1 or uses[id(pixels[0][0])] != 1:
        return None
    step = next((s for s in steps if s.output == pixels[0][1]), None)
    return step if step and isinstance(step.layer, MaskedConv2D) else None
