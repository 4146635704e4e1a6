"""The command that repeats an export, as the card of a bundle shows it."""

import shlex
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from dimaging_export.bundle.subject import portable


def export_command(
    source: str,
    precision: str,
    target: str,
    data: Any,
    size: int | None,
    switches: Mapping[str, bool | None],
    ranges: Mapping[str, tuple[float, float]],
) -> str:
    """Return `dimaging export ...` in shell words; arguments as those of `export`.

    data: a path, or paths by the names of inputs; anything else has no words and is left out, as are paths
    beside arrays, for a command that names some of the inputs is refused. switches: name
    -> whether it was set, None where it was not given.
    """
    words = ["dimaging", "export", source, "--precision", precision, "--target", target]
    for name, on in switches.items():
        words += [f"--{name}" if on else f"--no-{name}"] if on is not None else []
    named = data if isinstance(data, Mapping) else {"": data}
    paths = {name: Path(x) for name, x in named.items() if isinstance(x, str | PathLike)}
    for name, path in paths.items() if len(paths) == len(named) else ():
        words += ["--data", f"{name}={portable(path)}" if name else portable(path)]
    words += ["--size", str(size)] if size is not None else []
    for name, (low, high) in ranges.items():
        words += ["--range", f"{name}={low:g}:{high:g}"]
    return shlex.join(words)
