"""StackGAN on captioned shapes: does the picture show what the caption says?

    python benchmarks/stackgan.py [--run DIR]

DIR: what `dimaging train stackgan --out DIR` made; without it such a run is trained first. A classifier
of attributes, trained apart on renders, reads shape, colour, size and position of every drawn picture;
a match is exact if all four are the caption's. Held-out: combinations that no training picture showed.
Frechet distances (FID) are those of the classifier's features, against renders of seen combinations.
Processor time of the training: that of a step in each phase, one thread, times the number of steps.
"""

import sys
import tempfile
import time
from pathlib import Path

import figures
import numpy as np


def main() -> int:
    """Train if need be, judge the Keras model, export it, judge the bundles."""
    p = figures.parser("stackgan", __doc__)
    p.add_argument("--run", type=Path, help="a run folder; None: train one")
    args = p.parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    from dimaging_tf import runs
    from dimaging_tf.data import shapes

    with tempfile.TemporaryDirectory() as folder:
        run = args.run or Path(folder) / "run"
        if args.run is None:
            quick = {"epochs": 1, "changes": {"matching_steps": 30, "stage1_steps": 30}}
            runs.train(runs.default_settings("stackgan", **(quick if args.quick else {})), run)
        model = runs.load_model(run)
        out = figures.Figures("stackgan", args.quick, args.json)
        judge = _judge(out, args.quick)
        share = 1 if args.quick else 10
        seen, held = shapes.COMBINATIONS[~shapes.HELD_OUT], shapes.COMBINATIONS[shapes.HELD_OUT]
        sets = {"seen": np.repeat(seen, share, 0), "held-out": np.repeat(held, 4 * share, 0)}
        goals = {"seen": ">= 0.95", "held-out": ">= 0.8"}
        for name, combinations in sets.items():
            _match(out, judge, model, name, combinations, goals[name])
        _distances(out, judge, model, sets["seen"])
        _bundles(out, judge, model, sets, Path(folder))
        _time(out, model)
    return out.finish()


def _judge(out: figures.Figures, quick: bool):
    import shapes_judge

    from dimaging_tf.data import shapes

    judge = shapes_judge.train(*((1000, 1) if quick else (12000, 6)))
    truth = np.repeat(shapes.COMBINATIONS, 1 if quick else 8, 0)
    found, _ = shapes_judge.read(judge, shapes_judge.renders(truth, 200))
    exact = float((found == truth).all(1).mean())
    out.add("the judge, renders it never saw: exact match", exact, ">= 0.995")
    return judge


def _match(out, judge, model, name, truth, goal) -> None:
    import shapes_judge

    from dimaging_tf.data import shapes

    image = model.draw(shapes_judge.tokens(truth, 1), seed=2)
    right = shapes_judge.read(judge, image)[0] == truth
    out.add(f"exact caption match, {name} combinations", float(right.all(1).mean()), goal)
    for k, attribute in enumerate(shapes.ATTRIBUTES):
        out.add(f"{attribute} right, {name}", float(right[:, k].mean()))


def _distances(out, judge, model, truth) -> None:
    """FID of both stages, and the floor: renders against renders."""
    import shapes_judge
    import tensorflow as tf

    from dimaging_tf import metrics

    side = model.config.shape[0]
    inputs = [
        model.inputs(model.run, part, 3 + i)["stage2"]
        for i, part in enumerate(
            np.array_split(shapes_judge.tokens(truth, 4), len(truth) // 200 + 1)
        )
    ]
    low = np.concatenate([x["low"] for x in inputs])
    image = np.concatenate([model.run("stage2", **x)["image"] for x in inputs])
    up = np.clip(tf.image.resize(low, [side, side], "bicubic").numpy(), 0, 1)
    features = lambda x: shapes_judge.read(judge, x)[1]  # noqa: E731
    real = features(shapes_judge.renders(truth, 300))
    found = {
        "renders (the floor)": metrics.frechet_distance(
            features(shapes_judge.renders(truth, 301)), real
        ),
        "stage I, enlarged bicubically": metrics.frechet_distance(features(up), real),
        "stage II": metrics.frechet_distance(features(image), real),
    }
    for name, value in found.items():
        out.add(f"feature FID, {name}", value)
    one, two = list(found.values())[1:]
    out.add("feature FID, stage II over stage I", two / one, "<= 0.5")


def _bundles(out, judge, model, sets, folder) -> None:
    """The exported files, run by onnxruntime."""
    import shapes_judge
    from dimaging_edge import open_bundle
    from dimaging_export import export

    for precision in ("fp32", "fp16", "int8"):
        bundle = open_bundle(export(model, folder / precision, precision=precision), threads=1)
        size = sum(bundle.file(g).stat().st_size for g in bundle.graphs)
        out.add(f"{precision}: three graphs", size / 1e6, "", "MB")
        for name, truth in sets.items():
            image = model.draw(shapes_judge.tokens(truth, 1), 2, bundle.run)
            right = (shapes_judge.read(judge, image)[0] == truth).all(1).mean()
            out.add(f"{precision}: exact caption match, {name}", float(right))


def _time(out, model) -> None:
    """Processor time of the whole training, one thread."""
    import tensorflow as tf

    from dimaging_tf.data import shapes

    split = shapes.load_shapes(train=64, valid=1).train
    batch = split.image.astype(np.float32) / np.float32(255), split.label
    config, done = model.config, int(model.optimizer.iterations)
    first, second = config.matching_steps, config.stage1_steps
    counts = (first, second, max(0, done - first - second))
    step, seconds = tf.function(model.train_step, autograph=False), 0.0
    for start, count in zip((0, first, first + second), counts, strict=True):
        times = []
        for _ in range(6):
            model.optimizer.iterations.assign(start)
            begin = time.process_time()
            step(batch)
            times.append(time.process_time() - begin)
        seconds += float(np.median(times[1:])) * count
    out.facts["steps"] = counts
    out.add("training, one thread, processor time", seconds / 60, "<= 40", "min")


if __name__ == "__main__":
    sys.exit(main())
