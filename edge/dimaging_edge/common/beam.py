"""Beam search: the likeliest sentences of a network that says one word at a time.

    the `beam` best beginnings ──each continued by every word──> the `beam` best of all these ──> and again

A sentence is a row of numbers of words, 0 behind the last word. 0 is a choice like every word, and ends a
sentence: a finished one keeps its place and its score while others are continued. A beam of 1 is greedy.
An exported captioner does the same inside its file, choice by choice.
"""

from collections.abc import Callable, Sequence

import numpy as np

State = dict[str, np.ndarray]
"""What the network remembers of each beginning, by name, [beam, ...]."""
IMPOSSIBLE = -1e9
"""The logarithm of a probability that is as good as 0, and still a number."""


def beam_search(
    step: Callable[[np.ndarray, State], tuple[np.ndarray, State]],
    state: State,
    beam: int,
    length: int,
    never: Sequence[int] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Return (sentences int32 [beam, length], their log probabilities float32 [beam]), the best first.

    step    (words int32 [beam], state) -> (logits [beam, V] of the next word, the state after them)
    state   before the first word, a row for each beginning
    never   numbers of words that are not said
    """
    sentences = np.zeros((beam, length), np.int32)
    scores = np.full(beam, IMPOSSIBLE, np.float32)
    scores[0] = 0  # all beginnings are the same empty one
    words, ended = np.zeros(beam, np.int32), np.zeros(beam, bool)
    for t in range(length):
        logits, state = step(words, state)
        logits[:, list(never)] = IMPOSSIBLE
        odds = log_softmax(logits)
        odds[ended] = IMPOSSIBLE
        odds[ended, 0] = 0
        total = (scores[:, None] + odds).ravel()
        best = _largest(total, beam)
        parent, words = best // odds.shape[1], (best % odds.shape[1]).astype(np.int32)
        scores = total[best]
        state = {name: rows[parent] for name, rows in state.items()}
        sentences = sentences[parent]
        sentences[:, t] = words
        ended = words == 0  # what had ended says 0 again
        if ended.all():
            break
    return sentences, scores


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return the logarithms of the probabilities, [.., V]."""
    logits = logits - logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Return the places of the largest values in falling order; of equal ones the first comes first."""
    near = np.argpartition(-values, min(count, values.size - 1))[: count + 1]
    floor = np.sort(values[near])[::-1][count - 1]
    among = np.flatnonzero(values >= floor)
    return among[np.argsort(-values[among], kind="stable")][:count]
