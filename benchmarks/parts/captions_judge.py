"""The judge of StackGAN's pictures: a classifier of attributes, trained apart, on renders alone."""

from collections.abc import Mapping

import keras
import numpy as np
from keras import layers

from dimaging_tf.data.captioned import Captioned


def renders(data: Captioned, combinations: np.ndarray, seed: int) -> np.ndarray:
    """A picture of each combination [N, attributes]: float32 [N, 64, 64, 3] in [0, 1]."""
    rngs = [np.random.default_rng([seed, 7, i]) for i in range(len(combinations))]
    return data.render(combinations, 64, rngs, None).astype(np.float32) / np.float32(255)


def tokens(data: Captioned, combinations: np.ndarray, seed: int) -> np.ndarray:
    """A caption of each combination, any phrasing: int32 [N, length]."""
    rng = np.random.default_rng(seed)
    known = [data.captions(tuple(a)) for a in combinations]
    return data.tokens([each[rng.integers(len(each))] for each in known])


def build(counts: Mapping[str, int]) -> keras.Model:
    """Image -> logits of each attribute, and "features" [B, 64]."""
    image = keras.Input((64, 64, 3))
    x = layers.Rescaling(2.0, -1.0)(image)
    for filters in (16, 32, 48, 64):
        x = layers.Conv2D(filters, 4, 2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    features = layers.Dense(64, activation="relu")(layers.Flatten()(x))
    heads = {name: layers.Dense(k, name=name)(features) for name, k in counts.items()}
    return keras.Model(image, {**heads, "features": features})


def train(data: Captioned, count: int, epochs: int, seed: int = 100) -> keras.Model:
    """Fit a judge on `count` renders of all combinations."""
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    combinations = data.combinations[rng.integers(0, len(data.combinations), count)]
    judge = build(data.counts)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * count // 100)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    heads = keras.Model(judge.input, {n: judge.output[n] for n in data.counts})
    heads.compile(keras.optimizers.Adam(rate), dict.fromkeys(data.counts, loss), jit_compile=False)
    told = dict(zip(data.counts, combinations.T, strict=True))
    heads.fit(renders(data, combinations, seed), told, batch_size=100, epochs=epochs, verbose=0)
    return judge


def read(judge: keras.Model, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(combinations [N, attributes], features [N, 64]) of pictures [N, 64, 64, 3]."""
    parts = [judge(x, training=False) for x in np.array_split(image, max(1, len(image) // 200))]
    found = {n: np.concatenate([np.asarray(p[n]) for p in parts]) for n in parts[0]}
    features = found.pop("features")
    return np.stack([logits.argmax(-1) for logits in found.values()], 1), features
