"""FGSM with a random start and PGD inside a `train_step`: images that a classifier is to learn from.

    image + noise in [-eps, eps] ──steps x: + step * sign(gradient of the margin), clipped──> attacked image

One step is FGSM-RS (Wong, Rice and Kolter 2020, arXiv 2001.03994), several are PGD (Madry et al. 2018, arXiv
1706.06083). The gradient is that of the margin, which float32 does not lose where a softmax saturates.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from dimaging_edge.common.errors import InputError


def logits_in(found: Any) -> Any:
    """Return the output "logits" of a model, or its only one; InputError where several have other names."""
    if isinstance(found, dict) and "logits" in found:
        return found["logits"]
    outputs = tf.nest.flatten(found)
    if len(outputs) != 1:
        names = ", ".join(found) if isinstance(found, dict) else f"{len(outputs)} without names"
        raise InputError(
            "an attack needs the logits of a classifier: one output, or the one called 'logits' of a dict; "
            f"the model gives {names}. Make one of it: keras.Model(model.input, model.output[...])"
        )
    return outputs[0]


def margin(logits: Any, label: Any) -> Any:
    """Return logsumexp over j != y of z_j, minus z_y: logits [B, classes], label int [B] -> [B].

    The cross-entropy is softplus of it.
    """
    own = tf.one_hot(label, tf.shape(logits)[-1], on_value=True, off_value=False)
    lowest = tf.fill(tf.shape(logits), logits.dtype.min)
    others = tf.reduce_logsumexp(tf.where(own, lowest, logits), -1)
    return others - tf.reduce_sum(tf.where(own, logits, tf.zeros_like(logits)), -1)


def attacked(
    logits_of: Callable[[Any], Any],
    image: Any,
    label: Any,
    noise: Any,
    *,
    eps: float,
    step: float,
    steps: int = 1,
    objective: Callable[[Any], Any] | None = None,
) -> Any:
    """Return images within eps (linf) of `image` and in [0, 1] that the classifier finds harder.

    logits_of   images [B, H, W, C] -> logits [B, classes]
    image       float32 in [0, 1]; label int [B]
    noise       uniform in [0, 1), like image: the random start
    step        length of one step, in the unit of the image
    objective   logits -> what the attack makes large [B]; by default the margin

    No gradient flows through the result.
    """
    low, high = tf.maximum(image - eps, 0.0), tf.minimum(image + eps, 1.0)
    moved = tf.clip_by_value(image + eps * (2.0 * noise - 1.0), low, high)
    for _ in range(steps):
        with tf.GradientTape() as tape:
            tape.watch(moved)
            logits = logits_of(moved)
            loss = margin(logits, label) if objective is None else objective(logits)
        gradient: Any = tape.gradient(loss, moved)
        moved = tf.clip_by_value(moved + step * tf.sign(gradient), low, high)
    return tf.stop_gradient(moved)
