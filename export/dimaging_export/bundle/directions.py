"""Directions with a meaning in a latent space; they travel in the bundle: a device adds glasses without data.

    bundle.json   config.directions   {"glasses": [one number for each latent]}

A code plus a direction, times how much of it is wanted, decodes to the same picture with glasses.
"""

import numpy as np

from dimaging_export.bundle.real_images import RealData
from dimaging_export.bundle.subject import Subject
from dimaging_tf.data.dataset import to_float
from dimaging_tf.latent.faces import GLASSES, glasses_vector
from dimaging_tf.latent.space import open_space

_MOST = 1000
"""Training images that the direction is made of, at most."""
_DIGITS = 5
"""Decimal places that are written; a code has a spread of about 1."""


def latent_facts(subject: Subject, real: RealData | None) -> dict[str, dict[str, list[float]]]:
    """Return {"directions": {"glasses": ...}} of a model of faces; {} where the data tell no glasses."""
    if real is None or real.train is None or real.name not in GLASSES:
        return {}
    label = real.train.label
    if label is None or set(np.unique(label)) != {0, 1}:
        return {}
    image, has = to_float(real.train.x[:_MOST]), label[:_MOST] == 1
    if not has.any() or has.all():
        return {}
    vector = glasses_vector(open_space(subject.model), image, has)
    return {"directions": {"glasses": [round(float(value), _DIGITS) for value in vector]}}
