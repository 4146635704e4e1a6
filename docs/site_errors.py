"""The sentences of every error, read from the source, for a page of the site."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOTS = {
    "dimaging_tf": "Training",
    "export/dimaging_export": "Export",
    "edge/dimaging_edge": "The edge",
}
"""Folder of a package -> what its errors are about."""
LEAST = 50
"""Characters of a sentence; what is shorter only hands on what another one says."""


def sentences(package: Path) -> Iterator[tuple[str, str]]:
    """Yield (folder, sentence) of each error that is raised with words; "…" stands for what is filled in."""
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
                text = " ".join(_text(node.exc.args[0]).split())
                if len(text) >= LEAST:
                    yield path.parent.name, text


def _text(node: ast.expr) -> str:
    """Return the text of a string or an f-string, "" of anything else."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or "…" for part in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else ""


def markdown() -> str:
    """Return the list of all errors, a heading for each package and folder."""
    parts = []
    for root, title in ROOTS.items():
        parts.append(f"## {title}\n")
        found: dict[str, list[str]] = {}
        for folder, text in sentences(ROOT / root):
            found.setdefault(folder, []).append(text)
        for folder, texts in sorted(found.items()):
            lines = (f"- {text}" for text in dict.fromkeys(map(_escaped, texts)))
            parts.append("\n".join([f"### {title}: {folder}\n", *lines]) + "\n")
    return "\n".join(parts)


def _escaped(text: str) -> str:
    """Return the text with what Markdown would take for markup made plain."""
    for sign in "\\`*_[]<>|":
        text = text.replace(
            sign, f"\\{sign}" if sign not in "<>" else {"<": "&lt;", ">": "&gt;"}[sign]
        )
    return text
