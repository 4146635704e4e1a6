"""The judge of StackGAN's pictures: a classifier of attributes, trained apart, on renders alone."""

import keras
import numpy as np
from keras import layers

from dimaging_tf.data import shapes


def renders(combinations: np.ndarray, seed: int) -> np.ndarray:
    """A picture of each row of attributes [N, 4]: float32 [N, 64, 64, 3] in [0, 1]."""
    rngs = (np.random.default_rng([seed, 7, i]) for i in range(len(combinations)))
    drawn = [shapes.draw(tuple(a), 64, rng) for a, rng in zip(combinations, rngs, strict=True)]
    return np.stack(drawn).astype(np.float32) / np.float32(255)


def tokens(combinations: np.ndarray, seed: int) -> np.ndarray:
    """A caption of each row of attributes, any phrasing: int32 [N, LENGTH]."""
    rng = np.random.default_rng(seed)
    known = [shapes.captions(tuple(a)) for a in combinations]
    chosen = [each[rng.integers(len(each))] for each in known]
    return shapes.text.encode(chosen, shapes.WORDS, shapes.LENGTH)


def build() -> keras.Model:
    """Image -> logits of shape, colour, size, position, and "features" [B, 64]."""
    image = keras.Input((64, 64, 3))
    x = layers.Rescaling(2.0, -1.0)(image)
    for filters in (16, 32, 48, 64):
        x = layers.Conv2D(filters, 4, 2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    features = layers.Dense(64, activation="relu")(layers.Flatten()(x))
    counts = (shapes.COMBINATIONS.max(0) + 1).tolist()
    heads = {
        n: layers.Dense(k, name=n)(features) for n, k in zip(shapes.ATTRIBUTES, counts, strict=True)
    }
    return keras.Model(image, {**heads, "features": features})


def train(count: int, epochs: int, seed: int = 100) -> keras.Model:
    """Fit a judge on `count` renders of all combinations."""
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    combinations = shapes.COMBINATIONS[rng.integers(0, len(shapes.COMBINATIONS), count)]
    judge = build()
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * count // 100)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    heads = keras.Model(judge.input, {n: judge.output[n] for n in shapes.ATTRIBUTES})
    heads.compile(
        keras.optimizers.Adam(rate), dict.fromkeys(shapes.ATTRIBUTES, loss), jit_compile=False
    )
    told = dict(zip(shapes.ATTRIBUTES, combinations.T, strict=True))
    heads.fit(renders(combinations, seed), told, batch_size=100, epochs=epochs, verbose=0)
    return judge


def read(judge: keras.Model, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(attributes [N, 4], features [N, 64]) of pictures [N, 64, 64, 3]."""
    parts = [judge(x, training=False) for x in np.array_split(image, max(1, len(image) // 200))]
    found = {n: np.concatenate([np.asarray(p[n]) for p in parts]) for n in parts[0]}
    return np.stack([found[n].argmax(-1) for n in shapes.ATTRIBUTES], 1), found["features"]
