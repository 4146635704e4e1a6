"""Pixel recursive super-resolution, 8x8 to 32x32, on people that it never saw.

    python benchmarks/super_resolution.py --data DIR      DIR holds olivetti.npz (or set DIMAGING_DATA)

Olivetti faces, 32 people to learn from, 8 to judge by. Consistency: the drawn image, averaged to 8x8 again,
against its input. Sharpness: mean squared difference of neighbours, over that of bicubic interpolation. A
judge of glasses (principal components and a support vector machine) learns from the 32 people's photographs;
how often it is right about the other 8 in the truth, in bicubic enlargements and in drawn ones.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from parts import figures


def main() -> int:
    """Train, draw, judge."""
    p = figures.parser("super_resolution", __doc__, "olivetti.npz")
    p.add_argument("--minutes", type=float, default=20.0, help="of training")
    args = p.parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    import tensorflow as tf

    from dimaging_tf.data.dataset import to_float
    from dimaging_tf.training import runs

    settings = runs.default_settings(
        "super_resolution", data="olivetti", data_options={"data_dir": str(args.data)},
        minutes=0.1 if args.quick else args.minutes,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        runs.train(settings, Path(folder) / "run")
        model = runs.load_model(Path(folder) / "run")
    faces = runs.load_data(settings)
    train, valid = (to_float(split.x) for split in (faces.train, faces.valid))
    image, low = model.prepared(valid[: 4 if args.quick else None])
    drawn = model.sample(len(image), 0, condition=low)
    bicubic = tf.image.resize(low, image.shape[1:3], "bicubic").numpy().clip(0, 1)
    again = drawn.reshape(len(drawn), 8, 4, 8, 4, 1).mean((2, 4))

    out = figures.Figures("super_resolution", args.quick, args.json)
    out.facts["images"] = len(image)
    out.add("people not trained on", model.score(model.run, image), "", "bits/dim")
    out.add("consistency, mean squared error", float(np.mean((again - low) ** 2)), "<= 0.01")
    sharp = {
        name: energy(x) for name, x in (("truth", image), ("bicubic", bicubic), ("drawn", drawn))
    }
    out.add("sharpness of drawn over bicubic", sharp["drawn"] / sharp["bicubic"], ">= 1", "x")
    out.add("sharpness of the truth over bicubic", sharp["truth"] / sharp["bicubic"], "", "x")
    right = judge(train, faces.train.label, faces.valid.label[: len(image)])
    for name, x in (("truth", image), ("bicubic", bicubic), ("drawn", drawn)):
        out.add(f"glasses judged rightly: {name}", 100 * right(x), "", "%")
    return out.finish()


def energy(image: np.ndarray) -> float:
    """Mean squared difference of neighbours."""
    return float(np.mean(np.diff(image, axis=1) ** 2) + np.mean(np.diff(image, axis=2) ** 2))


def judge(train: np.ndarray, glasses: np.ndarray, truth: np.ndarray):
    """Images -> share that a classifier of the training photographs judges as `truth` says."""
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    both = np.concatenate([train, train[:, :, ::-1]]).reshape(2 * len(train), -1)
    svm = make_pipeline(PCA(60, whiten=True, random_state=0), SVC(C=10, class_weight="balanced"))
    svm.fit(both, np.tile(glasses, 2))
    return lambda x: float(np.mean(svm.predict(x.reshape(len(x), -1)) == truth))


if __name__ == "__main__":
    sys.exit(main())
