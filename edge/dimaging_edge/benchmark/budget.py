"""A latency budget: how many reference convolutions each graph may cost, in a TOML file.

    # how it was measured; a key that is given must match the run
    model = "vae"
    precision = "fp32"
    provider = "cpu"
    threads = 1
    batch = 1
    sizes = "height=512 width=768"    # of free dimensions; without it those of the bundle's example

    [graphs.decoder]
    max_ratio = 3.2        # one run of the graph / one run of the reference convolution

Only max_ratio is required. A ratio holds for one kind of processor (another has other strengths),
on a busy machine as on an idle one. Milliseconds hold for neither, so there is no key for them.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from dimaging_edge.benchmark.paired_ratio import Ratio
from dimaging_edge.common.errors import DimagingError, near

OK, OVER, NOISY, NO_BUDGET = "ok", "over budget", "too noisy to say", "no budget"
"""The verdicts on a graph."""
EXIT_CODES = {OK: 0, NO_BUDGET: 0, NOISY: 4, OVER: 3}
"""The exit code of each verdict; of several, 3 comes before 4 before 0."""

PATIENCE_S = 10.0
"""The least time, in s, of a measurement that raises an alarm or makes a budget: company comes and goes."""
CALL = 0.002
"""What a written budget adds to a ratio: the fixed cost of a call (about 0.004) differs by this much."""


@dataclass(frozen=True)
class Settings:
    """How ratios were measured; None where it is not stated."""

    model: str | None = None
    precision: str | None = None
    provider: str | None = None
    threads: int | None = None
    batch: int | None = None
    sizes: str | None = None  # free dimensions that are not the example's: "height=512 width=768"


class BudgetError(DimagingError, ValueError):
    """A budget file that cannot be read, or was written for something else."""


@dataclass(frozen=True)
class Budget:
    """The limit of each graph, and the settings they were measured with."""

    max_ratio: dict[str, float]
    settings: Settings = field(default_factory=Settings)

    def check(self, graphs: tuple[str, ...], wanted: tuple[str, ...], run: Settings) -> None:
        """Raise BudgetError if the budget does not fit a run of the graphs `wanted` out of `graphs`.

        It does not fit if it names an unknown graph, names no wanted one, or was measured otherwise.
        """
        for name in self.max_ratio:
            if name not in graphs:
                raise BudgetError(f"budget: no graph {name!r} in the bundle; {near(name, graphs)}")
        if not set(wanted) & set(self.max_ratio):
            named, run_of = ", ".join(self.max_ratio) or "no graph", ", ".join(wanted)
            raise BudgetError(
                f"budget: it names {named}, this run is of {run_of}: nothing to check"
            )
        for key, expected in asdict(self.settings).items():
            received = getattr(run, key)
            if key == "sizes":  # one that states none is for the example's
                expected, received = (one or "those of the example" for one in (expected, received))
            if expected is not None and expected != received:
                raise BudgetError(
                    f"budget: it was written for {key} {expected!r}, this run has {received!r}; "
                    f"a ratio does not carry over. Run with {key} {expected!r}, or write a budget "
                    "for this (--write-budget)"
                )


def sizes_text(sizes: Mapping[str, int] | None) -> str | None:
    """Return sizes as a budget states them, "height=512 width=768"; None if there are none."""
    return " ".join(f"{name}={length}" for name, length in sorted((sizes or {}).items())) or None


def verdict(ratio: Ratio, max_ratio: float) -> str:
    """Return OK or OVER if the whole interval lies on one side of the budget, else NOISY.

    OVER takes PATIENCE_S seconds, and that no fifth of them was within the budget.
    """
    if not ratio.steady:
        return NOISY
    if ratio.high <= max_ratio:
        return OK
    lasting = ratio.seconds >= PATIENCE_S and ratio.best > max_ratio
    return OVER if lasting and ratio.low > max_ratio else NOISY


def exit_code(verdicts: list[str]) -> int:
    """Return the exit code for all verdicts together: over budget wins over too noisy."""
    codes = {EXIT_CODES[one] for one in verdicts}
    return 3 if 3 in codes else max(codes, default=0)


def read_budget(path: str | Path) -> Budget:
    """Read a budget file; BudgetError names the key that is wrong and what was expected."""
    try:
        with Path(path).open("rb") as file:
            data = tomllib.load(file)
    except OSError as error:
        raise BudgetError(
            f"budget {path} cannot be read ({error.strerror}); make one with --write-budget {path}"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BudgetError(f"budget {path} is not valid TOML: {error}") from None
    graphs = data.pop("graphs", None)
    if not isinstance(graphs, dict) or not graphs:
        raise BudgetError(
            f"budget {path}: expected a table [graphs.NAME] with max_ratio, found none"
        )
    known = {one.name: int if one.name in ("threads", "batch") else str for one in fields(Settings)}
    for key, value in data.items():
        if key not in known:
            raise BudgetError(f"budget {path}: unknown key {key!r}; {near(key, tuple(known))}")
        if type(value) is not known[key]:
            kind = known[key].__name__
            raise BudgetError(f"budget {path}: {key}: expected {kind}, found {value!r}")
        if isinstance(value, int) and value < 1:
            raise BudgetError(f"budget {path}: {key}: expected 1 or more, found {value}")
    return Budget(
        {name: _max_ratio(name, table) for name, table in graphs.items()}, Settings(**data)
    )


def budget_text(ratios: dict[str, Ratio], margin: float, settings: Settings) -> str:
    """Return the text of a budget file: each measured ratio plus `margin` per cent, plus CALL."""
    lines = [
        f"# Measured ratios plus {margin:g} % and {CALL}.",
        "# To check: dimaging-edge bench BUNDLE --budget FILE",
    ]
    stated = {key: value for key, value in asdict(settings).items() if value is not None}
    lines += [f"{key} = {_quoted(value)}" for key, value in stated.items()]
    for name, ratio in ratios.items():
        limit = ratio.ratio * (1 + margin / 100) + CALL
        lines += [
            "",
            f"[graphs.{_quoted(name)}]",
            f"max_ratio = {limit:.4g}  # measured {ratio.ratio:.4g}",
        ]
    return "\n".join(lines) + "\n"


def _quoted(value: str | int) -> str:
    return json.dumps(value, ensure_ascii=False)  # as TOML writes it, for printable characters


def _max_ratio(name: str, table: Any) -> float:
    value: Any = table.get("max_ratio") if isinstance(table, dict) else None
    if (
        type(value) not in (int, float)
        or not 0 < value < float("inf")
        or set(table) != {"max_ratio"}
    ):
        raise BudgetError(f"budget: graphs.{name}: expected max_ratio = NUMBER, found {table!r}")
    return float(value)
