"""The table of rules: each carries boxes through an ONNX operator."""

from collections.abc import Callable

from dimaging_export.certificate.box import Box
from dimaging_export.errors import ExportError
from dimaging_export.gradient.table import Node
from dimaging_export.gradient.tape import Tape

Rule = Callable[[Tape, Node, dict[str, Box]], Box]
"""rule(tape, node, boxes) appends nodes to the tape and returns the box of the node's first output."""
RULES: dict[str, Rule] = {}


def rule(*operators: str) -> Callable[[Rule], Rule]:
    """Enter a function into the table."""

    def enter(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(operators, function))
        return function

    return enter


def find_rule(node: Node) -> Rule:
    """Return the rule of a node's operator; ExportError that names an operator without one."""
    if node.op in RULES:
        return RULES[node.op]
    raise ExportError(
        f"op {node.op!r} (node {node.name!r}) has no interval bounds; known: {', '.join(sorted(RULES))}. "
        "Export without the certificate, or train a network of these: dimaging train interval_training"
    )


def refuse(node: Node, why: str) -> ExportError:
    """Return the error of a rule that does not cover this form of its operator."""
    return ExportError(f"op {node.op!r} (node {node.name!r}) has no interval bounds here: it {why}")
