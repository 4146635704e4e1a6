"""The proof of a gradient: against Keras in float64 where there is Keras, else against the file's own margin.

    float32      no decided sign differs from float64; a pixel is decided where its gradient is more than
                 1/1000 of the image's largest, for an attack of one step moves it that way. In a deep network
                 some of a million ReLUs lie so near to 0 that float32 rounds them to the other side; where
                 Keras in float32 has wrong signs for that reason, the file may have a few too
    fp16, int8   the median cosine to the float gradient is at least .99 and .9: theirs is another function

Without Keras the margin must grow along the gradient as fast as its length says.
"""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from dimaging_edge.attacks.table import are_probabilities

from dimaging_export.errors import ExportError, ParityError
from dimaging_export.gradient.prepare import GRADIENT, IMAGE, LABEL, LOGITS, MARGIN
from dimaging_export.graph.interface import names_of
from dimaging_export.graph.trace import plain
from dimaging_export.prove.runners import Arrays, Graph
from dimaging_tf.attacks.training import logits_in, margin

DECIDED = 1e-3
"""Share of an image's largest gradient above which a pixel's sign is decided."""
COSINES = {"fp16": 0.99, "int8": 0.9}
"""Precision -> least median cosine to the float gradient."""
_FLIPPED = 1e-4
"""Largest share of decided signs that may differ where Keras' own float32 gradient has wrong ones too."""
_STEPS = (0.3, 0.1, 0.03, 0.01)
"""Lengths of the steps that are tried along the gradient, in units of the image's values."""
_AGREES = 0.05
"""Largest relative difference between the gradient's length and the margin's growth."""


def keras_gradient(graph: keras.Model) -> Callable[[np.ndarray, np.ndarray], Arrays]:
    """Return a function (image [N, ...], label int [N]) -> gradient, margin, logits, in Keras and float64."""
    clone, names = in_float64(graph), names_of(graph)[1]

    def run(image: np.ndarray, label: np.ndarray) -> Arrays:
        x = tf.constant(image, tf.float64)
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = keras.tree.flatten(clone(x, training=False))
            logits = logits_in(dict(zip(names, outputs, strict=True)))
            behind = margin(logits, label)
        found = {GRADIENT: tape.gradient(behind, x), MARGIN: behind, LOGITS: logits}
        return {name: np.asarray(value) for name, value in found.items()}

    return run


def in_float64(graph: keras.Model) -> keras.Model:
    """Return a functional model with the same weights that computes in float64."""

    def wide(layer: keras.Layer) -> keras.Layer:
        return type(layer).from_config({**layer.get_config(), "dtype": "float64"})

    bare = plain(graph)
    clone = keras.models.clone_model(bare, clone_function=wide)
    clone.set_weights(bare.get_weights())
    return clone


def prove_gradient(
    found: np.ndarray,
    expected: np.ndarray,
    precision: str,
    in_float32: Callable[[], np.ndarray] | None = None,
) -> None:
    """Raise ParityError with the figures where gradients [N, ...] of the file are not those expected.

    in_float32: returns Keras' gradient in float32, which is asked for where a sign differs.
    """
    a, b = (g.reshape(len(g), -1).astype(np.float64) for g in (found, expected))
    if not np.isfinite(a).all():
        raise ParityError("the gradient of the file holds NaN or infinity. Nothing was written")
    if precision in COSINES:
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        cosine = float(np.median((a * b).sum(1) / np.maximum(lengths, 1e-300)))
        if not cosine >= COSINES[precision]:
            raise ParityError(
                f"the gradient in {precision} has a median cosine of {cosine:.3f} to that of Keras, needs "
                f"{COSINES[precision]}. Nothing was written; export the gradient with precision='fp32'"
            )
        return
    decided = np.abs(b) > DECIDED * np.abs(b).max(1, keepdims=True)

    def differing(gradient: np.ndarray) -> int:
        return int((np.sign(gradient.reshape(b.shape)) != np.sign(b))[decided].sum())

    wrong = differing(a)
    if wrong and wrong <= _FLIPPED * decided.sum() and in_float32 and differing(in_float32()):
        return
    if wrong:
        raise ParityError(
            f"{wrong} of {int(decided.sum())} decided signs of the gradient differ from Keras in float64; "
            "expected 0. Nothing was written"
        )


def check_logits(logits: np.ndarray) -> None:
    """Raise ExportError where [N, classes] are probabilities, whose softmax would hide the gradient."""
    if are_probabilities(logits):
        raise ExportError(
            "the outputs lie in [0, 1] and add up to 1 for every image: they are probabilities, and an "
            "attack needs logits. Export the model without its last activation (of Keras: "
            "model.layers[-1].activation = keras.activations.linear), or name the output that holds them: "
            "logits= (dimaging gradient --logits NAME)"
        )


def check_growth(run: Graph, image: np.ndarray, label: np.ndarray) -> float:
    """Return the median relative difference between the gradient's length and the margin's growth along it.

    Raises ParityError where it is more than 5 %: then some rule does not fit the file.
    """
    start = run({IMAGE: image, LABEL: label})
    check_logits(start[LOGITS])
    flat = start[GRADIENT].reshape(len(image), -1).astype(np.float64)
    length = np.linalg.norm(flat, axis=1)
    if not np.isfinite(length).all() or not length.all():
        raise ParityError(
            f"the gradient of {IMAGE!r} is 0, NaN or infinite on seeded images, so no attack can follow it; "
            "are the weights trained, and finite? Nothing was written"
        )
    along = (flat / length[:, None]).reshape(image.shape)
    errors = []
    for step in _STEPS:
        ends = [
            run({IMAGE: (image + sign * step * along).astype(np.float32), LABEL: label})[MARGIN]
            for sign in (1, -1)
        ]
        growth = (ends[0].astype(np.float64) - ends[1]) / (2 * step)
        errors.append(np.abs(growth - length) / length)
    error = float(np.median(np.min(errors, axis=0)))
    if not error <= _AGREES:
        raise ParityError(
            f"along its gradient the margin grows {error:.0%} faster or slower than the gradient says, "
            f"allowed {_AGREES:.0%}. Please report the file"
        )
    return error
