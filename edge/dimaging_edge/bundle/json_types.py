"""JSON values become dataclasses, strictly and by their type hints."""

import json
import types
from dataclasses import fields, is_dataclass
from typing import Any, NoReturn, Union, get_args, get_origin, get_type_hints

from dimaging_edge.common.errors import BundleError

_WORDS = {
    str: "a text",
    int: "an integer",
    float: "a number",
    type(None): "null",
    dict: "an object",
}


def refuse(at: str, expected: str, found: object) -> NoReturn:
    """Raise BundleError that says the place in the file, what was expected there, what was found."""
    shown = json.dumps(found, ensure_ascii=False, default=str)
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    raise BundleError(f"bundle.json: {at}: expected {expected}, found {shown}")


def decode(kind: Any, value: Any, at: str = "") -> Any:
    """Return `value` as `kind`, or raise BundleError with the place where it does not fit.

    Known kinds: str, int, float (an integer passes, a bool never does), Any, None, unions of
    them, tuple[X, ...], tuple[X, Y], dict[str, X] and dataclasses, whose keys must match exactly.
    """
    if kind is Any:
        return value
    if is_dataclass(kind):
        return _decode_dataclass(kind, value, at)
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _decode_union(inner, value, at)
    if origin is dict:
        if not isinstance(value, dict):
            refuse(at, "an object", value)
        return {key: decode(inner[1], item, f"{at}[{key!r}]") for key, item in value.items()}
    if origin is tuple:
        return _decode_tuple(inner, value, at)
    if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else kind):
        refuse(at, _WORDS[kind], value)
    return value


def _decode_dataclass(kind: Any, value: Any, at: str) -> Any:
    if not isinstance(value, dict):
        refuse(at or "the file", "an object", value)
    dot = f"{at}." if at else ""
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)]
    for name in names:
        if name not in value:
            refuse(f"{dot}{name}", "this key", "nothing")
    for name in value:
        if name not in names:
            refuse(f"{dot}{name}", f"only the keys {', '.join(names)}", name)
    return kind(**{name: decode(hints[name], value[name], f"{dot}{name}") for name in names})


def _decode_tuple(inner: tuple[Any, ...], value: Any, at: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        refuse(at, "a list", value)
    if inner[-1] is ...:
        inner = (inner[0],) * len(value)
    if len(value) != len(inner):
        refuse(at, f"a list of {len(inner)}", value)
    return tuple(
        decode(k, v, f"{at}[{i}]") for i, (k, v) in enumerate(zip(inner, value, strict=True))
    )


def _decode_union(inner: tuple[Any, ...], value: Any, at: str) -> Any:
    """Take None where it is allowed; else the one alternative whose JSON type this is."""
    if value is None and type(None) in inner:
        return None
    choices = [kind for kind in inner if kind is not type(None)]
    if len(choices) == 1:  # X | None: a refusal inside X names its own place
        return decode(choices[0], value, at)
    for kind in choices:
        if not isinstance(value, bool) and isinstance(
            value, (int, float) if kind is float else kind
        ):
            return value
    words = " or ".join(_WORDS[kind] for kind in inner)
    refuse(at, words, value)
