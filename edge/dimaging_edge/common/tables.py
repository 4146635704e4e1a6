"""Plain text and whole files: aligned tables, a dash for the unknown, atomic writes."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from dimaging_edge.common.errors import DimagingError

DASH = "—"


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with `digits` significant digits and no exponent; a dash for None."""
    if value is None:
        return DASH
    if value == 0 or abs(value) >= 10 ** (digits - 1):
        return f"{value:.0f}"
    decimals = digits
    while decimals > 0 and abs(value) >= 10 ** (digits - decimals):
        decimals -= 1
    return f"{value:.{decimals}f}" if abs(value) >= 10**-digits else f"{value:.1e}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as aligned columns, the first row being the head; numbers go to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    numeric = [
        all(row[i] == DASH or row[i][:1].isdigit() or row[i][:1] == "-" for row in rows[1:])
        for i in range(len(widths))
    ]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def write_atomically(path: str | Path, write: Callable[[Path], object]) -> None:
    """Let `write(temporary)` make a file, then rename it to `path`.

    Whatever stops it (an error, a full disk, Ctrl-C), `path` is either the old file or the whole
    new one, and nothing else is left behind. The temporary name keeps the suffix of `path`.
    """
    path = Path(path)
    temporary = path.parent / f".{path.stem}-{os.getpid()}{path.suffix}"
    try:
        write(temporary)
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):  # of a folder that is none
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            raise DimagingError(
                f"cannot write {path}: {reason}; is the folder there, and writable?"
            ) from None
        raise


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
