"""Make docs/figures.md, its one-page docs/summary.md, and docs/first_hour.md from benchmarks/results.

python benchmarks/table.py             writes the pages
python benchmarks/table.py --quick     writes nothing; exit code 1 if a page is not what it would write
"""

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import Any

from parts.figures import RESULTS
from parts.published import published
from parts.readers import page as first_hour_page
from parts.summary import page as summary_page

PAGE = Path(__file__).parents[1] / "docs" / "figures.md"
SUMMARY = PAGE.with_name("summary.md")
FIRST_HOUR = PAGE.with_name("first_hour.md")
HEAD = """# Figures

Made by `python benchmarks/table.py` from the JSON files that the commands below wrote; nothing here is typed by hand.
A dash: no goal was set. "held" says that our own goal was reached, which is not the best that is known: what others published stands
beside it where there is something to compare. Speeds are ratios within one run, because milliseconds of a shared machine say little.
"""
SETS = ("chosen by", "judged by")
"""Facts that the page says in words: which pictures chose, which judged."""

VERDICTS = {"ok": "held", "short": "short", "": ""}
"""Verdict in a JSON file -> word on the page."""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(
        section(json.loads(path.read_text())) for path in sorted(RESULTS.glob("*.json"))
    )


def records() -> dict[str, dict[str, Any]]:
    """The record of each topic; of several files of one topic that which is named like it."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}
    return {name: record for name, record in found.items() if record["topic"] == name}


def section(record: dict[str, Any]) -> str:
    """One topic."""
    env = record["environment"]
    resolved = record.get("facts", {}).get(
        "resolved", env["versions"]
    )  # of an environment of its own
    versions = ", ".join(f"{name} {number}" for name, number in resolved.items() if number)
    words = shlex.join([f"benchmarks/{record['topic']}.py", *record.get("arguments", [])])
    others = [published(record["topic"], row["figure"]) for row in record["rows"]]
    others = others if any(others) else []
    lines = [
        f"\n## {record['topic']}\n",
        f"`python {words}`, {env['date']}, {env['cpu']}, {env['cores']} cores; {versions}\n",
        *(
            f"{key.capitalize()}: {record['facts'][key]}.\n"
            for key in SETS
            if key in record.get("facts", {})
        ),
        f"| figure | value | goal | |{' published |' if others else ''}",
        f"|---|--:|---|---|{'---|' if others else ''}",
    ]
    for number, row in enumerate(record["rows"]):
        goal = f"{row['goal']} {row['unit']}".strip() if row["goal"] else "—"
        lines.append(
            f"| {row['figure']} | {row['value']:.4g} {row['unit']} | {goal} | {VERDICTS[row['verdict']]} |"
            + (f" {others[number]} |" if others else "")
        )
    return "\n".join(lines) + "\n"


def pages() -> dict[Path, str]:
    """Every page: path -> text."""
    found = records()
    return {
        PAGE: page(),
        SUMMARY: summary_page(found),
        FIRST_HOUR: first_hour_page(found["first_hour"]),
    }


def main() -> int:
    """Write the pages, or compare them."""
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--quick", action="store_true", help="compare the pages and write nothing")
    if p.parse_args().quick:
        return int(any(path.read_text(encoding="utf-8") != text for path, text in pages().items()))
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(PAGE.parents[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
