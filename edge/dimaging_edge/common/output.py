"""What a verb shows: text for people, or JSON for programs; notes and progress beside it, on stderr."""

import json
import sys
from typing import Any

from dimaging_edge.common.files import write_text

level = 0
"""-1 with --quiet: errors and results alone; 1 with --verbose: an error's traceback, too."""


def tell(words: str) -> None:
    """Print a note or a line of progress to stderr, unless --quiet."""
    if level >= 0:
        print(words, file=sys.stderr, flush=True)


def tell_provider(used: str, asked: str | None, threads: int) -> None:
    """Tell which provider runs the graphs, and whether another was asked for (None asks for "cpu")."""
    fallback = "" if used == (asked or "cpu") else " (fallback)"
    tell(f"provider {used}{fallback}, threads {threads}")


def shows_progress() -> bool:
    """Return whether a line may move on stderr: it is a terminal, and not --quiet."""
    return level >= 0 and sys.stderr.isatty()


def show(text: str, value: Any, as_json: str | None) -> None:
    """Print the text; write `value` to the file `as_json` too, or print it in place of the text for "-".

    value: what JSON holds, or JSON text that is ready. ValueError for NaN and infinity.
    """
    if as_json is None:
        print(text)
        return
    ready = value if isinstance(value, str) else json.dumps(value, indent=2, allow_nan=False) + "\n"
    if as_json == "-":
        print(ready, end="")
        return
    print(text)
    write_text(as_json, ready)
    print(f"\nwrote {as_json}")
