"""Small PixelCNNs that the tests of training, of export and of samplers share; one row per network."""

from typing import Any

import numpy as np

from dimaging_tf.models.pixelcnn import Config, PixelCNN

SMALL: dict[str, Any] = {"blocks": 2, "filters": 6, "middle": 6, "head": 6, "entry": 3}
ROWS = {
    "residual": Config((6, 5, 1), **SMALL),
    "wide": Config((5, 6, 1), **{**SMALL, "entry": 5, "kernel": 5}),
    "gated": Config((6, 5, 1), stacks="gated", **SMALL),
    "softmax": Config((5, 5, 1), levels=5, **SMALL),
    "colour": Config((4, 4, 3), levels=3, **SMALL),
    "colour-gated": Config((4, 4, 3), levels=3, stacks="gated", **SMALL),
    "mixture": Config((5, 4, 1), levels=256, components=3, **SMALL),
    "mixture-colour": Config((4, 4, 3), levels=256, components=3, **SMALL),
    "label": Config((5, 5, 1), classes=3, **SMALL),
    "label-gated": Config((5, 5, 1), classes=3, stacks="gated", **SMALL),
}


def random_model(config: Config, seed: int = 0) -> PixelCNN:
    """Random weights, large enough that every tap counts."""
    model = PixelCNN(config)
    rng = np.random.default_rng(seed)
    for weight in model.network.weights:
        weight.assign(rng.normal(size=weight.shape, scale=0.3))
    return model
