"""A folder of your own photographs and a `captions.csv` that says what they show.

    folder/captions.csv     image,caption
                            beach.jpg,A dog runs along the beach .
                            beach.jpg,"Two people, far away, watch a dog"

Commas, semicolons or tabs separate; names are relative to the folder; other columns are left out. A
photograph may have several captions, a row each. Of each file the largest centred square is resampled to
size x size. About a tenth of the photographs, chosen by seed and name, is the valid split. The vocabulary is
that of the training captions; in a large collection a word that occurs once or twice is `<unk>`.

image uint8 or uint16 [N, size, size, channels]; label int32 [N, captions, words], zeros in front of the words
of a caption, and rows of zeros where a photograph has fewer captions than another.
"""

import csv
import os
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from dimaging_edge.common.words import UNKNOWN, split_words

from dimaging_tf.data import images, own
from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.data.files import read_image
from dimaging_tf.errors import DataError

CAPTIONS = "captions.csv"
"""The name of the file with captions."""
COLUMNS = ("image", "caption")
LENGTH = 20
"""The words of the longest caption; a longer one is cut."""
LARGE = 1000
"""Number of captions from which on a word has to occur `COMMON` times to be in the vocabulary."""
COMMON = 3


def load_captioned_folder(
    folder: str | os.PathLike,
    *,
    size: int | None = None,
    channels: int | None = None,
    seed: int = 0,
    skip_bad: bool = False,
) -> Dataset:
    """Return photographs [N, size, size, channels] (size: 64) with their captions.

    DataError for a captions.csv of another form, and for captions without words and photographs that are
    missing or unreadable; skip_bad leaves those out and warns.
    """
    folder, size = Path(folder).expanduser(), 64 if size is None else size
    if size < 1:
        raise DataError(f"expected size >= 1; received {size}")
    captions = read_captions(folder, skip_bad=skip_bad)
    pixels = _read_images(folder, list(captions), size, skip_bad)
    captions = {name: captions[name] for name in pixels}
    if len(captions) < 2:
        raise DataError(
            f"{folder} holds {len(captions)} usable image(s); expected at least 2, because none is in both "
            "the train and the valid split"
        )
    held = own.valid_names(list(captions), seed)
    parts = [
        [name for name in sorted(captions) if (name in held) == side] for side in (False, True)
    ]
    told = [split_words(c) for name in parts[0] for c in captions[name]]
    words = vocabulary(told)
    length = min(max(map(len, told)), LENGTH)
    most = max(map(len, captions.values()))
    depth = max(image.shape[-1] for image in pixels.values()) if channels is None else channels
    deep = any(image.dtype == np.uint16 for image in pixels.values())

    def split(names: Sequence[str]) -> Split:
        stack = [images.to_channels(pixels[name], depth) for name in names]
        image = np.stack([images.to_uint16(x) if deep else x for x in stack])
        label = np.stack([numbers(captions[name], words, length, most) for name in names])
        return Split(image, label, label_kind="caption")

    return Dataset(
        name=folder.resolve().name,
        train=split(parts[0]),
        valid=split(parts[1]),
        licence="not stated: your own images",
        source=str(folder),
        summary=f"{len(captions)} photographs of {size} x {size} pixels with captions",
        words=words,
    )


def read_captions(folder: Path, *, skip_bad: bool = False) -> dict[str, list[str]]:
    """Return the captions of each photograph, by its name, in the order of the file.

    DataError as for `load_captioned_folder`.
    """
    path = folder / CAPTIONS
    found: dict[str, list[str]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            delimiter = max(",;\t", key=first.count)
            rows = csv.reader(file, delimiter=delimiter, skipinitialspace=True)
            places = _columns(next(rows, []), path)
            for row in filter(None, rows):
                line = f"{path}, line {rows.line_num}"
                name, caption = _pair(row, places, line)
                if not name or not split_words(caption):
                    missing = f"a caption of {name} with words" if name else "the name of an image"
                    said = f"{line}: expected {missing}; found {caption!r}"
                    if not skip_bad:
                        raise DataError(f"{said} (leave such lines out: --skip-bad)")
                    warnings.warn(said, stacklevel=2)
                    continue
                found.setdefault(_inside(name, folder, line), []).append(caption)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no CSV file in UTF-8: {error}") from None
    if not found:
        raise DataError(f"{path} holds no captions; expected rows of {', '.join(COLUMNS)}")
    missing = [name for name in found if not (folder / name).is_file()]
    if missing:
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        said = (
            f"{path} names {len(missing)} of {len(found)} images that are not in {folder}: {shown}"
        )
        if not skip_bad:
            raise DataError(
                f"{said}; put them there, remove their lines, or leave them out with skip_bad=True "
                "(--skip-bad)"
            )
        warnings.warn(said, stacklevel=2)
    return {name: captions for name, captions in found.items() if name not in missing}


def _columns(header: Sequence[str], path: Path) -> tuple[int, int, int]:
    """Return where the names of images and the captions stand in a row, and how many columns there are."""
    names = [name.strip().lower() for name in header]
    if not set(COLUMNS) <= set(names):
        raise DataError(
            f"{path}: expected a first line with the columns {', '.join(COLUMNS)}; found "
            f"{', '.join(header) or 'nothing'}"
        )
    image, caption = map(names.index, COLUMNS)
    return image, caption, len(names)


def _pair(row: Sequence[str], places: tuple[int, int, int], line: str) -> tuple[str, str]:
    """Return name and caption of a row; DataError where commas cut a caption into columns."""
    image, caption, count = places
    if len(row) != count:
        raise DataError(
            f"{line}: expected {count} columns; found {len(row)} (a caption with commas stands in quotes: "
            'a.jpg,"A dog, running")'
        )
    return row[image].strip(), row[caption].strip()


def _inside(name: str, folder: Path, line: str) -> str:
    """Return the name of an image relative to its folder, the same however it was written."""
    file = Path(name)
    if "\\" in name and not (folder / file).is_file():  # as Windows writes paths
        file = Path(name.replace("\\", "/"))
    whole = folder.resolve()
    inner = Path(os.path.normpath(whole / file))
    if not inner.is_relative_to(whole):
        raise DataError(
            f"{line} names {name}, which lies outside of {folder}; put the image there, and name it as it "
            "lies in the folder"
        )
    return inner.relative_to(whole).as_posix()


def vocabulary(captions: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the words of captions in alphabetical order; `<unk>` stands last for those too rare to learn."""
    count = Counter(word for caption in captions for word in caption)
    least = COMMON if len(captions) >= LARGE else 1
    known = sorted(word for word, times in count.items() if times >= least)
    return (*known, UNKNOWN)


def numbers(captions: Sequence[str], words: Sequence[str], length: int, most: int) -> np.ndarray:
    """Return captions as int32 [most, length]: numbers of words, `<unk>` for others, zeros in front."""
    number = {word: k for k, word in enumerate(words, 1)}
    label = np.zeros((most, length), np.int32)
    for row, caption in zip(label, captions, strict=False):
        used = [number.get(word, number[UNKNOWN]) for word in split_words(caption)][:length]
        row[length - len(used) :] = used
    return label


def _read_images(
    folder: Path, names: Sequence[str], size: int, skip_bad: bool
) -> Mapping[str, np.ndarray]:
    """Return the first page of each photograph as [size, size, channels], by name."""
    found, bad = {}, []
    for name in names:
        try:
            found[name] = images.centre_square(read_image(folder / name)[0], size)
        except DataError as error:
            bad.append(str(error))
    if bad:
        said = "\n  ".join([f"{len(bad)} of {len(names)} images cannot be used:", *bad[:10]])
        if not skip_bad:
            raise DataError(f"{said}\nmend or remove them, or leave them out (--skip-bad)")
        warnings.warn(said, stacklevel=3)
    return found
