"""`dimaging train --config FILE.toml`: the options of the verb in a file, the model's settings in [set].

model = "vae"                    the command line wins over the file, name by name
data = "mnist5k"
minutes = 2

[set]
latent_dim = 10
hidden = [400, 200]
"""

import tomllib
from pathlib import Path
from typing import Any

import typer

from dimaging_tf.commands.usage import UsageError
from dimaging_tf.errors import near

SET = "set"
"""The table of the model's settings."""
_NOT_HERE = {"config", "resume", "set_", "help"}


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Make a file's values the defaults of the other options; UsageError for a key that is no option."""
    if path is None:
        return None
    found = _read(path)
    known = [p.name for p in context.command.params if p.name and p.name not in _NOT_HERE]
    settings = found.pop(SET, {})
    if not isinstance(settings, dict):
        raise UsageError(
            f"{path}: [{SET}] is a table of the model's settings; received {settings!r}"
        )
    given = {key.replace("-", "_"): value for key, value in found.items()}
    for key, value in given.items():
        if key not in known:
            raise UsageError(
                f"{path}: train has no option {key!r}; {near(key, [*known, f'[{SET}]'])}"
            )
        if isinstance(value, dict | list):
            raise UsageError(f"{path}: {key} is one value; received {value!r}")
    # As text, which the options read as they read the command line: 2.5 epochs are then no whole number.
    context.default_map = {key: str(value) for key, value in given.items()}
    context.meta[SET] = settings
    return path


def settings_of(context: typer.Context) -> dict[str, Any]:
    """Return the model's settings of the file that `read_config` read; none without a file."""
    return dict(context.meta.get(SET, {}))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--config: {path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # no TOML, or no UTF-8
        raise UsageError(f"--config: {path} is no TOML: {error}") from None
