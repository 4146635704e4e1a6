"""Captions as numbers: a word-level tokenizer with a closed vocabulary, the same in training and on a device.

    "A small red circle."  ->  a small red circle  ->  [0 .. 0 1 17 14 5]

Word k of the vocabulary has the number k, counted from 1; 0 fills up the front, so that a recurrent network
ends on the last word and needs no mask. The vocabulary travels in a bundle as `words.txt`, a word a line.
"""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from unicodedata import category, normalize

import numpy as np

from dimaging_edge.common.errors import InputError

UNKNOWN = "<unk>"
"""The entry of a vocabulary that stands for every word that is too rare to have one; it is never said."""


def split_words(caption: str) -> list[str]:
    """Return the words of a caption in lower case: runs of letters and digits, with single hyphens inside.

    Letters are those of any language; whatever else there is separates words.
    """
    text = normalize("NFC", caption.lower())
    kept = "".join(c if c == "-" or _in_words(c) else " " for c in text)
    return [w for part in kept.split() for w in re.split("-{2,}", part.strip("-")) if w]


def _in_words(c: str) -> bool:
    """Return whether a character is a letter, a digit, or a mark that belongs to a letter."""
    return c.isalnum() or category(c).startswith("M")


def encode(captions: Sequence[str], words: Sequence[str], length: int) -> np.ndarray:
    """Return int32 [N, length] for N captions: the numbers of their words, zeros in front.

    InputError for a caption of no word or of more than `length`, and for words that are not among `words`: it
    names them, what they may have meant, and the known words.
    """
    number = {word: k for k, word in enumerate(words, 1)}
    tokens = np.zeros((len(captions), length), np.int32)
    for row, caption in zip(tokens, captions, strict=True):
        used = split_words(caption)
        if not 0 < len(used) <= length:
            raise InputError(
                f"a caption has 1 to {length} words; received {len(used)}: {caption!r}"
            )
        if unknown := [word for word in dict.fromkeys(used) if word not in number]:
            raise InputError(
                f"unknown {'word' if len(unknown) == 1 else 'words'} "
                f"{', '.join(_suggested(word, words) for word in unknown)} in {caption!r}; "
                f"known: {', '.join(words)}"
            )
        row[length - len(used) :] = [number[word] for word in used]
    return tokens


def _suggested(word: str, words: Sequence[str]) -> str:
    close = get_close_matches(word, words, n=1)
    return f"{word!r} (did you mean {close[0]!r}?)" if close else repr(word)
