"""The PixelCNNs of the table that the tests of densities and of samplers share; one row per network."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import table
from table import TABLE

from dimaging_tf.density.base import uniform
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


def feed_of(model: PixelCNN, batch: int) -> dict[str, Any]:
    """Return the inputs of a sampler: noise, a canvas, a mask of what is known, and perhaps a condition."""
    rng = np.random.default_rng(batch)
    image = rng.random((batch, *model.config.shape), np.float32)
    canvas, told = model.prepared(image, np.arange(batch) % 3)
    mask = (rng.random((batch, *canvas.shape[1:3], 1)) < 0.3).astype(np.float32)
    noise = uniform(rng, (*canvas.shape[:3], model.likelihood.noise))
    feed = {"noise": noise, "canvas": canvas, "mask": mask}
    return feed | ({model.condition: told} if model.condition else {})


def drawn_by_keras(model: PixelCNN, feed: dict[str, np.ndarray]) -> np.ndarray:
    """Return the images that the model draws in Keras from the inputs of a sampler."""
    images: Any = {k: feed[k] for k in ("noise", "canvas", "mask")}
    return model.sample(len(feed["noise"]), condition=feed.get(model.condition), **images)


def run_file(file: onnx.ModelProto, feed: Any, output: str = "image") -> np.ndarray:
    """Return one output of a model in onnxruntime."""
    session = onnxruntime.InferenceSession(file.SerializeToString())
    return session.run([output], feed)[0]
