"""Figures and tables in plain text: aligned columns, a dash for the unknown."""

from collections.abc import Sequence

DASH = "—"
"""What is printed in place of an unknown figure."""


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
