"""Captioned pictures of every combination of a few attributes; one combination in five is held out.

    attributes (2, 0, 1, ..) ─┬─ render ─────────────────────────> image
                              └─ names, put into a phrasing ─────> caption

Held out are the combinations whose indices sum to a multiple of 5: every word, every pair of attributes
and most triples are seen in training, so that a model can compose what it never saw together.

image uint8 [N, S, S, channels]; label int32 [N, length]: the caption, as `dimaging_tf.data.words` numbers it.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dimaging_tf.data import words as text
from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.errors import DataError

Attributes = tuple[int, ...]
"""A combination: the index of each attribute's value."""


@dataclass(frozen=True)
class Captioned:
    """A family of captioned pictures: its attributes, what is said of them, and what is drawn."""

    name: str
    counts: Mapping[str, int]  # attribute -> how many values it has
    phrasings: Sequence[str]
    names: Callable[[Attributes], list[dict[str, str]]]  # all ways to fill a phrasing
    render: Callable[[np.ndarray, int, Sequence[np.random.Generator], str | None], np.ndarray]
    """The function that draws: its arguments are combinations [N, attributes], the side in pixels, a
    generator for each picture, and a name to keep them by; it returns uint8 [N, side, side, channels]."""
    length: int  # words of the longest caption, and some room
    train: int
    valid: int
    licence: str
    summary: str
    side: int = 64  # pixels, where nobody says how many
    hold: bool = True  # whether one combination in five is held out; else all are in both splits

    @cached_property
    def combinations(self) -> np.ndarray:
        """All combinations of attributes, int [combinations, attributes]."""
        return np.array(list(itertools.product(*map(range, self.counts.values()))))

    @cached_property
    def held_out(self) -> np.ndarray:
        """Which combinations are in the valid split, and absent from training: bool [combinations]."""
        return (self.combinations.sum(1) % 5 == 0) & self.hold

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The vocabulary of all captions; no other word occurs."""
        return text.vocabulary(c for a in self.combinations for c in self.captions(tuple(a)))

    def captions(self, attributes: Attributes) -> list[str]:
        """Return every caption of a combination."""
        return [p.format(**names) for names in self.names(attributes) for p in self.phrasings]

    def caption(self, attributes: Attributes, rng: np.random.Generator) -> str:
        """Return one caption of a combination, chosen by `rng`."""
        names = self.names(attributes)
        phrasing = self.phrasings[int(rng.integers(len(self.phrasings)))]
        return phrasing.format(**names[rng.integers(len(names))])

    def tokens(self, captions: Sequence[str]) -> np.ndarray:
        """Return the captions as the numbers of their words, int32 [N, length]."""
        return text.encode(captions, self.words, self.length)

    def attributes_of(self, label: np.ndarray) -> np.ndarray:
        """Return the combinations [N, attributes] that captions int32 [N, length] speak of."""
        return np.array([self._known[caption] for caption in text.decode(label, self.words)])

    def exact(self, said: Sequence[str], label: np.ndarray) -> np.ndarray:
        """Return whether each sentence is a caption of what `label` int32 [N, length] speaks of, bool [N].

        Every phrasing and every name of an attribute counts, and nothing else does.
        """
        meant = [self._known.get(" ".join(text.split_words(sentence))) for sentence in said]
        truth = map(tuple, self.attributes_of(label).tolist())
        return np.array([a == b for a, b in zip(meant, truth, strict=True)])

    @cached_property
    def _known(self) -> dict[str, Attributes]:
        """The combination that each caption speaks of."""
        return {
            " ".join(text.split_words(caption)): attributes
            for attributes in map(tuple, self.combinations.tolist())
            for caption in self.captions(attributes)
        }

    def load(
        self,
        size: int | None = None,
        *,
        train: int | None = None,
        valid: int | None = None,
        seed: int = 0,
    ) -> Dataset:
        """Draw `train` pictures of seen combinations and `valid` of held-out ones, if any, from `seed`.

        Picture i is the same however many there are.
        """
        size = self.side if size is None else size
        if size < 16:
            raise DataError(f"{self.name} have at least 16 pixels a side; received size={size}")
        kinds = (
            (train or self.train, self.combinations[~self.held_out]),
            (valid or self.valid, self.combinations[self.held_out | (not self.hold)]),
        )
        splits = []
        for stream, (count, combinations) in enumerate(kinds):
            chosen = combinations[np.arange(count) % len(combinations)]
            rngs = [np.random.default_rng([seed, stream, i]) for i in range(count)]
            told = [self.caption(tuple(a), rng) for a, rng in zip(chosen, rngs, strict=True)]
            image = self.render(chosen, size, rngs, f"{self.name}-{seed}-{stream}")
            splits.append(Split(image, self.tokens(told)))
        return Dataset(
            self.name,
            *splits,
            licence=self.licence,
            source=f"drawn by dimaging_tf.data with seed {seed}",
            summary=f"{size} x {size} {self.summary}",
            words=self.words,
        )
