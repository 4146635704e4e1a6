"""The table of rules: each carries a gradient from the output of an ONNX operator to its inputs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import helper

from dimaging_export.errors import ExportError

Gradients = Sequence[str | None]
"""Names of the gradients of a node's inputs, in their order; None: nothing flows there. It may be shorter."""


@dataclass(frozen=True)
class Node:
    """A node of the graph that is differentiated, its attributes as Python values."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    domain: str = ""
    """"" is the ONNX standard."""

    @classmethod
    def of(cls, proto: onnx.NodeProto) -> "Node":
        """Read a node of the protobuf."""
        attributes = {a.name: helper.get_attribute_value(a) for a in proto.attribute}
        domain = "" if proto.domain == "ai.onnx" else proto.domain
        names = tuple(proto.input), tuple(proto.output)
        return cls(proto.op_type, proto.name, *names, attributes, domain)

    def attribute(self, name: str, default: Any = None) -> Any:
        """Return an attribute, text as str; `default` where it is not given."""
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value

    def input(self, index: int) -> str:
        """Return the name of an input; "" where it is not given."""
        return self.inputs[index] if index < len(self.inputs) else ""


Rule = Callable[..., Gradients]
"""rule(tape, node, dy) appends nodes to the tape; dy names the gradient of the node's first output.

That of Split takes the gradient of each output, None where there is none.
"""

RULES: dict[str, Rule] = {}


def rule(*operators: str) -> Callable[[Rule], Rule]:
    """Enter a function into the table."""

    def enter(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(operators, function))
        return function

    return enter


_FLAT = frozenset({"Ceil", "Floor", "Round", "Sign", "Mod", "BitShift"})
"""Operators whose derivative is 0 wherever it exists."""
_BOOLEAN = frozenset(
    "And Equal Greater GreaterOrEqual IsInf IsNaN Less LessOrEqual Not Or Xor".split()
)
"""Operators that give truth values."""
CONSTANT_IN_IMAGE = frozenset({"Shape", "Size", "ConstantOfShape", "Range"}) | _BOOLEAN
"""Operators whose outputs do not move with small changes of their inputs, so nothing flows back."""

FIRST_OUTPUT_MOVES = frozenset({"DynamicQuantizeLinear", "MaxPool"})
"""Operators whose other outputs, a scale and a zero point or indices, do not move, so nothing flows back."""


def find_rule(node: Node) -> Rule:
    """Return the rule of a node's operator; raises ExportError that names an operator without one."""
    if node.op in RULES and not node.domain:
        return RULES[node.op]
    at = f"op {node.op!r} (node {node.name!r})"
    if node.domain:
        at += f" of the domain {node.domain!r}"
    elif node.op in _FLAT:
        raise ExportError(
            f"{at} has the derivative 0 everywhere, so this graph has no gradient to attack with. Put "
            "something smooth in its place for the attack (dimaging_edge.attacks.Bpda), or attack by "
            "scores alone (square)"
        )
    raise ExportError(
        f"{at} has no rule for its gradient; known: {', '.join(sorted(RULES))}. Write one in "
        "dimaging_export/gradient, or attack by scores alone (square), which needs no gradient"
    )


def refuse(node: Node, why: str) -> ExportError:
    """Return the error of a rule that does not cover this form of its operator."""
    return ExportError(f"op {node.op!r} (node {node.name!r}) has no gradient here: it {why}")
