"""Make docs/figures.md from the JSON files in benchmarks/results.

python benchmarks/table.py
"""

import json
import shlex
from pathlib import Path
from typing import Any

from parts.figures import RESULTS

PAGE = Path(__file__).parents[1] / "docs" / "figures.md"
HEAD = """# Figures

Made by `python benchmarks/table.py` from the JSON files that the commands below wrote; nothing here is typed by hand.
A dash: no goal was set. Speeds are ratios within one run, because milliseconds of a shared machine say little.
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(
        section(json.loads(path.read_text())) for path in sorted(RESULTS.glob("*.json"))
    )


def section(record: dict[str, Any]) -> str:
    """One topic."""
    env = record["environment"]
    versions = ", ".join(f"{name} {number}" for name, number in env["versions"].items() if number)
    words = shlex.join([f"benchmarks/{record['topic']}.py", *record.get("arguments", [])])
    lines = [
        f"\n## {record['topic']}\n",
        f"`python {words}`, {env['date']}, {env['cpu']}, {env['cores']} cores; {versions}\n",
        "| figure | value | goal | |",
        "|---|--:|---|---|",
    ]
    for row in record["rows"]:
        goal = f"{row['goal']} {row['unit']}".strip() if row["goal"] else "—"
        lines.append(
            f"| {row['figure']} | {row['value']:.4g} {row['unit']} | {goal} | {row['verdict']} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE.relative_to(PAGE.parents[1]))
