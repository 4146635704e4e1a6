"""JSON whose writer is not trusted: what two readers could understand differently is refused."""

import json
import math
from typing import Any, NoReturn

_DEEPEST = 64
"""The most objects and lists inside each other."""
_LONGEST_NUMBER = 40
"""The most characters of a number."""


def read_json(text: str) -> Any:
    """Return the value of a JSON text.

    ValueError for text that is not valid, a key that stands twice in an object, NaN and infinity in any
    spelling (1e999), an integer of more than 64 bits, control characters and lone surrogates in a text, and
    for nesting deeper than 64.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
    except RecursionError:
        raise ValueError(f"it is nested deeper than {_DEEPEST}") from None
    _check(value, 0)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text) if len(text) <= _LONGEST_NUMBER else math.inf
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:_LONGEST_NUMBER]} is too large or too long")
    return value


def _integer(text: str) -> int:
    value = int(text) if len(text) <= _LONGEST_NUMBER else 1 << 64
    if not -(1 << 63) <= value < 1 << 64:
        raise ValueError(f"the integer {text[:_LONGEST_NUMBER]} has more than 64 bits")
    return value


def _check(value: Any, depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError(f"it is nested deeper than {_DEEPEST}")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key)
            _check(item, depth + 1)


def _check_text(text: str) -> None:
    for character in text:
        code = ord(character)
        if 0xD800 <= code < 0xE000 or code == 0x7F or 0x80 <= code < 0xA0 or code < 0x20:
            if character in "\n\t":
                continue
            raise ValueError(f"a text has the character {character!a}, which cannot be shown")
