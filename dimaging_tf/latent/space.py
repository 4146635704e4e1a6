"""The latent space of a model: decode, and encode by its encoder or else by inversion.

    VAE, autoencoder    encoder: image -> mean (or code)          decoder: z (or code) -> image
    GAN, DCGAN          inversion: min_z |G(z) - image|^2         generator: z -> image

Inversion (lecture: a GAN has no way back from a picture to its code): Adam on the code from several
starts, the best kept; Zhu et al. 2016, arXiv 1609.03552; Creswell and Bharath 2016, arXiv 1611.05644.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dimaging_tf.errors import DataError

CANDIDATES = 256
"""The number of random codes among which an inversion chooses its starts."""


@dataclass(frozen=True)
class Space:
    """A latent space: codes float32 [N, size], and images float32 [N, h, w, C] in [0, 1]."""

    size: int  # length of a code
    decode: Callable[[np.ndarray], np.ndarray]  # codes -> images
    encode: Callable[[np.ndarray], np.ndarray]  # images -> codes
    has_encoder: bool  # without an encoder, `encode` inverts the generator, which takes seconds

    def draw(self, n: int, seed: int = 0) -> np.ndarray:
        """Draw n codes from the prior; code i does not depend on n, and is that of `model.sample`."""
        return np.random.default_rng(seed).standard_normal((n, self.size), np.float32)


def open_space(model: Any, label: int | None = None, *, seed: int = 0) -> Space:
    """Return the latent space of a `DeployableModel`, or of anything else with `graphs()`.

    label    the class that a conditional generator draws
    seed     the seed of an inversion's starts

    DataError where the model has neither a decoder nor a generator.
    """
    import tensorflow as tf

    graphs = model.graphs()
    name = next((n for n in ("decoder", "generator") if n in graphs), None)
    if name is None:
        raise DataError(
            f"latent arithmetic needs a graph called decoder or generator; this model has "
            f"{', '.join(graphs)}"
        )
    graph = graphs[name]
    code, condition = _inputs(graph, label)
    size = int(code.shape[-1])

    def image_of(z: Any) -> Any:
        z = inputs = tf.convert_to_tensor(z)
        if condition is not None:
            inputs = {code.name: z, "label": condition[None] * tf.ones_like(z[:, :1])}
        return graph(inputs, training=False)["image"]

    def decode(z: np.ndarray) -> np.ndarray:
        z = check_code(z, size)
        # At most 256 pictures at once, because a grid of many large ones would not fit in memory.
        parts = [np.asarray(image_of(z[k : k + 256])) for k in range(0, len(z), 256)]
        return np.concatenate(parts)

    def encode(image: np.ndarray) -> np.ndarray:
        if "encoder" in graphs:
            found = graphs["encoder"](image, training=False)
            return np.asarray(found["mean" if "mean" in found else "code"])
        parts = [image[k : k + 64] for k in range(0, len(image), 64)]  # as many as memory holds
        return np.concatenate([invert(image_of, size, part, seed=seed)[0] for part in parts])

    return Space(size, decode, encode, "encoder" in graphs)


def check_code(code: np.ndarray, size: int) -> np.ndarray:
    """Return the codes as float32 [N, size]; DataError for another size."""
    code = np.asarray(code, np.float32)
    if code.ndim != 2 or code.shape[1] != size:
        raise DataError(
            f"codes of this model are [N, {size}]; received {list(code.shape)} (the latent of "
            "another model, or of another setting of it?)"
        )
    return code


def invert(
    generate: Callable[[Any], Any], size: int, image: np.ndarray, *,
    starts: int = 4, steps: int = 400, rate: float = 0.3, prior: float = 1e-3, seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Search for codes whose pictures come nearest to the images: codes [N, size], errors [N].

    generate    differentiable, codes [n, size] -> images [n, h, w, C]
    image       float32 [N, h, w, C] in [0, 1]
    starts      number of searches for each image: they start at those of CANDIDATES random codes whose
                pictures are nearest, and the one that ends nearest is kept
    steps       number of steps of Adam
    rate        Adam's learning rate at the start; it falls to 0
    prior       weight of |z|^2 / size beside the mean squared error at the start; it falls to 0. It keeps
                codes where the generator was trained

    An error is the mean squared error of the code's picture.
    """
    import keras
    import tensorflow as tf

    count = len(image)
    target = tf.repeat(tf.constant(image), starts, 0)
    tried = np.random.default_rng(seed).standard_normal((CANDIDATES, size), np.float32)
    drawn = np.asarray(generate(tf.constant(tried))).reshape(len(tried), -1)
    # The part of |image - drawn|^2 that depends on the candidate.
    far = (drawn**2).sum(1) - 2 * image.reshape(count, -1) @ drawn.T
    first = tried[far.argsort(1)[:, :starts]].reshape(-1, size)
    z = keras.Variable(first, name="z")
    falling = keras.optimizers.schedules.CosineDecay(rate, steps)
    optimizer = keras.optimizers.Adam(falling, beta_2=0.95)
    optimizer.build([z])  # a compiled step may not make variables

    def error_of(code: Any) -> Any:
        return tf.reduce_mean((generate(code) - target) ** 2, [1, 2, 3])

    @tf.function
    def step(prior: Any) -> None:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(z.value)
            code = tf.convert_to_tensor(z)
            # The loss is a sum over the rows, so that no image's step depends on the others.
            loss = tf.reduce_sum(error_of(code) + prior * tf.reduce_mean(code**2, 1))
        optimizer.apply([tape.gradient(loss, z.value)], [z])

    for k in range(steps):
        step(tf.constant(prior * (1 - k / steps), tf.float32))
    error = np.asarray(error_of(tf.convert_to_tensor(z))).reshape(count, starts)
    best = error.argmin(1)
    codes = np.asarray(z).reshape(count, starts, size)[np.arange(count), best]
    return codes, error[np.arange(count), best]


def _inputs(graph: Any, label: int | None) -> tuple[Any, np.ndarray | None]:
    """Return the graph's input for codes, and the one-hot row of the class; None without classes."""
    inputs = {tensor.name: tensor for tensor in graph.inputs}
    code = inputs.get("z", inputs.get("code", graph.inputs[0]))
    if "label" not in inputs:
        return code, None
    classes = int(inputs["label"].shape[-1])
    if label is None or not 0 <= label < classes:
        raise DataError(
            f"this generator draws one of {classes} classes; expected a label from 0 to "
            f"{classes - 1}, received {label}"
        )
    return code, np.eye(classes, dtype=np.float32)[label]
