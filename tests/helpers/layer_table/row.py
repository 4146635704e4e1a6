"""A row of the table of layers: a small model of a kind that people have, and by which road it goes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

EMITTED, MIXED, REFUSED = "emitted", "mixed", "refused"
"""Roads: by our emitters alone; some layers by tf2onnx, those that `words` names; not at all."""


@dataclass(frozen=True)
class Row:
    """One model of the table."""

    name: str
    make: Callable[[], Any]
    words: str = ""
    """Classes that take tf2onnx, with spaces between, of a mixed row; of a refused one what the error says."""
    road: str = ""
    """One of the roads; by default emitted, or mixed where there are words."""
    high: int = 10
    """Whole numbers of the inputs lie below it."""
    low: float = -1.0
    """Numbers of the inputs lie between it and 1."""

    @property
    def taken(self) -> str:
        """The road of the row."""
        return self.road or (MIXED if self.words else EMITTED)

    def __str__(self) -> str:
        return self.name


def refused(name: str, make: Callable[[], Any], words: str) -> Row:
    """Return a row of a model that must be refused with these words, a regular expression."""
    return Row(name, make, words, REFUSED)


def chain(shape: Any, *steps: Callable[[Any], Any], dtype: str | None = None) -> Any:
    """Return a model of one input "x" and one output "y", step after step."""
    x = y = keras.Input(shape, name="x", dtype=dtype)
    for step in steps:
        y = step(y)
    return keras.Model(x, {"y": y})


def joined(inputs: dict[str, Any], make: Callable[..., Any], dtypes: Any = ()) -> Any:
    """Return a model of several inputs by name; `make` takes their tensors, and returns one or a dict."""
    types = dict(dtypes)
    tensors = {k: keras.Input(s, name=k, dtype=types.get(k)) for k, s in inputs.items()}
    y = make(**tensors)
    return keras.Model(list(tensors.values()), y if isinstance(y, dict) else {"y": y})
