"""Vocabularies of captions, and captions as numbers; the tokenizer is `dimaging_edge.common.words`."""

from collections.abc import Iterable, Sequence

import numpy as np
from dimaging_edge.common import words as tokenizer
from dimaging_edge.common.errors import InputError
from dimaging_edge.common.words import split_words

from dimaging_tf.errors import DataError

__all__ = ["decode", "encode", "split_words", "vocabulary"]


def vocabulary(captions: Iterable[str]) -> tuple[str, ...]:
    """Return every word that occurs in the captions, in alphabetical order."""
    return tuple(sorted({word for caption in captions for word in split_words(caption)}))


def encode(captions: Sequence[str], words: Sequence[str], length: int) -> np.ndarray:
    """Return int32 [N, length] as the tokenizer does; its refusals are DataErrors here."""
    try:
        return tokenizer.encode(captions, words, length)
    except InputError as error:
        raise DataError(str(error)) from None


def decode(tokens: np.ndarray, words: Sequence[str]) -> list[str]:
    """Return the captions of int [N, length], their words joined by spaces."""
    return [" ".join(words[int(k) - 1] for k in row if k) for row in tokens]
