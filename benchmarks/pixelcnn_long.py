"""PixelCNN on binarised MNIST after a long training: nats of the weights that are kept.

    python benchmarks/pixelcnn_long.py --data DIR                   judges benchmarks/weights/pixelcnn_long.keras
    python benchmarks/pixelcnn_long.py --data DIR --minutes 110     trains them again, 2 cores

64 filters and 8 blocks instead of 32 and 5; otherwise as benchmarks/pixelcnn.py. The weights are those of the
epoch that was best on the valid split, as `dimaging export` takes them. Their integer-valued twin, the same bits on
every device, is scaled on 32 images of the train split.
"""

import os
import sys
import tempfile
from pathlib import Path

from parts import figures
from parts.binarized import KEPT, nats, train, train_images, valid_images

CHANGES = {"filters": 64, "blocks": 8}


def main() -> int:
    """Train if asked, judge."""
    p = figures.parser("pixelcnn_long", __doc__, "binarized_mnist.npz")
    p.add_argument("--minutes", type=float, default=0.0, help="of training; 0: judge what is kept")
    p.add_argument("--run", type=Path, help="a run folder whose best weights are kept and judged")
    args = p.parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    import keras
    from dimaging_export.integer.twin import integer_twin

    from dimaging_tf import registry
    from dimaging_tf.training import runs

    registry.find("pixelcnn").model_class()  # Keras loads a file once its class is imported
    out = figures.Figures("pixelcnn_long", args.quick, args.json)
    with tempfile.TemporaryDirectory() as folder:
        run = args.run or Path(folder) / "run"
        if args.minutes:
            train(run, args.minutes, args.data, changes=CHANGES)
        if args.minutes or args.run:
            keep(runs.load_model(run))
        model = keras.models.load_model(KEPT, compile=False)
        valid = valid_images(args.data)[: 200 if args.quick else None]
        floats = nats(model, valid)
        out.add("after a long training, whole valid split", floats, "<= 85", "nats")
        twin = integer_twin(model, train_images(args.data)[:32], None)
        out.add("lost by its integer-valued twin", nats(twin, valid) - floats, "<= 0.1", "nats")
    return out.finish()


def keep(model) -> None:
    """Without the optimizer."""
    model.optimizer = None
    KEPT.parent.mkdir(exist_ok=True)
    part = KEPT.with_name("part.keras")
    model.save(part)
    os.replace(part, KEPT)


if __name__ == "__main__":
    sys.exit(main())
