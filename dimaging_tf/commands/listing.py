"""The verb `dimaging list`, without TensorFlow: models, data and targets as text of any width, or as JSON."""

import shutil
from collections.abc import Iterable
from dataclasses import asdict
from textwrap import wrap
from typing import Any

from dimaging_edge.common.output import show
from dimaging_export.bundle import targets

from dimaging_tf import data, registry
from dimaging_tf.training.model_settings import model_settings

_INDENT = 25
"""The column at which explanations begin; the longest name of a model has 23 letters."""


def list_main(model: str = "", as_json: str | None = None) -> None:
    """Print the list, or the settings of one model; `as_json` is a file for JSON, or "-" to print that."""
    if model:
        show(model_text(model), model_listing(model), as_json)
    else:
        show(listing_text(), listing(), as_json)


def listing() -> dict[str, dict[str, Any]]:
    """Return everything that `dimaging list` shows: models, data, paths and targets by name."""
    return {
        "models": {
            e.name: {
                "summary": e.summary, "lecture": e.lecture, "paper": e.paper, "data": e.data,
            }
            for e in registry.REGISTRY.values()
        },
        "data": {
            name: {"kind": data.KINDS[name], "summary": summary}
            for name, summary in data.NAMES.items()
        },
        "paths": {path: {"summary": summary} for path, summary in data.PATHS.items()},
        "targets": {
            t.name: {"summary": t.summary, "precisions": list(t.precisions)}
            for t in targets.TARGETS.values()
        },
    }  # fmt: skip


def listing_text(width: int | None = None) -> str:
    """Return the list as text of at most `width` columns, by default those of the terminal."""
    found = listing()
    lines = ["models: dimaging train NAME, and dimaging list NAME for its settings"]
    for name, one in found["models"].items():
        place = f"lecture: {one['lecture']}; {one['paper']}; learns from {one['data']}"
        lines += _entry(name, [one["summary"], place], width)
    lines += ["", "data sets: --data NAME"]
    for name, one in found["data"].items():
        lines += _entry(name, [f"{one['kind']}: {one['summary']}"], width)
    lines += ["", "your own data: --data PATH"]
    for name, one in found["paths"].items():
        lines += _entry(name, [one["summary"]], width)
    lines += ["", "targets: dimaging export RUN --target NAME --precision ONE"]
    for name, one in found["targets"].items():
        lines += _entry(name, [one["summary"], ", ".join(one["precisions"])], width)
    return "\n".join(lines)


def model_listing(name: str) -> dict[str, Any]:
    """Return one model's place in the lecture, how it is trained by default, and its settings."""
    entry = registry.find(name)
    settings = {key: asdict(one) for key, one in model_settings(entry).items()}
    for key, value in entry.changes.items():
        settings[key]["default"] = repr(value)
    return {
        "name": entry.name, "summary": entry.summary, "lecture": entry.lecture,
        "paper": entry.paper, "data": entry.data, "epochs": entry.epochs, "batch": entry.batch,
        "learning_rate": entry.learning_rate, "augment": entry.augment,
        **{f"with {setting}": recipe for setting, recipe in entry.recipes.items()},
        "settings": settings,
    }  # fmt: skip


def model_text(name: str, width: int | None = None) -> str:
    """Return `model_listing` as text of at most `width` columns."""
    found = model_listing(name)
    settings = found.pop("settings")
    lines = []
    for key, value in found.items():
        lines += _entry(key, [_told(value)], width)
    lines += ["", f"settings: dimaging train {name} --set NAME=VALUE"]
    for key, one in settings.items():
        words = [one["meaning"]] if one["meaning"] else []
        lines += _entry(key, [*words, f"{one['type']}, default {one['default']}"], width)
    return "\n".join(lines)


def _told(value: Any) -> str:
    """Return a value in words: of a dictionary its names with their values."""
    if not isinstance(value, dict):
        return str(value)
    return ", ".join(f"{key} {_told(one)}" for key, one in value.items())


def _entry(name: str, paragraphs: Iterable[str], width: int | None) -> list[str]:
    """Return a name with its explanations beside it, wrapped; a long name has a line of its own."""
    columns = max((width or shutil.get_terminal_size().columns) - _INDENT, 20)
    words = [line for paragraph in paragraphs for line in wrap(paragraph, columns)]
    head = f"  {name}"
    if len(head) >= _INDENT:
        return [head, *(" " * _INDENT + line for line in words)]
    return [head.ljust(_INDENT) + words[0], *(" " * _INDENT + line for line in words[1:])]
