"""Captions to images: the vocabulary that travels in a StackGAN's bundle, and its three graphs in a row.

    bundle = open_bundle("bundle/stackgan-int8")
    image = imagine(bundle, "a small red circle at the top left", 4)    # float32 [4, H, W, C] in [0, 1]

`words.txt` holds the closed vocabulary; `common.words` says how a caption becomes numbers. The noise is that
of `common.random.normal`, so a seed gives the same images on every device.
"""

import numpy as np

from dimaging_edge.bundle.open import Bundle
from dimaging_edge.common.errors import BundleError, InputError
from dimaging_edge.common.random import normal
from dimaging_edge.common.words import encode

WORDS = "words.txt"
"""The file of a bundle that holds the vocabulary."""
_GRAPHS = ("text_encoder", "stage1", "stage2")


def read_words(bundle: Bundle) -> tuple[str, ...]:
    """Return the vocabulary of a bundle; InputError where it draws no captions."""
    if WORDS not in bundle.manifest.files or any(name not in bundle.graphs for name in _GRAPHS):
        raise InputError(
            f"{bundle.path.name} draws no captions; export a model that does: dimaging train stackgan"
        )
    try:
        return tuple(bundle.read(WORDS).decode("utf-8").split())
    except UnicodeDecodeError as error:
        raise BundleError(f"{WORDS} is no UTF-8 text ({error}); export the bundle again") from None


def imagine(bundle: Bundle, caption: str, n: int = 1, seed: int = 0) -> np.ndarray:
    """Draw a caption n times: float32 [n, H, W, C] in [0, 1]; image i is the same for every n.

    InputError for a bundle of another kind, for n < 1, and for a caption that `encode` refuses.
    """
    words = read_words(bundle)
    if n < 1:
        raise InputError(f"expected 1 image or more, received {n}")
    length = bundle.tensor("text_encoder", "tokens", 2).example[1]
    text = bundle.run("text_encoder", tokens=encode([caption], words, length))["text"]
    names = ("condition_noise", "noise")
    sizes = {name: bundle.tensor("stage1", name, 2).example[1] for name in names}
    for graph, name in (("text_encoder", "text"), ("stage1", "low"), ("stage2", "image")):
        bundle.tensor(graph, name, 2 if name == "text" else 4)
    images = []
    for i in range(n):
        condition, again, noise = (
            normal(seed, (1, size), 3 * i + stream)
            for stream, size in enumerate(
                (sizes["condition_noise"], sizes["condition_noise"], sizes["noise"])
            )
        )
        low = bundle.run("stage1", text=text, condition_noise=condition, noise=noise)["low"]
        found = bundle.run("stage2", low=low, text=text, condition_noise=again)["image"]
        images.append(found / np.float32(255) if found.dtype == np.uint8 else found)
    return np.concatenate(images)
