"""CIDEr-D, how well captions agree with what several people said (Vedantam et al. 2015, arXiv 1411.5726).

    caption, references ──n-grams, n = 1 .. 4──> counts x idf ──> clipped cosine x penalty of length

An n-gram weighs more the fewer images have it in their references, so "a man in a" gains nothing. The score
is the mean over n and over the references of an image, times 10: 0 nothing in common, 10 the only reference.
BLEU of one constant sentence is as high as that of real captions on a small set; this is not.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from dimaging_edge.common.words import split_words

NGRAMS = (1, 2, 3, 4)
SIGMA = 6.0
"""Spread of the penalty for another length, in n-grams."""
Counts = list[Counter[tuple[str, ...]]]
"""How often each n-gram occurs in a sentence, for n = 1, 2, 3, 4."""


def cider_d(captions: Sequence[str], references: Sequence[Sequence[str]]) -> np.ndarray:
    """Return the CIDEr-D of each caption, float64 [N]; the rarity of n-grams is that in all `references`.

    references: what people said of each image. ValueError for lists of different lengths, or an image without
    references.
    """
    if len(captions) != len(references) or not all(references):
        raise ValueError(
            f"expected references for each of the {len(captions)} captions. Received: {len(references)}, "
            f"the least {min(map(len, references), default=0)}"
        )
    known = [[_counts(text) for text in texts] for texts in references]
    seen = Counter(gram for image in known for gram in {g for c in image for n in c for g in n})
    weights = {gram: np.log(len(references)) - np.log(count) for gram, count in seen.items()}
    rare = float(np.log(len(references)))
    scores = []
    for caption, image in zip(captions, known, strict=True):
        own = _counts(caption)
        scores.append(np.mean([_similarity(own, told, weights, rare) for told in image]))
    return 10 * np.array(scores)


def _counts(text: str) -> Counts:
    words = split_words(text)
    return [Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1)) for n in NGRAMS]


def _similarity(own: Counts, told: Counts, weights: dict, rare: float) -> float:
    """Return the mean over n of the cosine of weighted counts, in which no n-gram counts more than told."""
    found = []
    for mine, theirs in zip(own, told, strict=True):
        a = {gram: count * weights.get(gram, rare) for gram, count in mine.items()}
        b = {gram: count * weights[gram] for gram, count in theirs.items()}
        norm = np.sqrt(sum(v * v for v in a.values()) * sum(v * v for v in b.values()))
        common = sum(min(a[gram], b[gram]) * b[gram] for gram in a.keys() & b.keys())
        found.append(common / norm if norm else 0.0)
    # As the reference implementation does, lengths are counted in pairs of words.
    difference = sum(own[1].values()) - sum(told[1].values())
    return float(np.mean(found) * np.exp(-(difference**2) / (2 * SIGMA**2)))
