"""Parameters of a docstring, which are written in two columns, as a list on the site."""

import re
from typing import Any

from griffe import Extension

_ROW = re.compile(r"(\*{0,2}\w[\w*, ./]*?) {2,}(\S.*)")
"""A name, two spaces or more, and what it is; the lines below it that are indented go on with it."""


class Lists(Extension):
    """A list for every two columns that begin at the margin."""

    def on_instance(self, *, obj: Any, **kwargs: Any) -> None:
        """Rewrite the docstring of an object that was read."""
        if obj.docstring:
            obj.docstring.value = listed(obj.docstring.value)


def listed(text: str) -> str:
    """Return a docstring with its two columns as list items."""
    found: list[str] = []
    inside = False
    for line in text.splitlines():
        row = _ROW.fullmatch(line)
        if row:
            found += [*([] if inside else [""]), f"- `{row[1]}` {row[2]}"]
        elif inside and line.startswith("  "):
            found.append(f"  {line.strip()}")
            continue
        else:
            found.append(line)
        inside = bool(row)
    return "\n".join(found)
