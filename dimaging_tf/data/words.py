"""Captions as numbers: a word-level tokenizer with a closed vocabulary.

    "A small red circle."  ->  a small red circle  ->  [0 .. 0 1 17 14 5]

Word k of the vocabulary has the number k, counted from 1; 0 fills up the front, so that a recurrent
network ends on the last word and needs no mask. `dimaging_edge.generate.captions` does the same on a device,
from the list of words that travels in the bundle.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from dimaging_tf.errors import DataError, near


def split_words(caption: str) -> list[str]:
    """The words of a caption in lower case, without punctuation."""
    return re.findall(r"[a-z0-9]+(?:-[a-z0-9]+)*", caption.lower())


def vocabulary(captions: Iterable[str]) -> tuple[str, ...]:
    """Every word that occurs, in alphabetical order."""
    return tuple(sorted({word for caption in captions for word in split_words(caption)}))


def encode(captions: Sequence[str], words: Sequence[str], length: int) -> np.ndarray:
    """int32 [N, length] for N captions: the numbers of their words, zeros in front.

    DataError for a caption of no word, of too many, or with one that is not among `words`.
    """
    number = {word: k for k, word in enumerate(words, 1)}
    found = np.zeros((len(captions), length), np.int32)
    for row, caption in zip(found, captions, strict=True):
        used = split_words(caption)
        if not 0 < len(used) <= length:
            raise DataError(f"a caption has 1 to {length} words; received {len(used)}: {caption!r}")
        for word in used:
            if word not in number:
                raise DataError(f"unknown word {word!r} in {caption!r}; {near(word, words)}")
        row[length - len(used) :] = [number[word] for word in used]
    return found


def decode(tokens: np.ndarray, words: Sequence[str]) -> list[str]:
    """The captions of int [N, length], their words joined by spaces."""
    return [" ".join(words[int(k) - 1] for k in row if k) for row in tokens]
