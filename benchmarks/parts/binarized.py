"""Explicit densities on binarised MNIST: their training on the clock, and their nats."""

import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from . import figures

KEPT = Path(__file__).parent.parent / "weights" / "pixelcnn_long.keras"
"""Weights of a long training, as benchmarks/pixelcnn_long.py makes and judges them."""


def train(
    folder: Path,
    minutes: float,
    data: Path,
    model: str = "pixelcnn",
    changes: dict | None = None,
    clock: Callable[[], float] = time.monotonic,
    **settings: Any,
) -> Any:
    """`dimaging train MODEL --data binarized_mnist --minutes ...`, minutes of `clock`; goes on where one stopped."""
    from dimaging_tf.training import runs

    options = {"data_dir": str(data)}
    chosen = runs.default_settings(
        model,
        data="binarized_mnist",
        minutes=minutes,
        data_options=options,
        changes=changes,
        **settings,
    )
    return runs.train(chosen, folder, resume=(folder / "run.json").exists(), clock=clock)


def long_training(model: str, description: str | None, goal: str) -> int:
    """A whole benchmark of another explicit density."""
    p = figures.parser(model, description, "binarized_mnist.npz")
    p.add_argument("--minutes", type=float, default=20.0, help="of training")
    args = p.parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    from dimaging_tf.training import runs

    out = figures.Figures(model, args.quick, args.json)
    with tempfile.TemporaryDirectory() as folder:
        train(Path(folder) / "run", 0.1 if args.quick else args.minutes, args.data, model)
        best = runs.load_model(Path(folder) / "run")
    found = nats(best, valid_images(args.data)[: 200 if args.quick else None])
    out.add(f"after {args.minutes:g} minutes, whole valid split", found, goal, "nats")
    return out.finish()


def train_images(data: Path) -> np.ndarray:
    """The train split, float32 [50000, 28, 28, 1] of 0 and 1."""
    return _images(data, "train")


def valid_images(data: Path) -> np.ndarray:
    """The valid split, float32 [10000, 28, 28, 1] of 0 and 1."""
    return _images(data, "valid")


def _images(data: Path, split: str) -> np.ndarray:
    from dimaging_tf import data as sources
    from dimaging_tf.data.dataset import to_float

    return to_float(getattr(sources.load("binarized_mnist", data_dir=str(data)), split).x)


def nats(model: Any, image: np.ndarray) -> float:
    """Mean negative log-likelihood of an image."""
    parts = np.array_split(image, math.ceil(len(image) / 500))
    return float(
        np.average([model.score(model.run, x) for x in parts], weights=[len(x) for x in parts])
    )
