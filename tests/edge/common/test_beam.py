"""Beam search: the exact best where the beam is wide enough, greedy at 1, ended sentences, words never said."""

import itertools

import numpy as np
import pytest
from dimaging_edge.common.beam import beam_search, log_softmax
from hypothesis import given, settings
from hypothesis import strategies as st

WORDS, LENGTH = 4, 4


def network(seed):
    """Logits that depend on the whole past: a table for each beginning, made of its words."""

    def step(words, state):
        past = state["past"] * WORDS + words
        rows = [np.random.default_rng([seed, int(p)]).normal(size=WORDS) * 2 for p in past]
        return np.array(rows, np.float32), {"past": past + 1}

    return step


def start(beam):
    return {"past": np.zeros(beam, np.int64)}


def by_hand(step, never=()):
    """Every sentence and its log probability, the best first."""
    found = {}
    for said in itertools.product(range(WORDS), repeat=LENGTH):
        state, last, total = start(1), 0, 0.0
        for t, word in enumerate(said):
            if t and last == 0:
                total += 0.0 if word == 0 else -np.inf
                continue
            logits, state = step(np.array([last]), state)
            logits[:, list(never)] = -np.inf
            total += log_softmax(logits)[0, word]
            last = word
        if np.isfinite(total):
            found[said] = total
    return sorted(found.items(), key=lambda item: -item[1])


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_a_wide_beam_finds_the_best_sentences(seed):
    step = network(seed)
    said, scores = beam_search(step, start(300), 300, LENGTH)
    best = by_hand(step)
    assert tuple(said[0]) == best[0][0]
    np.testing.assert_allclose(scores[:10], [score for _, score in best[:10]], atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_a_beam_of_one_is_greedy(seed):
    step, state, last, greedy = network(seed), start(1), np.zeros(1, int), []
    for _ in range(LENGTH):
        logits, state = step(last, state)
        last = logits.argmax(-1)
        greedy.append(int(last[0]))
        if last[0] == 0:
            break
    said, _ = beam_search(network(seed), start(1), 1, LENGTH)
    assert said[0].tolist() == greedy + [0] * (LENGTH - len(greedy))


def test_an_ended_sentence_stays_as_it_is():
    def step(words, state):  # 0 at once is half as likely as a long sentence of ones
        logits = np.log(np.tile([0.4, 0.6, 1e-9, 1e-9], (len(words), 1))).astype(np.float32)
        return logits, state

    said, scores = beam_search(step, {}, 3, 3)
    assert said.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 1]]
    np.testing.assert_allclose(np.exp(scores), [0.4, 0.24, 0.216], rtol=1e-5)


@pytest.mark.parametrize("beam", [1, 3, 40])
def test_words_that_are_never_said(beam):
    said, scores = beam_search(network(3), start(beam), beam, LENGTH, never=(2,))
    assert not (said[scores > -1e8] == 2).any()
    assert tuple(said[0]) in dict(by_hand(network(3), never=(2,)))


def test_equal_scores_keep_their_order():
    def step(words, state):
        return np.zeros((len(words), 5), np.float32), state

    said, _ = beam_search(step, {}, 3, 1)
    assert said[:, 0].tolist() == [0, 1, 2]
