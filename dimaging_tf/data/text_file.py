"""A text of your own as tokens: every different character is one.

    "to be or not"  ->  vocabulary (" ", "b", "e", ...)  ->  rows of `length` characters, one after the other

    x      int32 [N, length]   token k is character k of the vocabulary
    label  int32 [N, length]   the character that follows each one: what a model of language foretells

The first nine tenths of the text are train, the last tenth is valid, both without gaps: row i + 1 goes on
where row i ends (see `pipeline.batches` with streams). The characters are sorted by their code points.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dimaging_tf.data import own
from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.errors import DataError

MOST_CHARACTERS = 10_000
"""The largest vocabulary: more different characters are found in no alphabet or syllabary, and few books."""
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
"""The byte order marks of UTF-16, with which an editor of Windows begins what it calls Unicode."""


def load_text(
    path: str | Path, *, length: int | None = None, vocabulary: Sequence[str] | None = None
) -> Dataset:
    """Tokens [N, length] of a UTF-8 text file (length: 64), with the next characters as labels of the steps.

    vocabulary: the characters that a model knows, in its order; by default those of this text.
    DataError for a file that is empty, not UTF-8, too short, or has a character that is not known.
    """
    path = Path(path).expanduser()
    found = text_dataset(read_text(path), path, length=length, vocabulary=vocabulary)
    return replace(found, name=path.name, licence=own.LICENCE, source=str(path))


def text_dataset(
    text: str, path: object, *, length: int | None = None, vocabulary: Sequence[str] | None = None
) -> Dataset:
    """Return the tokens of a text; `path` names it in messages. Arguments and errors as for `load_text`."""
    length = own.LENGTH if length is None else length
    known = tuple(sorted(set(text))) if vocabulary is None else tuple(vocabulary)
    if len(known) > MOST_CHARACTERS:
        raise DataError(
            f"{path} has {len(known):,} different characters; expected at most {MOST_CHARACTERS:,} (is it "
            "a text?)"
        )
    tokens = encode(text, known, path)
    last = int(len(tokens) * own.VALID_SHARE)
    if last < 2:
        raise DataError(
            f"{path} has {len(tokens)} character(s); expected at least {2 / own.VALID_SHARE:g}, of which the "
            "last tenth is the valid split"
        )
    if not 1 <= length < last:
        raise DataError(
            f"{path} has {len(tokens):,} characters, of which the last tenth, {last:,}, is the valid split; "
            f"expected length= (--length) to be from 1 to {max(last - 1, 0):,}, received {length}"
        )
    train, valid = (
        Split(*_rows(part, length), kind="tokens")
        for part in (tokens[: len(tokens) - last], tokens[len(tokens) - last :])
    )
    return Dataset(
        name=str(path),
        train=train,
        valid=valid,
        licence="",
        source="",
        summary=f"{len(tokens):,} characters, {len(known)} different ones, in rows of {length}",
        vocabulary=known,
    )


def read_text(path: Path) -> str:
    """Return the characters of a UTF-8 file without a byte order mark; DataError for any other file."""
    size = path.stat().st_size
    if not size:
        raise DataError(f"{path} is empty (0 bytes); expected a text")
    own.check_bytes(path, 8 * size)  # a token and a label of 4 bytes for each character
    try:
        text = path.read_bytes().decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        encoding = "UTF-16" if error.object[:2] in _UTF16 else "LATIN1"
        raise DataError(
            f"{path} is not UTF-8 text: byte {error.start:,} is 0x{error.object[error.start]:02x}; "
            f"expected a text in UTF-8 (of another encoding: iconv -f {encoding} -t UTF-8 OLD > NEW), an "
            ".npz, a .csv, or a folder of images, movies or CSV files"
        ) from error
    if "\0" in text:
        raise DataError(
            f"{path} is no text: character {text.index(chr(0)):,} is NUL (save a text as UTF-8)"
        )
    if not text.strip():
        raise DataError(f"{path} holds nothing but white space; expected a text")
    return text


def encode(text: str, vocabulary: Sequence[str], path: object = "the text") -> np.ndarray:
    """Return int32 [characters]: the place of each in the vocabulary. DataError for one that is not there."""
    if not vocabulary or any(len(character) != 1 for character in vocabulary):
        raise DataError(
            f"the vocabulary of a text is its characters, one at least; received {list(vocabulary)[:5]}"
        )
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    known = np.array([ord(character) for character in vocabulary], np.uint32)
    order = np.argsort(known)
    place = np.searchsorted(known, points, sorter=order).clip(max=len(known) - 1)
    tokens = order[place].astype(np.int32)
    if len(wrong := np.flatnonzero(known[tokens] != points)):
        strange = sorted({chr(points[index]) for index in wrong})
        shown = ", ".join(map(repr, strange[:5])) + (", ..." if len(strange) > 5 else "")
        raise DataError(
            f"{path} has {len(strange)} character(s) that are not among the {len(known)} known ones: "
            f"{shown}; the first is character {wrong[0]:,}"
        )
    return tokens


def decode(tokens: np.ndarray, vocabulary: Sequence[str]) -> str:
    """Return the text of int [characters], the inverse of `encode`."""
    return "".join(vocabulary[int(token)] for token in tokens)


def _rows(tokens: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return tokens [N, length] and those that follow them; an end that fills no row is left out."""
    count = (len(tokens) - 1) // length
    x, following = (tokens[start : start + count * length] for start in (0, 1))
    return x.reshape(count, length), following.reshape(count, length)
