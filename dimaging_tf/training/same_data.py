"""Whether the data of a resumed run is still that with which it began."""

from pathlib import Path
from typing import Any

from dimaging_tf.errors import DataError


def held(dataset: Any) -> dict[str, list[int]]:
    """Return what a run's record says of its data's size: the shape of an example, and how many there are."""
    return {"shape": list(dataset.shape), "examples": [len(dataset.train), len(dataset.valid)]}


def check_same_data(model: str, data: str, dataset: Any, before: dict[str, Any], out: Path) -> None:
    """Raise DataError where the data has other examples, or other sizes, than when the run in `out` began.

    before: what the run's record says of the data; that of older versions does not say how many there were.
    """
    now = held(dataset)
    was = {name: before.get(name, value) for name, value in now.items()}
    if was != now:
        raise DataError(
            f"{data} has changed since the run in {out} began: {_counted(was)} then, {_counted(now)} now. "
            "Put the data back, or begin another run with these weights: "
            f"dimaging train {model} --init {out} --data {data} --out NEW"
        )


def _counted(held: dict[str, list[int]]) -> str:
    train, valid = held["examples"]
    return f"{train} + {valid} examples of {' x '.join(map(str, held['shape']))}"
