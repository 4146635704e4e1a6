"""The settings of each model with their meanings, read from its source: that needs no TensorFlow."""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dimaging_tf.data.given_settings import check_setting
from dimaging_tf.data.kinds import Kind
from dimaging_tf.errors import UserError, near
from dimaging_tf.registry import Entry


@dataclass(frozen=True)
class Setting:
    """One field of a model's Config, as its source writes it."""

    type: str
    default: str
    meaning: str  # the comment beside it, or above it; empty where the name says it

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that the comment offers, as "cross-entropy" | "dice"; none where it offers none."""
        offered = re.search(r'"[^"]+"(?: \| "[^"]+")+', self.meaning)
        return tuple(re.findall(r'"([^"]+)"', offered[0])) if offered else ()


def model_settings(entry: Entry) -> dict[str, Setting]:
    """Return the settings of a model by name, those of the parent classes of its Config first."""
    module, model = _place(entry)
    return _fields(module, _config_name(module, model))


def check_changes(entry: Entry, changes: Mapping[str, Any]) -> None:
    """Raise UserError for the first name that is no setting of the model, or value that it cannot have."""
    known = model_settings(entry)
    for name, value in changes.items():
        if name not in known:
            raise UserError(f"{entry.name} has no setting {name!r}; {near(name, known)}")
        try:
            # an annotation of the package's own source, made of builtins alone
            check_setting(entry.name, name, value, eval(known[name].type))
        except ValueError as error:
            raise UserError(str(error)) from None
        if (choices := known[name].choices) and value not in choices:
            raise UserError(
                f"{entry.name}: {name} must be {' or '.join(choices)}. Received: {value!r}"
            )


def kinds_learned(entry: Entry) -> tuple[Kind, ...]:
    """Return the kinds of data that a model learns from, as `kinds` of its class or of a parent says."""
    return _kinds(*_place(entry)) or ("image",)


def _kinds(module: str, name: str) -> tuple[Kind, ...]:
    """Return `kinds` of a class, or of the first of its parents in this package that has it; else ()."""
    module, name = _home(module, name)
    if not module.startswith("dimaging_tf.") or "." in name:
        return ()
    one = _class(module, name)
    for statement in one.body:
        if (
            isinstance(statement, ast.AnnAssign)
            and statement.value
            and ast.unparse(statement.target) == "kinds"
        ):
            return ast.literal_eval(statement.value)
    return next((found for base in one.bases if (found := _kinds(module, ast.unparse(base)))), ())


def _place(entry: Entry) -> tuple[str, str]:
    """Return the module and the name of a model's class."""
    module, model = entry.model.split(":")
    return f"dimaging_tf.{module if '.' in module else f'models.{module}'}", model


def _config_name(module: str, model: str) -> str:
    """Return the name of the class that `config_class = ...` of a model names."""
    for statement in _class(module, model).body:
        if (
            isinstance(statement, ast.Assign)
            and ast.unparse(statement.targets[0]) == "config_class"
        ):
            return ast.unparse(statement.value)
    raise LookupError(f"{module}.{model} names no config_class")


def _fields(module: str, name: str) -> dict[str, Setting]:
    """Return the fields of a dataclass, which may be imported, and of its parents."""
    module, name = _home(module, name)
    lines = _path(module).read_text(encoding="utf-8").splitlines()
    found: dict[str, Setting] = {}
    one = _class(module, name)
    for base in one.bases:
        found |= _fields(module, ast.unparse(base))
    for field in one.body:
        if isinstance(field, ast.AnnAssign) and field.value is not None:
            key = ast.unparse(field.target)
            meaning = _comment(lines, field) or (found[key].meaning if key in found else "")
            found[key] = Setting(ast.unparse(field.annotation), ast.unparse(field.value), meaning)
    return found


def _comment(lines: list[str], field: ast.stmt) -> str:
    """Return the comment at the end of a field's last line, or the lines of comment above it."""
    _, found, beside = lines[(field.end_lineno or 0) - 1][field.end_col_offset or 0 :].partition(
        "# "
    )
    if found:
        return beside
    above: list[str] = []
    number = field.lineno - 2
    while lines[number].strip().startswith("# "):
        above.insert(0, lines[number].strip()[2:])
        number -= 1
    return " ".join(above)


def _home(module: str, name: str) -> tuple[str, str]:
    """Return the module in which a class is written, and its name there; `vae.Config` is followed too."""
    first, _, rest = name.partition(".")
    for statement in _tree(module).body:
        if isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                if first == (alias.asname or alias.name):
                    if rest:
                        return f"{statement.module}.{alias.name}", rest
                    return str(statement.module), alias.name
    return module, name


def _class(module: str, name: str) -> ast.ClassDef:
    return next(s for s in _tree(module).body if isinstance(s, ast.ClassDef) and s.name == name)


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(_path(module).read_text(encoding="utf-8"))


def _path(module: str) -> Path:
    path = Path(__file__).parents[1].joinpath(*module.split(".")[1:])
    return path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
