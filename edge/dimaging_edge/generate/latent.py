"""Draw from a generator of noise: GAN, DCGAN, the decoder of a VAE.

    bundle = open_bundle("bundle/dcgan-int8")
    image = draw(bundle, 16, seed=0)          # float32 [16, H, W, C] in [0, 1]

The noise comes from `common.random.normal`, so a seed gives the same images on every device; image i does not
depend on how many are drawn.
"""

from collections.abc import Callable

import numpy as np

from dimaging_edge.bundle.open import Bundle
from dimaging_edge.bundle.schema import Tensor
from dimaging_edge.common.errors import InputError
from dimaging_edge.common.random import normal

GRAPHS = ("generator", "decoder")
"""The names of graphs that make images from noise z."""
SAMPLER = "sampler"
"""The name of the graph that turns noise of N(0, I) into codes like those of real images."""
AT_ONCE = 64
"""The most images in one run of the graph."""


def graph_of(bundle: Bundle) -> str | None:
    """Return the name of the graph that makes images from noise z; None where there is none."""
    for name in GRAPHS:
        if name in bundle.graphs:
            if any(t.name == "z" and len(t.shape) == 2 for t in bundle.graph(name).inputs):
                return name  # a codec's z is a map
    return None


def draw(
    bundle: Bundle,
    n: int,
    seed: int = 0,
    *,
    label: int | None = None,
    z: np.ndarray | None = None,
    prior: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> np.ndarray:
    """Draw `n` images, float32 [n, H, W, C] in [0, 1].

    label: the class of all images, for a model of classes; by default one class after the other.
    z: your own codes, float32 [n, latent size]. prior: codes of N(0, I), also where the bundle has a graph
    `sampler`, noise -> z, fitted to the codes of real images. progress(done, total) is called with numbers
    of images.
    InputError for a bundle of another kind, a label out of range, or noise of another size.
    """
    name = graph_of(bundle)
    if name is None:
        from_text = "text_encoder" in bundle.graphs
        mend = (
            "give it a caption: dimaging-edge imagine" if from_text else "dimaging train dcgan does"
        )
        raise InputError(
            f"{bundle.path.name} makes no images from noise alone, it has the graphs "
            f"{', '.join(bundle.graphs)}; {mend}"
        )
    if n < 1:
        raise InputError(f"expected 1 image or more, received {n}")
    inputs = {t.name: t for t in bundle.graph(name).inputs}
    bundle.tensor(name, "image", 4)
    size = (n, *bundle.tensor(name, "z", 2).example[1:])
    if z is not None and np.shape(z) != size:
        raise InputError(f"z: expected shape {size}, received {np.shape(z)}")
    feed = {"z": normal(seed, size) if z is None else np.asarray(z, np.float32)}
    if z is None and not prior and _makes_codes(bundle):
        rows = range(n) if bundle.graph(SAMPLER).inputs[0].shape[0] == 1 else (slice(None),)
        parts = [np.atleast_2d(feed["z"][row]) for row in rows]
        feed["z"] = np.concatenate([bundle.run(SAMPLER, noise=part)["z"] for part in parts])
    if "label" in inputs:
        feed["label"] = _one_hot(bundle.tensor(name, "label", 2), n, label)
    elif label is not None:
        raise InputError(f"{bundle.path.name} takes no label; leave it out")
    at_once = 1 if inputs["z"].shape[0] == 1 else AT_ONCE
    parts = []
    for start in range(0, n, at_once):
        part = {key: x[start : start + at_once] for key, x in feed.items()}
        parts.append(bundle.run(name, **part)["image"])
        if progress:
            progress(min(start + at_once, n), n)
    image = np.concatenate(parts)
    return image / np.float32(255) if image.dtype == np.uint8 else image


def _makes_codes(bundle: Bundle) -> bool:
    """Return whether the bundle has a graph `sampler` of noise -> z; that of a density makes images."""
    if SAMPLER not in bundle.graphs:
        return False
    graph = bundle.graph(SAMPLER)
    inputs, outputs = ([t.name for t in tensors] for tensors in (graph.inputs, graph.outputs))
    return inputs == ["noise"] and outputs == ["z"]


def _one_hot(tensor: Tensor, n: int, label: int | None) -> np.ndarray:
    classes = tensor.example[1]
    if label is not None and not 0 <= label < classes:
        raise InputError(f"label: expected 0 to {classes - 1}, received {label}")
    chosen = np.arange(n) % classes if label is None else np.full(n, label)
    return np.eye(classes, dtype=np.float32)[chosen]
