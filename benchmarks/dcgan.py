"""DCGAN on MNIST after 2 and after 20 minutes on two cores: feature FID, modes, sureness, and what int8 costs.

    python benchmarks/dcgan.py --data DIR      DIR holds mnist.npz (or set DIMAGING_DATA)

The settings of `dimaging train dcgan`, told no class, all 60,000 training images. A minute on two cores is
counted as two minutes of processor time of the training process, everything in it (validation, pictures,
checkpoints) included, because other programs share the machine. --minutes 2 leaves the long run out.

FID: Frechet distance between features of 10,000 samples and of the 60,000 training images; the features are
the 64 rectified units before the logits of a small convolutional classifier, trained here on its own, apart
from any generator, and kept in --judge. The test images, scored in the same way, are the floor. A mode is a digit that at
least 2 % of the samples are taken for.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from parts import figures

GOALS = {2.0: "<= 30", 20.0: "<= 15"}


def main() -> int:
    """Train the judge, then the generators; judge."""
    p = figures.parser("dcgan", __doc__, "mnist.npz")
    p.add_argument("--minutes", type=float, nargs="+", default=[2.0, 20.0])
    p.add_argument("--judge", type=Path, default=Path.home() / ".cache/dimaging/judge-mnist.keras")
    p.add_argument("--runs", type=Path, help="keep the run folders here")
    args = p.parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(2)
    from dimaging_tf import data
    from dimaging_tf.data.dataset import to_float
    from dimaging_tf.training import runs

    mnist = data.load("mnist", data_dir=str(args.data))
    judge = Judge(args.judge, mnist, quick=args.quick)
    out = figures.Figures("dcgan", args.quick, args.json, facts={"threads": 2})
    out.add("the judge's accuracy on test images", 100 * judge.accuracy, "", "%")
    real = judge.look(to_float(mnist.valid.x))
    out.add("FID of the test images, the floor", judge.fid(real), "")
    out.add("test images that the judge is sure of (> 0.9)", judge.sure(real), "")
    count = 500 if args.quick else 10_000
    with tempfile.TemporaryDirectory() as temporary:
        for minutes in [0.1] if args.quick else args.minutes:
            folder = (args.runs or Path(temporary)) / f"dcgan-{minutes:g}"
            settings = runs.default_settings(
                "dcgan", data="mnist", data_options={"data_dir": str(args.data)}, minutes=minutes
            )
            began = time.monotonic()
            model = runs.train(settings, folder, clock=lambda: time.process_time() / 2)
            wall = (time.monotonic() - began) / 60
            out.facts[f"{minutes:g} minutes"] = {
                "steps": int(model.optimizer.iterations), "wall minutes": round(wall, 1),
                "epochs": round(int(model.optimizer.iterations) * settings.batch / 60_000, 1),
            }  # fmt: skip
            noise = model.noise(count, seed=1)
            drawn = judge.look(model.sample(count, z=noise))
            after = f"after {minutes:g} min"
            long = minutes >= 20
            out.add(f"FID {after}", judge.fid(drawn), GOALS.get(minutes, ""))
            out.add(f"modes {after}", judge.modes(drawn), ">= 10", "of 10")
            out.add(
                f"samples that the judge is sure of, {after}",
                judge.sure(drawn),
                ">= 0.8" if long else "",
            )
            if minutes == max(args.minutes) or args.quick:
                exported(out, judge, folder, noise, judge.fid(drawn), Path(temporary))
    return out.finish()


def exported(
    out: figures.Figures, judge: "Judge", run: Path, noise: np.ndarray, keras: float, place: Path
) -> None:
    """The same noise through the bundles."""
    import dimaging_edge
    from dimaging_export import export

    for precision in ("fp32", "fp16", "int8"):
        folder = export(run, place / precision, precision=precision)
        bundle = dimaging_edge.open_bundle(folder)
        parts = [bundle.run("generator", z=z)["image"] for z in np.array_split(noise, 20)]
        found = judge.fid(judge.look(np.concatenate(parts)))
        goal = "<= 10" if precision == "int8" else ""
        out.add(f"FID of the {precision} file over Keras'", 100 * (found / keras - 1), goal, "%")
        size = (folder / "generator.onnx").stat().st_size / 1000
        out.add(f"generator.onnx, {precision}", size, "", "kB")


class Judge:
    """A classifier of digits, trained once and kept."""

    def __init__(self, path: Path, mnist: Any, quick: bool):
        import keras

        from dimaging_tf.data.dataset import to_float

        train, test = to_float(mnist.train.x), to_float(mnist.valid.x)
        if path.exists() and not quick:
            self.model: Any = keras.saving.load_model(path)
        else:
            self.model = self._trained(train, mnist.train.label, epochs=1 if quick else 6)
            if not quick:
                path.parent.mkdir(parents=True, exist_ok=True)
                self.model.save(path)
        self.accuracy = float((self.look(test)[1].argmax(1) == mnist.valid.label).mean())
        self.real = self.look(train)[0]

    @staticmethod
    def _trained(image: np.ndarray, label: np.ndarray, epochs: int) -> Any:
        import keras
        from keras import layers

        keras.utils.set_random_seed(0)
        x = inputs = keras.Input((28, 28, 1))
        for filters in (16, 32):
            x = layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(x)
        x = layers.Dense(64, activation="relu", name="features")(layers.Flatten()(x))
        model = keras.Model(inputs, {"features": x, "logits": layers.Dense(10, name="logits")(x)})
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss={"logits": loss, "features": None})
        model.fit(image, {"logits": label}, batch_size=100, epochs=epochs, verbose=0)
        return model

    def look(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Images [N, 28, 28, 1] -> features [N, 64], probabilities [N, 10]."""
        found = self.model.predict(image, batch_size=1000, verbose=0)
        logits = found["logits"] - found["logits"].max(1, keepdims=True)
        return found["features"], np.exp(logits) / np.exp(logits).sum(1, keepdims=True)

    def fid(self, seen: tuple[np.ndarray, np.ndarray]) -> float:
        """To the training images."""
        from dimaging_tf.evaluation.metrics import frechet_distance

        return frechet_distance(seen[0], self.real)

    def sure(self, seen: tuple[np.ndarray, np.ndarray]) -> float:
        """Share of images whose digit it gives more than 0.9."""
        return float((seen[1].max(1) > 0.9).mean())

    def modes(self, seen: tuple[np.ndarray, np.ndarray]) -> int:
        """How many digits are there."""
        return int((np.bincount(seen[1].argmax(1), minlength=10) >= 0.02 * len(seen[1])).sum())


if __name__ == "__main__":
    sys.exit(main())
