"""What the README gives each of its readers, step by step, and the page about how long that takes."""

import re
from typing import Any, NamedTuple

HEAD = """# The first hour

What [the README](../README.md) gives each of its readers, run in a new folder by `python benchmarks/first_hour.py`; this page is written
from its record by `python benchmarks/table.py`. Seconds of the processors are those of both cores together; an idle machine of two cores
takes between half of that and all of it by the clock. A training of so many minutes takes that long everywhere.
"""


_WRITTEN = re.compile(r"[\d.]+ [kM]B")
"""What says that files or a page came out."""


class Step(NamedTuple):
    """A command of the README, or a script."""

    reader: str
    """The heading under which it stands."""
    language: str
    code: str

    @property
    def title(self) -> str:
        """The command itself; a script is called so."""
        return self.code if self.language == "sh" else "the script"


def steps(readme: str) -> list[Step]:
    """Return the steps of the sections that begin with "I ", in order."""
    found = []
    for section in re.split(r"^## ", readme, flags=re.M)[1:]:
        reader = section.partition("\n")[0]
        if not reader.startswith("I "):
            continue
        for language, code in re.findall(r"^```(python|sh)\n(.*?)^```", section, re.M | re.S):
            lines = [code] if language == "python" else code.splitlines()
            for line in lines:
                command = line if language == "python" else line.split("  #")[0].strip()
                found.append(Step(reader, language, command))
    return found


def page(record: dict[str, Any]) -> str:
    """Return docs/first_hour.md."""
    env, parts = record["environment"], [HEAD]
    rows = record["facts"]["walked"]
    parts.append(
        f"\nMeasured {env['date']}, {env['cpu']}, {env['cores']} cores, Python {env['python']}; "
        f"{env['load'][2]:.0f} processes wanted to run at a time, which the clock alone shows.\n"
    )
    installed = [row["value"] for row in record["rows"] if row["figure"] == "installation"]
    parts += [
        f"\nInstalling what the first command names took {seconds:.0f} s by the clock.\n"
        for seconds in installed
    ]
    for reader in dict.fromkeys(row["reader"] for row in rows):
        mine = [row for row in rows if row["reader"] == reader]
        total = sum(row["cpu"] for row in mine)
        parts.append(f"\n## {reader}\n\n{len(mine)} steps, {total:.0f} s of the processors.\n")
        parts.append(
            "\n| step | processors | clock | what is there afterwards |\n|---|--:|--:|---|\n"
        )
        for row in mine:
            name = f"`{row['command']}`" if row["command"] != "the script" else "the script"
            out = row["out"] if _WRITTEN.search(row["out"]) else "what it printed"
            parts.append(f"| {name} | {row['cpu']:.1f} s | {row['seconds']:.0f} s | {out} |\n")
    return "".join(parts)
