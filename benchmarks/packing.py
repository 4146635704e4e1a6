"""Packing and unpacking digits without loss: how many a second, on one core?

    python benchmarks/packing.py --data DIR      DIR holds binarized_mnist.npz (or set DIMAGING_DATA)

A PixelCNN of the default size that has learned for seconds, for the time of a digit does not depend on what was
learned, and the kept weights of the long training, whose network is larger. 512 digits in 128 lanes; one thread,
processor time, the least of some rounds.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from parts import figures
from parts.binarized import KEPT, train_images, valid_images

LANES = 128


def main() -> int:
    """Export both networks, pack, unpack, compare."""
    args = figures.parser("packing", __doc__, "binarized_mnist.npz").parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    import keras

    from dimaging_tf import registry

    network = registry.find("pixelcnn").model_class()
    out = figures.Figures("packing", args.quick, args.json, facts={"threads": 1, "lanes": LANES})
    train = train_images(args.data)[: 256 if args.quick else 2048]
    digits = valid_images(args.data)[: 16 if args.quick else 512, ..., 0].astype(np.uint8)
    fresh = network(network.config_class())
    fresh.compile("adam")
    fresh.fit(train, batch_size=32, epochs=1 if args.quick else 3, verbose=0)
    kept = keras.models.load_model(KEPT, compile=False)
    for name, model, goals in (
        ("default size", fresh, (">= 2000", ">= 200")),
        ("8 blocks of 64 filters", kept, ("", "")),
    ):
        packed, unpacked = speeds(model, train[:256], digits, 1 if args.quick else 3)
        out.add(f"{name}, packing", packed, goals[0], "digits/s")
        out.add(f"{name}, unpacking", unpacked, goals[1], "digits/s")
    return out.finish()


def speeds(model: Any, data: np.ndarray, digits: np.ndarray, rounds: int) -> tuple[float, float]:
    """Return how many digits are packed, and unpacked, in a second of the processor."""
    from dimaging_edge import open_bundle
    from dimaging_edge.lossless import pack, unpack
    from dimaging_edge.lossless.bundle_predictor import BundlePredictor
    from dimaging_export import export

    with tempfile.TemporaryDirectory() as folder:
        bundle = open_bundle(
            export(model, Path(folder, "b"), precision="integer", data=data), threads=1
        )
        predictor, known = BundlePredictor(bundle), bundle.manifest.model_id
        best = [np.inf, np.inf]
        for _ in range(rounds):
            began = time.process_time()
            stream = pack(predictor, digits, known, lanes=min(LANES, len(digits)))
            between = time.process_time()
            again = unpack(predictor, stream, known)
            spent = between - began, time.process_time() - between
            best = [min(pair) for pair in zip(best, spent, strict=True)]
            if not np.array_equal(again, digits):
                raise SystemExit("digits came back otherwise than they went in")
    return len(digits) / best[0], len(digits) / best[1]


if __name__ == "__main__":
    sys.exit(main())
