"""Recordings of your own as series: CSV files with a row for each step and a column for each channel.

    folder/NAME.csv          an example each, without labels
    folder/CLASS/NAME.csv    an example each; its label is the number of its folder, in alphabetical order
    NAME.csv                 one long recording: its last tenth is valid; examples are `length` steps (64)

    time,C3,C4,label         the first row may name the columns. Two are no channels: `time` or `t`, in s,
    0.00,1.5,-2,0            gives the rate; `label` or `y` holds a whole number for each step

x float32 [N, T, C]: any finite values, in the units of the file. All files have the same columns, the same
rate and, unless `length` cuts them into pieces, the same number of rows. Commas, semicolons or tabs separate.
"""

import csv
import re
from array import array
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dimaging_tf.data import own
from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.errors import DataError

SUFFIXES = (".csv", ".tsv")
TIME, LABEL = ("time", "t"), ("label", "y")
EVEN = 0.1
"""How far a row may lie from an even step in time, as a share of the step: times are rounded in files."""
MISSING = ("", "na", "n/a", "nan", "null", "none", "-", "?", ".")
"""What stands for a value that is not there."""
SAME_RATE = 0.01
"""How far the rates of two files may differ, as a share."""


class Recording(NamedTuple):
    """One file: x float32 [T, C], perhaps int32 [T] labels, perhaps steps a second; the channels' names."""

    x: np.ndarray
    label: np.ndarray | None
    rate: float | None
    channels: tuple[str, ...]


def load_recordings(path: str | Path, *, length: int | None = None, seed: int = 0) -> Dataset:
    """Series [N, T, C] of a CSV file or of a folder of them, as this module's docstring says.

    length: steps of an example; longer files are cut into pieces. DataError with the file, the line and the
    column for whatever is not a finite number, and for files that do not go together.
    """
    path = Path(path).expanduser()
    if path.is_file():
        return _one(path, own.LENGTH if length is None else length)
    names = sorted(
        file.relative_to(path)
        for file in path.rglob("*")
        if file.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    )
    if len(names) < 2:
        raise DataError(
            f"{path} holds {len(names)} CSV file(s); expected at least 2, because no file is in both the "
            "train and the valid split (one long recording: give the file itself)"
        )
    own.check_bytes(path, 8 * sum((path / name).stat().st_size for name in names))
    found = {name: read_recording(path / name) for name in names}
    rate = _alike(found, path)
    own.check_lengths({str(path / n): len(f.x) for n, f in found.items()}, length, "rows")
    labels, classes = own.classes_of(names, path)
    stepwise = found[names[0]].label is not None
    if stepwise and labels is not None:
        raise DataError(
            f"{path} has labels of steps (a column) and of files (subfolders); expected one of both"
        )
    valid = own.valid_names(names, seed)
    splits = []
    for chosen in ([n for n in names if n not in valid], [n for n in names if n in valid]):
        x = np.concatenate([own.cut(found[name].x[None], length) for name in chosen])
        label = None
        if stepwise:
            label = np.concatenate([own.cut(_labels(found[n])[None], length) for n in chosen])
        elif labels is not None:
            pieces = [1 if length is None else len(found[name].x) // length for name in chosen]
            label = np.repeat([labels[names.index(name)] for name in chosen], pieces)
        splits.append(Split(x, label, kind="series"))
    return _dataset(
        path, splits[0], splits[1], found[names[0]], rate, classes, f"{len(names)} files"
    )


def _one(path: Path, length: int) -> Dataset:
    own.check_bytes(path, 8 * path.stat().st_size)
    found = read_recording(path)
    x = own.parts_in_time(found.x, length, path)
    label = (None, None) if found.label is None else own.parts_in_time(found.label, length, path)
    train, valid = (Split(a, b, kind="series") for a, b in zip(x, label, strict=True))
    return _dataset(path, train, valid, found, found.rate, (), f"{len(found.x):,} rows")


def _dataset(
    path: Path, train: Split, valid: Split, like: Recording, rate: float | None,
    classes: tuple[str, ...], count: str,
) -> Dataset:  # fmt: skip
    steps, channels = train.x.shape[1:]
    hertz = "" if rate is None else f" at {rate:g} a second"
    return Dataset(
        name=path.name,
        train=train,
        valid=valid,
        licence=own.LICENCE,
        source=str(path),
        summary=f"{count} in series of {steps} steps{hertz}, {channels} channels: {', '.join(like.channels)}",
        classes=classes,
        rate=rate,
    )


def _alike(found: dict[Path, Recording], folder: Path) -> float | None:
    """Return the common rate; DataError where columns, labels or rates are not those of the first file."""
    (first, like), *others = found.items()
    for name, one in others:
        if one.channels != like.channels or (one.label is None) != (like.label is None):
            raise DataError(
                f"{folder / name} has the columns {_columns(one)}; expected those of {folder / first}: "
                f"{_columns(like)}"
            )
        if (one.rate is None) != (like.rate is None) or (
            one.rate and like.rate and abs(one.rate / like.rate - 1) > SAME_RATE
        ):
            raise DataError(
                f"{folder / name} has {_rate(one)}; expected that of {folder / first}, {_rate(like)} "
                "(resample it)"
            )
    return like.rate


def _columns(one: Recording) -> str:
    return ", ".join([*one.channels, "label"] if one.label is not None else one.channels)


def _rate(one: Recording) -> str:
    return "no column of time" if one.rate is None else f"{one.rate:g} steps a second"


def _labels(one: Recording) -> np.ndarray:
    return np.zeros(0, np.int32) if one.label is None else one.label


def read_recording(path: Path) -> Recording:
    """Read one CSV file; DataError with the line for what is not a finite number, and for uneven time."""
    names, values = _table(path)
    if names is None:
        names = [f"column {k + 1}" for k in range(values.shape[1])]
    lower = [name.strip().lower() for name in names]
    time, label = (
        [k for k, name in enumerate(lower) if name in special] for special in (TIME, LABEL)
    )
    channels = [k for k in range(len(names)) if k not in (*time, *label)]
    if len(time) > 1 or len(label) > 1 or not channels:
        raise DataError(
            f"{path} has the columns {', '.join(names)}; expected a channel, at most one column of time, and "
            "at most one of labels"
        )
    labels = values[:, label[0]] if label else None
    if labels is not None and (labels != labels.astype(np.int32)).any():
        line = int(np.flatnonzero(labels != labels.astype(np.int32))[0])
        raise DataError(
            f"{path}: the label of row {line + 1} is {labels[line]:g}; expected a whole number"
        )
    with np.errstate(over="ignore"):
        x = values[:, channels].astype(np.float32)
    if not np.isfinite(x).all():  # finite as float64
        raise DataError(
            f"{path} holds {np.abs(values).max():g}; expected values of float32, up to 3.4e38"
        )
    return Recording(
        x,
        None if labels is None else labels.astype(np.int32),
        _rate_of(values[:, time[0]], path) if time else None,
        tuple(names[k].strip() for k in channels),
    )


def _table(path: Path) -> tuple[list[str] | None, np.ndarray]:
    """Return the names in the first row, or None, and the numbers, float64 [rows, columns]."""
    names, width, values = (
        None,
        0,
        array("d"),
    )  # 8 bytes a cell, where rows of strings take many more
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=max("\t;,", key=first.count))
            for row in filter(None, reader):
                if not width:
                    width = len(row)
                    if not all(map(_is_number, row)):
                        names = _names(row, path)
                        continue
                values.extend(_numbers(row, names or (), width, f"{path}: line {reader.line_num}"))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} cannot be read as CSV in UTF-8: {error} (of another encoding: iconv -f LATIN1 -t UTF-8)"
        ) from error
    if not values:
        found = "is empty" if names is None else "has names of columns and no rows"
        raise DataError(f"{path} {found}; expected rows of numbers")
    return names, np.frombuffer(values).reshape(-1, width)


def _names(row: list[str], path: Path) -> list[str]:
    """Return the names of the columns; DataError where a cell looks like a missing value.

    A row that was taken for names would be lost, and the index that pandas writes would become a channel.
    """
    names = [name.strip().lstrip("# ") for name in row]  # numpy.savetxt puts a # before its header
    for column, name in enumerate(names, 1):
        if name.lower() in MISSING:
            raise DataError(
                f"{path}: line 1, column {column} is {row[column - 1]!r}; expected names of all columns, or "
                "numbers (an index that pandas wrote is left out by df.to_csv(path, index=False))"
            )
    return names


def _numbers(row: list[str], names: Sequence[str], width: int, place: str) -> list[float]:
    """Return a row's values; DataError for one that is no finite number, and for more or fewer columns."""
    if len(row) != width:
        raise DataError(f"{place} has {len(row)} columns; expected {width}")
    for column, cell in enumerate(row, 1):
        if not _is_number(cell) or not isfinite(float(cell)):
            name = names[column - 1] if names else ""
            raise DataError(
                f"{place}, column {column} is {cell!r}; expected a finite number{_mend(cell, name)}"
            )
    return list(map(float, row))


def _mend(cell: str, name: str) -> str:
    """Return what may help with a cell that is no number, in brackets; "" where nobody knows."""
    if name.lower() in LABEL:
        return " (labels are whole numbers: number the classes from 0, or sort files into a folder of each)"
    if name.lower() in TIME:
        return " (time is in seconds)"
    if cell.strip().lower() in MISSING or _is_number(cell):  # nan and inf are numbers to Python
        return " (fill gaps in first, for example by interpolation, or leave the file out)"
    if re.fullmatch(r"\s*[-+]?\d+,\d+\s*", cell) or ";" in cell:
        return " (write a decimal point, 1.5, not a comma)"
    if len(cell.split()) > 1 and all(map(_is_number, cell.split())):
        return " (separate columns by commas, semicolons or tabs, not by spaces)"
    return ""


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _rate_of(time: np.ndarray, path: Path) -> float:
    """Return rows a second; DataError where the steps are not even or time does not go on."""
    if len(time) < 2 or time[-1] <= time[0]:
        raise DataError(
            f"{path}: time goes from {time[0]:g} to {time[-1]:g} s in {len(time)} rows; expected it to rise"
        )
    step = (time[-1] - time[0]) / (len(time) - 1)
    apart = np.abs(time - (time[0] + step * np.arange(len(time))))
    if apart.max() > EVEN * step:
        row = int(apart.argmax())
        raise DataError(
            f"{path}: row {row + 1} is at {time[row]:g} s, and {len(time)} even steps would put it at "
            f"{time[0] + step * row:g} s; expected an even rate (resample it, or remove the column)"
        )
    return 1 / step
