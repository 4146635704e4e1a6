"""Values of a model's settings, checked against the types of its Config; needs no TensorFlow."""

from collections.abc import Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin


def check_setting(model: str, name: str, value: Any, kind: Any) -> None:
    """Raise ValueError for a value that is not of the annotated type `kind`, or for a whole number below 0.

    A list counts as a tuple and an int as a float. No setting of any model is a negative whole number.
    """
    if not fits(value, kind):
        said = kind.__name__ if isinstance(kind, type) and not get_args(kind) else kind
        raise ValueError(f"{model}: {name} must be {said}. Received: {value!r}")
    numbers = value if isinstance(value, tuple | list) else (value,)
    if any(isinstance(number, int) and number < 0 for number in numbers):
        raise ValueError(f"{model}: {name} must be 0 or more. Received: {value!r}")


def fits(value: Any, kind: Any) -> bool:
    """Return whether `value` is of the annotated type; a list counts as a tuple, an int as a float."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is tuple:
        if not isinstance(value, tuple | list):
            return False
        parts = parts[:1] * len(value) if ... in parts else parts
        return len(parts) == len(value) and all(map(fits, value, parts))
    if parts and origin in (Union, UnionType):
        return any(fits(value, part) for part in parts)
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else origin or kind)


def as_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn lists, which JSON and TOML make of tuples, into tuples again."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
