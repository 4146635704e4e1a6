"""Captions to pictures by three graphs in a row, as `dimaging_edge.generate.captions` does on a device.

    tokens ──text_encoder──> text ──stage1, with noise──> low ──stage2, with noise──> image

tokens: int32 [N, length], padded with 0 in front of the words; image: float32 [N, H, W, C] in [0, 1].
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dimaging_tf.data import words
from dimaging_tf.deployable import DeployableModel


class TextToImage(DeployableModel):
    """Base of a model with the three graphs text_encoder, stage1 and stage2."""

    picture_rows = ("real", "stage I", "stage II", "stage I", "stage II")
    config: Any
    """Its Config names the words, the length of a caption, and the lengths of both noises."""
    matcher: Any
    """The `CaptionMatcher` that says which pictures fit their captions."""

    def files(self):
        """Return words.txt, the vocabulary: word k is in line k, counted from 1."""
        return {"words.txt": "".join(f"{word}\n" for word in self.config.words).encode()}

    def examples(self, image, label=None, seed=0):
        """Return the inputs of all three graphs, for captions `label` int32 [N, length]."""
        return self.inputs(self.run, _captions(label), seed)

    def inputs(self, run: Any, tokens: np.ndarray, seed: int) -> dict[str, Any]:
        """Return the inputs of every graph, made of what `run` computes for the graphs before it."""
        config, count = self.config, len(tokens)
        rng = np.random.default_rng(seed)
        noise = [
            rng.standard_normal((count, n), np.float32)
            for n in (config.noise_dim, config.condition_dim, config.condition_dim)
        ]
        found = run("text_encoder", tokens=tokens)["text"]
        one = {"text": found, "condition_noise": noise[1], "noise": noise[0]}
        low = run("stage1", **one)["low"]
        two = {"text": found, "condition_noise": noise[2], "low": low}
        return {"text_encoder": {"tokens": tokens}, "stage1": one, "stage2": two}

    def draw(self, tokens: np.ndarray, seed: int = 0, run: Any = None) -> np.ndarray:
        """Draw a picture for each row of tokens int32 [N, length]: float32 [N, H, W, C] in [0, 1]."""
        run = run or self.run
        parts = np.array_split(tokens, max(1, len(tokens) // 256))
        inputs = (self.inputs(run, part, seed + i) for i, part in enumerate(parts))
        return np.concatenate([run("stage2", **x["stage2"])["image"] for x in inputs])

    def imagine(self, captions: str | Sequence[str], n: int = 1, seed: int = 0) -> np.ndarray:
        """Draw each caption n times: [captions * n, H, W, C] in [0, 1].

        DataError for a word that the model does not know, with the words that it knows.
        """
        captions = [captions] if isinstance(captions, str) else captions
        tokens = words.encode(captions, self.config.words, self.config.length)
        return self.draw(np.repeat(tokens, n, 0), seed)

    def score(self, run, image, label=None, seed=0):
        """Return the R-precision: the share of drawn pictures whose own caption fits best of all given."""
        tokens = _captions(label)
        drawn = self.draw(tokens, seed, run)
        found = self.run("text_encoder", tokens=tokens)["text"]
        return float(np.mean(self.matcher.hits(drawn, found)))

    def picture(self, image, label=None, seed=0):
        """Return rows: real pictures, then twice what stage I (enlarged) and II draw for their captions."""
        tokens = _captions(label)[:8]
        rows = [image[:8]]
        for i in range(2):
            inputs = self.inputs(self.run, tokens, seed + i)["stage2"]
            low = inputs["low"].repeat(self.config.factor, 1).repeat(self.config.factor, 2)
            rows += [low, self.run("stage2", **inputs)["image"]]
        return np.stack(rows)


def _captions(label: Any) -> np.ndarray:
    """Return captions as int32 [N, length]; ValueError for labels of another kind."""
    if label is None or np.ndim(label) != 2:
        raise ValueError(
            "stackgan: expected captions, int32 [N, words] (such as those of --data shapes)"
        )
    return np.asarray(label, np.int32)
