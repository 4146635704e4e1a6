"""StackGAN on captioned pictures: does the picture show what the caption says?

    python benchmarks/stackgan.py [--data shapes|avatar_captions] [--run DIR]

DIR: what `dimaging train stackgan --data .. --out DIR` made; without it such a run is trained first. A
classifier of attributes, trained apart on renders, reads every drawn picture; a match is exact if all of
its attributes are the caption's. Held-out: combinations that no training picture showed. Frechet distances
(FID) are those of the classifier's features, against renders of seen combinations. Processor time of the
training: that of a step in each phase, one thread, times the number of steps. Goals are those of shapes.
"""

import importlib
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from parts import figures

PICTURES = 2160  # of seen combinations, and of held-out ones


def main() -> int:
    """Train if need be, judge the Keras model, export it, judge the bundles."""
    p = figures.parser("stackgan", __doc__)
    p.add_argument("--data", choices=("shapes", "avatar_captions"), default="shapes")
    p.add_argument("--run", type=Path, help="a run folder; None: train one")
    args = p.parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    from dimaging_tf.training import runs

    data = importlib.import_module(f"dimaging_tf.data.{args.data}").CAPTIONED
    goals: dict[str, str] = dict.fromkeys(("judge", "seen", "held-out", "stage II"), "")
    if args.data == "shapes":
        goals = {"judge": ">= 0.995", "seen": ">= 0.95", "held-out": ">= 0.8", "stage II": "<= 0.5"}
    elif not (args.quick or args.json):
        args.json = figures.RESULTS / f"stackgan_{args.data}.json"
    with tempfile.TemporaryDirectory() as folder:
        run = args.run or Path(folder) / "run"
        if args.run is None:
            quick = {"epochs": 1, "changes": {"matching_steps": 30, "stage1_steps": 30}}
            given = quick if args.quick else {}
            runs.train(runs.default_settings("stackgan", data=args.data, **given), run)
        model = runs.load_model(run)
        out = figures.Figures("stackgan", args.quick, args.json)
        count = PICTURES // 10 if args.quick else PICTURES
        judge = _judge(out, data, count, goals["judge"])
        sets = {
            name: _repeated(data.combinations[data.held_out == held], count)
            for name, held in (("seen", False), ("held-out", True))
        }
        for name, combinations in sets.items():
            _match(out, judge, model, data, name, combinations, goals[name])
        _distances(out, judge, model, data, sets["seen"], goals["stage II"])
        _bundles(out, judge, model, data, sets, Path(folder))
        _time(out, model, data)
    return out.finish()


def _repeated(combinations: np.ndarray, count: int) -> np.ndarray:
    """About `count` rows: each as often."""
    return np.repeat(combinations, max(1, count // len(combinations)), 0)


def _judge(out: figures.Figures, data, pictures: int, goal: str):
    from parts import captions_judge

    judge = captions_judge.train(data, *((1000, 1) if out.quick else (12000, 6)))
    truth = _repeated(data.combinations, pictures)
    right = captions_judge.read(judge, captions_judge.renders(data, truth, 200))[0] == truth
    out.add("the judge, renders it never saw: exact match", float(right.all(1).mean()), goal)
    return judge


def _match(out, judge, model, data, name, truth, goal) -> None:
    from parts import captions_judge

    image = model.draw(captions_judge.tokens(data, truth, 1), seed=2)
    right = captions_judge.read(judge, image)[0] == truth
    out.add(f"exact caption match, {name} combinations", float(right.all(1).mean()), goal)
    for k, attribute in enumerate(data.counts):
        out.add(f"{attribute} right, {name}", float(right[:, k].mean()))


def _distances(out, judge, model, data, truth, goal) -> None:
    """FID of both stages, and the floor: renders against renders."""
    import tensorflow as tf
    from parts import captions_judge

    from dimaging_tf.evaluation import metrics

    side = model.config.shape[0]
    inputs = [
        model.inputs(model.run, part, 3 + i)["stage2"]
        for i, part in enumerate(
            np.array_split(captions_judge.tokens(data, truth, 4), len(truth) // 200 + 1)
        )
    ]
    low = np.concatenate([x["low"] for x in inputs])
    image = np.concatenate([model.run("stage2", **x)["image"] for x in inputs])
    up = np.clip(tf.image.resize(low, [side, side], "bicubic").numpy(), 0, 1)
    features = lambda x: captions_judge.read(judge, x)[1]  # noqa: E731
    real = features(captions_judge.renders(data, truth, 300))
    found = {
        "renders (the floor)": metrics.frechet_distance(
            features(captions_judge.renders(data, truth, 301)), real
        ),
        "stage I, enlarged bicubically": metrics.frechet_distance(features(up), real),
        "stage II": metrics.frechet_distance(features(image), real),
    }
    for name, value in found.items():
        out.add(f"feature FID, {name}", value)
    one, two = list(found.values())[1:]
    out.add("feature FID, stage II over stage I", two / one, goal)


def _bundles(out, judge, model, data, sets, folder) -> None:
    """The exported files, run by onnxruntime."""
    from dimaging_edge import open_bundle
    from dimaging_export import export
    from parts import captions_judge

    for precision in ("fp32", "fp16", "int8"):
        bundle = open_bundle(
            export(model, folder / precision, precision=precision, data=data.name), threads=1
        )
        size = sum(bundle.file(g).stat().st_size for g in bundle.graphs)
        out.add(f"{precision}: three graphs", size / 1e6, "", "MB")
        for name, truth in sets.items():
            image = model.draw(captions_judge.tokens(data, truth, 1), 2, bundle.run)
            right = (captions_judge.read(judge, image)[0] == truth).all(1).mean()
            out.add(f"{precision}: exact caption match, {name}", float(right))


def _time(out, model, data) -> None:
    """Processor time of the whole training, one thread."""
    import tensorflow as tf

    split = data.load(train=64, valid=1).train
    batch = split.x.astype(np.float32) / np.float32(255), split.label
    config, done = model.config, int(model.optimizer.iterations)
    first, second = config.matching_steps, config.stage1_steps
    counts = (first, second, max(0, done - first - second))
    seconds = 0.0
    for model.phase, count in enumerate(counts):
        step, times = tf.function(model.train_step, autograph=False), []
        for _ in range(6):
            begin = time.process_time()
            step(batch)
            times.append(time.process_time() - begin)
        seconds += float(np.median(times[1:])) * count
    out.facts["steps"] = counts
    out.add("training, one thread, processor time", seconds / 60, "<= 40", "min")


if __name__ == "__main__":
    sys.exit(main())
