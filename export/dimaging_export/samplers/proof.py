"""The proof of a sampler, and an example that every device must reproduce.

A sampler needs no reference sampler to be proven: every pixel of its image must be what Keras draws there
from that same image and noise. Only the one sequential sample has this property.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from dimaging_export.errors import ParityError
from dimaging_export.prove.inputs import BATCHES
from dimaging_export.prove.runners import Arrays, Graph
from dimaging_tf.density.base import ExplicitDensity, uniform

MARGINS = (1e-4, 1e-5, 1e-6)
"""Distances, largest first, that the noise of an example keeps from where a pixel's value would change."""

_SHIFTS = {"fp32": (0, -1e-5, 1e-5), "integer": (0,)}
"""Precision -> what is added to the noise: where float32 may tip a pixel, either value passes."""


class Reference:
    """The reference draws in Keras, at every pixel of an image, given the image before it.

    For an image that another sampler drew as well, it does not run the network again.
    """

    def __init__(self, model: ExplicitDensity):
        self.model = model
        self._parameters: dict[bytes, Any] = {}

    def draw(self, image: np.ndarray, feed: Arrays, shifts: Sequence[float]) -> list[np.ndarray]:
        """Draw from the noise, canvas, mask and condition of `feed`, with each shift added to the noise."""
        condition = feed.get(self.model.condition)
        key = image.tobytes() + (b"" if condition is None else condition.tobytes())
        if key not in self._parameters:
            self._parameters[key] = self.model.parameters(image, condition)
        images = []
        for shift in shifts:
            noise = np.clip(feed["noise"] + np.float32(shift), 1e-9, 1 - 1e-7).astype(np.float32)
            drawn = self.model.likelihood.draw(self._parameters[key], tf.constant(noise)).numpy()
            images.append(np.where(feed["mask"] > 0.5, feed["canvas"], drawn))
        return images


def prove_sampler(
    reference: Reference, name: str, run: Graph, real: Arrays, precision: str
) -> dict[str, float]:
    """Draw with and without a canvas at every batch, and compare each pixel with what Keras draws there.

    run: the sampler called `name`. real: inputs of the density graph, batch first. Returns the largest
    difference and the allowed one; ParityError where a pixel differs.
    """
    model = reference.model
    step = 1 / (model.likelihood.levels - 1)
    worst = 0.0
    for batch in BATCHES:
        for occluded in (False, True):
            feed = _feed(model, real, batch, seed=batch, occluded=occluded)
            image = run(feed)["image"]
            drawn = reference.draw(image, feed, _SHIFTS[precision])
            apart = np.min([np.abs(image - x) for x in drawn], 0)
            if wrong := int((apart > step / 2).sum()):
                raise ParityError(
                    f"graph {name!r}: {wrong} of {image.size} values are not what Keras draws from the "
                    "same image and noise. Nothing was written"
                )
            worst = max(worst, float(apart.max()))
    return {"max_abs": worst, "allowed": step / 2}


def example(reference: Reference, run: Graph, real: Arrays) -> Arrays:
    """Return inputs of one image and the image, drawn with noise near which no pixel's value changes.

    So all devices must agree on it. run, real: as in `prove_sampler`.
    """
    for margin in MARGINS:
        for seed in range(20):
            feed = _feed(reference.model, real, 1, seed)
            image = run(feed)["image"]
            drawn = reference.draw(image, feed, (-margin, margin))
            if all(np.abs(image - x).max() < 1e-6 for x in drawn):
                return {**feed, "image": image}
    return {**feed, "image": image}


def _feed(model: Any, real: Arrays, batch: int, seed: int, occluded: bool = False) -> Arrays:
    """Make noise, a canvas of which a third is kept or nothing, and the conditions of real images."""
    rng = np.random.default_rng(seed)
    size = (batch, *model.config.shape[:2])
    index = np.arange(batch) % max(1, len(real.get("image", ())))
    feed = {
        "noise": uniform(rng, (*size, model.likelihood.noise)),
        "canvas": np.zeros((*size, model.config.shape[2]), np.float32),
        "mask": np.zeros((*size, 1), np.float32),
    }
    if "image" in real and occluded:
        feed["canvas"] = real["image"][index]
        feed["mask"] = (rng.random((*size, 1)) < 1 / 3).astype(np.float32)
    if model.condition:
        known = real.get(model.condition)
        feed[model.condition] = model.default_condition(batch) if known is None else known[index]
    return feed
