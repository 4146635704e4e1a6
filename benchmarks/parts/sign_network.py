"""The classifier of traffic signs that benchmarks/signs.py attacks, and how it is trained.

    signs, split by track ──turned, pulled, shifted, lit, blurred──> network

Its pictures are varied by TensorFlow's own perspective, so that it knows nothing of the camera that judges.
"""

import time
from typing import Any

import numpy as np

BATCH, RATE = 64, 2e-3
CORNERS = np.array([[0, 0], [31, 0], [0, 31], [31, 31]], np.float32)


def split_tracks(y: np.ndarray, track: np.ndarray, share: float = 0.2) -> np.ndarray:
    """Whether each picture is of a track that is kept for validation, bool [N]."""
    key = y.astype(np.int64) * 100_000 + track.astype(np.int64)
    tracks = np.random.default_rng(0).permutation(np.unique(key))
    return np.isin(key, tracks[: int(len(tracks) * share)])


def new_network(classes: int) -> Any:
    """The untrained classifier: three stages of two convolutions."""
    import keras

    from dimaging_tf.models.classifier import Classifier, Config

    keras.utils.set_random_seed(0)
    config = Config(
        shape=(32, 32, 3), classes=classes, channels=(32, 64, 128), kernel=3, units=128, dropout=0.4,
        convolutions=2, normalise=True,
    )  # fmt: skip
    return Classifier(config)


def train(model: Any, x: np.ndarray, y: np.ndarray, epochs: int, seed: int = 0) -> float:
    """Train on float32 x in [0, 1] and int y; returns the processor time, s."""
    import keras
    import tensorflow as tf
    from keras import ops

    network, classes = model.network, model.config.classes
    rng, start = np.random.default_rng(seed), time.process_time()
    optimizer = keras.optimizers.AdamW(RATE, weight_decay=1e-3)
    optimizer.build(network.trainable_variables)
    steps = max(1, epochs * (len(x) // BATCH))
    counts = np.bincount(y, minlength=classes)
    odds = 1 / np.sqrt(counts[y])
    odds /= odds.sum()

    @tf.function
    def step(image: Any, label: Any, corners: Any, light: Any, blur: Any, noise: Any) -> None:
        square = tf.tile(tf.constant(CORNERS[None]), [BATCH, 1, 1])
        image = ops.image.perspective_transform(image, square, corners, "bilinear", fill_value=0.5)
        grey = tf.reduce_mean(image, -1, keepdims=True)
        image = grey + (image - grey) * light[..., 2:]
        image = (image - 0.5) * light[..., :1] + 0.5 + light[..., 1:2]
        image += blur * (tf.nn.avg_pool2d(image, 3, 1, "SAME") - image)
        image = tf.clip_by_value(image + noise, 0.0, 1.0)
        with tf.GradientTape() as tape:
            logits = network(image, training=True)["logits"]
            loss = tf.reduce_mean(
                keras.losses.categorical_crossentropy(
                    tf.one_hot(label, classes), logits, from_logits=True, label_smoothing=0.05
                )
            )
        weights = network.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))

    for number in range(steps):
        done = number / steps
        optimizer.learning_rate = (
            RATE * min(1, number / 200 + 0.01) * max(0.005, (1 + np.cos(np.pi * done)) / 2)
        )
        chosen = rng.choice(len(x), BATCH, p=odds)
        light = [rng.uniform(*span, BATCH) for span in ((0.5, 1.5), (-0.25, 0.25), (0.4, 1.5))]
        step(
            tf.constant(x[chosen]),
            tf.constant(y[chosen].astype(np.int64)),
            tf.constant(_corners(rng)),
            tf.constant(np.stack(light, -1)[:, None, None].astype(np.float32)),
            tf.constant(rng.uniform(-0.3, 1, (BATCH, 1, 1, 1)).astype(np.float32)),
            tf.constant(rng.normal(0, 0.03, (BATCH, 32, 32, 3)).astype(np.float32)),
        )
    return time.process_time() - start


def _corners(rng: np.random.Generator) -> np.ndarray:
    """Where the corners of each picture land: turned, zoomed, shifted, pulled."""
    angle = rng.normal(0, np.deg2rad(7), BATCH)
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], -1).reshape(
        BATCH, 2, 2
    )
    zoom = rng.uniform(0.8, 1.2, (BATCH, 1, 1)) * rng.uniform(0.85, 1.15, (BATCH, 1, 2))
    points = np.repeat((CORNERS - 15.5)[None], BATCH, 0)
    moved = (points * zoom) @ turn + 15.5
    moved += rng.uniform(-2.5, 2.5, (BATCH, 1, 2)) + rng.uniform(-3, 3, (BATCH, 4, 2))
    return moved.astype(np.float32)
