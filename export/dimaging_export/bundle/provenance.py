"""Where weights come from, for the card: photographs with their licences, and the command that trains.

`sections("runs/mine")` gives {"## Learned from": ..., "## Train it again": ...}, and
`rewrite_card("bundle/mine", "runs/mine")` puts them into a bundle that was exported before.
"""

import shlex
from pathlib import Path
from typing import Any

from dimaging_edge.common.files import read_json_lines, write_text

from dimaging_export.errors import ExportError
from dimaging_tf import registry
from dimaging_tf.data import credits
from dimaging_tf.errors import UserError
from dimaging_tf.training import runs

_FLAGS = ("size", "channels", "cut", "white")
"""Options of the data that `dimaging train` takes as flags."""


def sections(source: Any) -> dict[str, str]:
    """Return title -> text for a run folder of `dimaging train`; {} for any other model."""
    if not isinstance(source, str | Path) or not (Path(source) / "run.json").is_file():
        return {}
    record = runs.read_record(source)
    found = {}
    if credits.credits(name := record.get("data", {}).get("name", "")):
        found["## Learned from"] = (
            f"{name}; those with a star were held back.\n\n{credits.table(name)}"
        )
    if "settings" in record:
        found["## Train it again"] = _training(record["settings"], Path(source))
    return found


def training_command(settings: dict[str, Any]) -> str:
    """Return the `dimaging train` of these settings of a run.json, without what is the registry's default."""
    entry = registry.find(settings["model"])
    words = ["dimaging", "train", settings["model"], "--data", settings["data"]]
    options = settings["data_options"]
    words += [
        x for key in _FLAGS if options.get(key) is not None for x in (f"--{key}", options[key])
    ]
    if settings["minutes"] is not None:
        words += ["--minutes", settings["minutes"]]
    elif settings["epochs"] != entry.epochs:
        words += ["--epochs", settings["epochs"]]
    if settings.get("init"):
        words += ["--init", settings["init"]]
    for key in ("batch", "learning_rate", "augment"):
        if settings[key] != getattr(entry, key):
            words += [f"--{key.replace('_', '-')}", settings[key]]
    for key, usual in (("strategy", "single"), ("seed", 0)):
        if settings[key] != usual:
            words += [f"--{key}", settings[key]]
    for key, value in settings["changes"].items():
        if value != entry.changes.get(key):
            value = tuple(value) if isinstance(value, list) else value
            words += ["--set", f"{key}={value}"]
    return shlex.join(str(word) for word in words)


def _training(settings: dict[str, Any], folder: Path) -> str:
    text = f"    {training_command(settings)}"
    if "data_dir" in settings["data_options"]:
        text += "\n\nwith DIMAGING_DATA, or `--data-dir`, naming the folder that holds the data's files."
    epochs = read_json_lines(folder / "metrics.jsonl")
    if epochs:
        last = epochs[-1]
        text += (
            f"\n\nThat was {last['seconds'] / 60:.0f} minutes of training, {last['step']:,} steps in "
            f"{last['epoch']} epochs."
        )
    return text


def rewrite_card(bundle: str | Path, source: str | Path) -> None:
    """Put the `sections` of its run into the CARD.md of a bundle, whose check sums leave the card out.

    Raises ExportError where there is no such card or no such run.
    """
    card = Path(bundle) / "CARD.md"
    try:
        found = sections(source)
    except UserError as error:
        raise ExportError(str(error)) from error
    if not card.is_file() or not found:
        missing = card if not card.is_file() else Path(source) / "run.json"
        raise ExportError(f"there is no {missing}; expected a bundle and the run it came from")
    parts = [part for part in card.read_text(encoding="utf-8").split("\n## ")]
    parts = [part for part in parts if f"## {part.splitlines()[0]}" not in found]
    fresh = [f"{title[3:]}\n\n{text}\n" for title, text in found.items()]
    at = next((i for i, part in enumerate(parts) if part.startswith("Make it again")), len(parts))
    parts[at:at] = fresh
    write_text(card, "\n## ".join(parts))
