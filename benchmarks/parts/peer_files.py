"""The two networks of the comparison, with seeded random weights, as the file that each peer reads."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """One network: where its files lie, what goes in, what Keras answers."""

    title: str
    graph: str  # name of the graph in the bundles
    folder: Path
    feed: np.ndarray  # float32, batch 1, as Keras takes it
    expected: np.ndarray


def build(title: str, folder: Path, quick: bool) -> Case:
    """Make the network of this title ("U-Net", "VAE decoder") and write all its files."""
    import keras

    keras.utils.set_random_seed(0)
    model, graph, feed, images, direct = _NETWORKS[title](quick)
    _randomise_biases(model)
    folder.mkdir()
    network = model.graphs()[graph]
    expected = next(iter(model.run(graph, **{network.input.name: feed}).values()))
    np.save(folder / "feed.npy", feed)
    _write_ours(model, images, folder)
    _write_direct(direct(network), folder / "direct.onnx")
    network.save(folder / "network.keras")
    examples = model.examples(images)[graph][network.input.name]
    _write_litert(network, feed.shape, examples, folder)
    return Case(title, graph, folder, feed, expected)


def _unet(quick: bool) -> tuple:
    from dimaging_tf.models.unet import UNet, padded

    from . import peer_direct

    size, width = (64, 8) if quick else (256, 32)
    config = padded(width=width, outputs=1, head="regression")  # any size, as it is deployed
    images = np.random.default_rng(0).random((4, size, size, 1), dtype=np.float32)

    def direct(network):
        return peer_direct.unet(network, config, size)

    return UNet(config), "unet", images[:1], images, direct


def _decoder(quick: bool) -> tuple:
    from dimaging_tf.models.vae import VAE

    from . import peer_direct

    model = VAE()
    rng = np.random.default_rng(0)
    images = rng.random((8, *model.config.shape), dtype=np.float32)
    z = rng.standard_normal((1, model.config.latent_dim), dtype=np.float32)
    return model, "decoder", z, images, lambda network: peer_direct.decoder(network, model.config)


_NETWORKS: dict[str, Callable[[bool], tuple]] = {"U-Net": _unet, "VAE decoder": _decoder}
TITLES = tuple(_NETWORKS)


def _randomise_biases(model: Any) -> None:
    """Zeros, as they are drawn, would be shared and folded as no trained network's biases are."""
    rng = np.random.default_rng(1)
    for weight in model.weights:
        if weight.path.endswith("bias"):
            weight.assign(rng.normal(0, 0.05, weight.shape))


def _write_ours(model: Any, images: np.ndarray, folder: Path) -> None:
    from dimaging_export import export

    for precision in ("fp32", "int8"):
        export(model, folder / precision, precision=precision, data=images)


def _write_direct(model: Any, path: Path) -> None:
    import onnx

    onnx.save(model, path)


def _write_litert(network: Any, shape: tuple, examples: np.ndarray, folder: Path) -> None:
    """float32, and full int8 calibrated on the same images as ours, float32 in and out."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    call: Any = tf.function(lambda x: network(x, training=False))
    traced = call.get_concrete_function(tf.TensorSpec(shape, tf.float32))
    frozen = convert_variables_to_constants_v2(traced)  # the calibrator knows no variables
    for precision in ("fp32", "int8"):
        converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
        if precision == "int8":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([x[None]] for x in examples)
        (folder / f"{precision}.tflite").write_bytes(converter.convert())
