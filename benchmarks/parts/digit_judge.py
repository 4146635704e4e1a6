"""The judge of drawn digits: a classifier trained apart from any generator, and what it says of a set.

    image ─ conv 5x5/2, 32 ─ conv 3x3, 64 ─ conv 3x3/2, 64 ─ conv 3x3, 128 ─ mean ─ 128 features ─ 10 logits

Batch norm and ReLU between them, digits moved by up to two pixels in training. Its features are wide enough
that a blot, which a small classifier forces into a class, lies far from every digit. Each feature is scaled to
a standard deviation of 1 over the training images, so that distances compare from judge to judge.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SURE = 0.9
"""The probability above which the judge is sure of a digit."""


@dataclass
class Seen:
    """What the judge sees in images."""

    features: np.ndarray  # float32 [N, 128]
    odds: np.ndarray  # [N, 10], probabilities of the digits
    image: np.ndarray  # [N, 28, 28, 1]


class DigitJudge:
    """A classifier of digits, trained once and kept in a file.

    binary: on images whose pixels are drawn black or white with their grey as probability.
    """

    def __init__(self, path: Path, mnist: Any, quick: bool, binary: bool = False):
        import keras

        from dimaging_tf.data.dataset import to_float

        train, test = to_float(mnist.train.x), to_float(mnist.valid.x)
        if binary:
            train, test = binarised(train, 0), binarised(test, 1)
        if path.exists() and not quick:
            self.model: Any = keras.saving.load_model(path)
        else:
            count = 2000 if quick else len(train)
            label = mnist.train.label[:count]
            self.model = _trained(train[:count], label, epochs=1 if quick else 5)
            if not quick:
                path.parent.mkdir(parents=True, exist_ok=True)
                self.model.save(path)
        self.spread = np.float32(1)
        self.train = self.look(train[: 2000 if quick else None])
        self.spread = np.maximum(self.train.features.std(0), 1e-3)
        self.train.features /= self.spread
        self.test = self.look(test[: 500 if quick else None])
        right = self.test.odds.argmax(1) == mnist.valid.label[: len(self.test.odds)]
        self.accuracy = float(right.mean())

    def look(self, image: np.ndarray) -> Seen:
        """Images [N, 28, 28, 1] -> what it sees."""
        found = self.model.predict(image, batch_size=500, verbose=0)
        logits = found["logits"] - found["logits"].max(1, keepdims=True)
        odds = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        return Seen(found["features"] / self.spread, odds, image)

    def fid(self, seen: Seen) -> float:
        """Frechet distance to the training images."""
        from dimaging_tf.evaluation.metrics import frechet_distance

        return frechet_distance(seen.features, self.train.features)

    def precision_recall(self, seen: Seen, most: int = 10_000) -> tuple[float, float]:
        """In percent, against as many training images."""
        from dimaging_tf.evaluation.generated import precision_recall

        count = min(most, len(seen.features), len(self.train.features))
        found = precision_recall(seen.features[:count], self.train.features[:count])
        return 100 * found[0], 100 * found[1]

    def nearest(self, seen: Seen, count: int = 1000) -> float:
        """Median distance of `count` images to the nearest training image, over that of test images.

        Far below 1 they are copies; far above, nothing that was learned.
        """
        from dimaging_tf.evaluation.generated import nearest_distance

        one, other = (
            np.median(nearest_distance(x.image[:count], self.train.image))
            for x in (seen, self.test)
        )
        return float(one / other)

    def unsure(self, seen: Seen) -> float:
        """Percentage of images to none of whose digits it gives more than SURE."""
        return 100 * float((seen.odds.max(1) <= SURE).mean())

    def modes(self, seen: Seen) -> int:
        """How many digits are there: at least 2 % of the images are taken for each."""
        counts = np.bincount(seen.odds.argmax(1), minlength=10)
        return int((counts >= 0.02 * len(seen.odds)).sum())


def binarised(image: np.ndarray, seed: int) -> np.ndarray:
    """Images whose pixels are white with their grey as probability, float32 0 or 1."""
    noise = np.random.default_rng(seed).random(image.shape, np.float32)
    return (noise < image).astype(np.float32)


def judged(out: Any, judge: DigitJudge, seen: Seen, what: str, goals: dict[str, str]) -> None:
    """Add every figure of the images `what`; goals by "FID", "precision", "recall", "unsure", "modes"."""
    precision, recall = judge.precision_recall(seen)
    out.add(f"FID, {what}", judge.fid(seen), goals.get("FID", ""))
    out.add(f"precision, {what}", precision, goals.get("precision", ""), "%")
    out.add(f"recall, {what}", recall, goals.get("recall", ""), "%")
    out.add(f"the judge is unsure of, {what}", judge.unsure(seen), goals.get("unsure", ""), "%")
    out.add(f"modes, {what}", judge.modes(seen), goals.get("modes", ""), "of 10")
    nearest = judge.nearest(seen)
    out.add(f"distance to the nearest training image over a test image's, {what}", nearest)


def _trained(image: np.ndarray, label: np.ndarray, epochs: int) -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((28, 28, 1))
    for filters, size, stride in ((32, 5, 2), (64, 3, 1), (64, 3, 2), (128, 3, 1)):
        x = layers.Conv2D(filters, size, stride, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D(name="features")(x)
    model = keras.Model(inputs, {"features": x, "logits": layers.Dense(10, name="logits")(x)})
    rate = keras.optimizers.schedules.CosineDecay(3e-3, epochs * len(image) // 100)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss={"logits": loss, "features": None})
    rng = np.random.default_rng(0)
    for epoch in range(epochs):
        y, x = rng.integers(-2, 3, 2) if epoch else (0, 0)
        moved = np.roll(image, (y, x), (1, 2))  # the border of a digit is black
        model.fit(moved, {"logits": label}, batch_size=100, verbose=0)
    return model
