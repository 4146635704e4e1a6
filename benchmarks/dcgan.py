"""DCGAN on MNIST after 2 and after 20 minutes on two cores: FID, precision, recall, copies, and what int8 costs.

    python benchmarks/dcgan.py --data DIR      DIR holds mnist.npz (or set DIMAGING_DATA)

The settings of `dimaging train dcgan`, told no class, all 60,000 training images. A minute on two cores is
counted as two minutes of processor time of the training process, everything in it (validation, pictures,
checkpoints) included, because other programs share the machine. --minutes 2 leaves the long run out.

FID: Frechet distance between features of 10,000 samples and of the 60,000 training images. Precision: share of
samples that lie where training images lie; recall: share of training images that lie where samples do. The features are those
of a classifier trained here on its own, apart from any generator, and kept in --judge
(benchmarks/parts/digit_judge.py). The test images, judged in the same way, are what a perfect generator would reach:
no goal that is held means more than the distance from them. A run that was trained before is judged with --run and
its --minutes.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from parts import figures

GOALS: dict[float, dict[str, str]] = {
    2.0: {"modes": ">= 10"},
    20.0: {"modes": ">= 10", "precision": ">= 80", "recall": ">= 50", "unsure": "<= 8"},
}


def main() -> int:
    """Train the judge, then the generators; judge."""
    p = figures.parser("dcgan", __doc__, "mnist.npz")
    p.add_argument("--minutes", type=float, nargs="+", default=[2.0, 20.0])
    p.add_argument("--judge", type=Path, default=Path.home() / ".cache/dimaging/digit-judge.keras")
    p.add_argument("--runs", type=Path, help="keep the run folders here")
    p.add_argument("--run", type=Path, help="judge this run of --minutes, and train none")
    args = p.parse_args()
    if args.run and len(args.minutes) != 1:
        p.error("--run takes one --minutes")

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(2)
    from parts.digit_judge import DigitJudge, judged

    from dimaging_tf import data
    from dimaging_tf.training import runs

    mnist = data.load("mnist", data_dir=str(args.data))
    judge = DigitJudge(args.judge, mnist, quick=args.quick)
    out = figures.Figures("dcgan", args.quick, args.json, facts={"threads": 2})
    out.add("the judge's accuracy on test images", 100 * judge.accuracy, ">= 99", "%")
    judged(out, judge, judge.test, "test images", {})
    count = 500 if args.quick else 10_000
    with tempfile.TemporaryDirectory() as temporary:
        for minutes in [0.1] if args.quick else args.minutes:
            folder = args.run or (args.runs or Path(temporary)) / f"dcgan-{minutes:g}"
            settings = runs.default_settings(
                "dcgan", data="mnist", data_options={"data_dir": str(args.data)}, minutes=minutes
            )
            began = time.monotonic()
            if args.run is None:
                model = runs.train(settings, folder, clock=lambda: time.process_time() / 2)
            else:
                model = runs.load_model(folder)
            wall = (time.monotonic() - began) / 60
            out.facts[f"{minutes:g} minutes"] = {
                "steps": int(model.optimizer.iterations), "wall minutes": round(wall, 1),
                "epochs": round(int(model.optimizer.iterations) * settings.batch / 60_000, 1),
            }  # fmt: skip
            noise = model.noise(count, seed=1)
            drawn = judge.look(model.sample(count, z=noise))
            judged(out, judge, drawn, f"after {minutes:g} min", GOALS.get(minutes, {}))
            if minutes == max(args.minutes) or args.quick:
                exported(out, judge, folder, noise, judge.fid(drawn), Path(temporary))
    return out.finish()


def exported(
    out: figures.Figures, judge: Any, run: Path, noise: np.ndarray, keras: float, place: Path
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


if __name__ == "__main__":
    sys.exit(main())
