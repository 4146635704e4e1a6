"""The reverse-mode walk: from the gradient of an output to the gradient of the image, in ONNX nodes.

    image ── node ── node ── node ── logits          the graph as it was exported
                                        |
    gradient ── rule ── rule ── rule ── d/d logits   appended, one rule for each node, backwards

The nodes in front stay as they are, so what the file computes is what the deployed file computes.
"""

from collections.abc import Mapping
from functools import reduce
from itertools import zip_longest

import onnx

from dimaging_export.errors import ExportError
from dimaging_export.gradient import arrangement, elementwise, linear, windows  # noqa: F401, they fill the table
from dimaging_export.gradient.table import (
    CONSTANT_IN_IMAGE,
    FIRST_OUTPUT_MOVES,
    Node,
    find_rule,
    refuse,
)
from dimaging_export.gradient.tape import Tape
from dimaging_export.graph.check import nodes_of


def pull_back(tape: Tape, seeds: Mapping[str, str]) -> str:
    """Append the gradient of sum(seed * tensor) over `seeds` by the image; returns its name.

    seeds: tensor of the graph -> name of a tensor of the same shape. Raises ExportError that names an
    operator without a rule, or a graph whose tensors do not follow from the image.
    """
    moving = _moving(tape)
    found: dict[str, list[str]] = {name: [seed] for name, seed in seeds.items()}
    for node in reversed(tape.nodes):
        dys = [_total(tape, found.pop(name, [])) for name in node.outputs if name in moving]
        if not any(dys):
            continue
        if node.op != "Split" and (dys[0] is None or any(dys[1:])):
            raise refuse(
                node, "is read at more than its first output, which only the rule of Split knows"
            )
        gradients = find_rule(node)(tape, node, *(dys if node.op == "Split" else dys[:1]))
        for name, gradient in zip_longest(node.inputs, gradients):
            if gradient is not None and name in moving:
                tape.declare(gradient, name)
                found.setdefault(name, []).append(gradient)
    if (gradient := _total(tape, found.pop(tape.image, []))) is None:
        raise ExportError(
            f"{', '.join(seeds)} does not follow from the input {tape.image!r}: there is no gradient"
        )
    return gradient


def check_rules(tape: Tape, output: str) -> None:
    """Raise ExportError that names an operator between the image and `output` that has no rule."""
    moving, needed = _moving(tape), {output}
    for node in reversed(tape.nodes):
        if not needed.isdisjoint(node.outputs) and not moving.isdisjoint(node.outputs):
            find_rule(node)
            needed |= _reads(node)


def _moving(tape: Tape) -> set[str]:
    """Return the names of all tensors that change with small changes of the image."""
    moving = {tape.image}
    for node in tape.nodes:
        if node.op not in CONSTANT_IN_IMAGE and not moving.isdisjoint(_reads(node)):
            moving.update(node.outputs[:1] if node.op in FIRST_OUTPUT_MOVES else node.outputs)
    return moving


def _reads(node: Node) -> set[str]:
    """Return the inputs of a node, and what the graphs of a loop or branch inside it take from outside."""
    inner = [graph for graph in node.attributes.values() if isinstance(graph, onnx.GraphProto)]
    return set(node.inputs).union(*(n.input for graph in inner for n in nodes_of(graph)))


def _total(tape: Tape, parts: list[str]) -> str | None:
    """Append the sum of the gradients that reached one tensor."""
    if not parts:
        return None
    return reduce(lambda total, part: tape.op("Add", total, part), parts)
