"""The PixelCNNs of the table that the tests of densities and of samplers share; one row per network."""

import numpy as np
import table
from table import TABLE

from dimaging_tf.models.pixelcnn import Config, PixelCNN

SMALL = table.SMALL
ROWS: dict[str, Config] = {
    row.id: row.config for row in TABLE if row.name == "pixelcnn" and not row.trained
}


def random_model(config: Config, seed: int = 0) -> PixelCNN:
    """Random weights, large enough that every tap counts."""
    model = PixelCNN(config)
    rng = np.random.default_rng(seed)
    for weight in model.network.weights:
        weight.assign(rng.normal(size=weight.shape, scale=0.3))
    return model
