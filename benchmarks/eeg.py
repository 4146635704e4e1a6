"""Left or right hand from EEG: an ensemble of GRUs behind a fixed whitening, against shrinkage LDA.

    python benchmarks/eeg.py --data DIR      DIR holds eeg_selfpaced.npz: x [N, T, C], y 0 or 1
    python benchmarks/eeg.py --data DIR --nested --repeats 3 --json benchmarks/results/eeg_nested.json

Both learn from the same four fifths of the trials and are judged by the last fifth; ten repetitions with other
fifths. LDA (scikit-learn, Ledoit and Wolf's shrinkage) reads the mean of the last 8 steps minus that of the
first 10; the ensemble reads the series. Everything is measured on the training part alone, whitening too.
"Averaged" adds both scores, each divided by its spread on the training part. The intervals are those of the trials
(Wilson, 95 %), each judged by the majority of the repetitions.

Without --nested the ensemble has the settings of the product, which were once chosen by folds of the same trials, so
its figures are optimistic. With --nested each training part chooses its own settings, by three folds of that part,
and the part that judges has no say.
"""

import sys
from typing import Any

import numpy as np
from parts import figures

FILE = "eeg_selfpaced.npz"
STEPS = 200
CHOICES: list[dict[str, Any]] = [
    {"filters": filters, "units": units, "noise": noise}
    for filters, units in ((2, 4), (4, 8))
    for noise in (0.5, 1.0)
]
"""Settings of the ensemble, of which each training part chooses one with --nested."""


def main() -> int:
    """Train on every fold, judge, compare trial by trial."""
    p = figures.parser("eeg", __doc__, FILE)
    p.add_argument("--repeats", type=int, default=10)
    p.add_argument(
        "--nested", action="store_true", help="choose the settings within each training part"
    )
    args = p.parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    from sklearn.model_selection import StratifiedKFold

    x, label, source = _trials(args.data / FILE)
    repeats, steps = (1, 5) if args.quick else (args.repeats, STEPS)
    facts = {"data": source, "trials": len(x), "repeats": repeats, "folds": 5, "steps": steps}
    out = figures.Figures("eeg", args.quick, args.json, facts=facts)
    choices = CHOICES[: 2 if args.quick else None] if args.nested else [{}]
    ensembles = [_Ensemble(x.shape[1:], steps, choice) for choice in choices]
    chosen = []
    right: dict[str, Any] = {
        n: np.zeros((repeats, len(x)), bool) for n in ("LDA", "ensemble", "averaged")
    }
    members = []
    for repeat in range(repeats):
        folds = StratifiedKFold(5, shuffle=True, random_state=repeat)
        for fold, (train, test) in enumerate(folds.split(x, label)):
            scores: dict[str, Any] = {"LDA": _lda(x, label, train)}
            seed = 10 * repeat + fold
            best = 0
            if args.nested:
                worth = [_worth(one, x, label, train, seed) for one in ensembles]
                best = int(np.argmax(worth))
            chosen.append(best)
            logits = ensembles[best].fit(x, label, train, seed=seed)
            scores["ensemble"] = logits.mean(1)
            scores["averaged"] = sum(s / s[train].std() for s in list(scores.values()))
            for name, score in scores.items():
                right[name][repeat, test] = (score > 0)[test] == label[test]
            members.append(((logits > 0) == label[:, None])[test].mean())
    if args.nested:
        out.facts["choices"] = choices
        out.facts["times that each was chosen"] = np.bincount(
            chosen, minlength=len(choices)
        ).tolist()
    for name, goal in (("LDA", ""), ("ensemble", ">= 0.8"), ("averaged", "")):
        out.add(f"accuracy, {name}", float(right[name].mean()), goal)
        out.facts[f"{name}: interval"] = _wilson(right[name].mean(0) > 0.5)
        out.facts[f"{name}: spread of repeats"] = round(float(right[name].mean(1).std()), 4)
    out.add("accuracy, one member", float(np.mean(members)))
    for name, goal in (("ensemble", ""), ("averaged", ">= 0")):
        gain = right[name].mean(0) - right["LDA"].mean(0)
        out.add(f"{name} minus LDA, points", float(100 * gain.mean()), goal, "points")
        deviation = 1.96 * 100 * gain.std() / len(gain) ** 0.5
        out.facts[f"{name} minus LDA: interval, points"] = [
            round(float(100 * gain.mean() + sign * deviation), 2) for sign in (-1, 1)
        ]
    return out.finish()


def _trials(path: Any) -> tuple[np.ndarray, np.ndarray, str]:
    """Return x float32 [N, T, C], labels int [N], and where they come from; simulated ones without the file."""
    if not path.exists():
        from dimaging_tf import data

        trials = data.load("eeg_trials")
        return trials.train.x, np.asarray(trials.train.label), "eeg_trials"
    with np.load(path) as file:
        return file["x"].astype(np.float32), file["y"].astype(np.int64), path.name


def _lda(x: np.ndarray, label: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Return the score of every trial, trained on some of them."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    features = x[:, -8:].mean(1) - x[:, :10].mean(1)
    lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    return lda.fit(features[train], label[train]).decision_function(features)


def _worth(ensemble: Any, x: np.ndarray, label: np.ndarray, train: np.ndarray, seed: int) -> float:
    """Return the accuracy of an ensemble's settings, in three folds of the training part."""
    from sklearn.model_selection import StratifiedKFold

    found = []
    for a, b in StratifiedKFold(3, shuffle=True, random_state=seed).split(train, label[train]):
        logits = ensemble.fit(x, label, train[a], seed=seed).mean(1)[train[b]]
        found.append(((logits > 0) == label[train[b]]).mean())
    return float(np.mean(found))


class _Ensemble:
    """The product's model, traced once and begun anew for every fold."""

    def __init__(self, shape: tuple[int, ...], steps: int, settings: dict[str, Any]):
        import keras

        from dimaging_tf.models.eeg import EEG, Config
        from dimaging_tf.registry import REGISTRY

        entry = REGISTRY["eeg"]
        self.new = lambda: EEG(Config(shape=(shape[0], shape[1]), **settings))
        self.model, self.steps = self.new(), steps
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, steps, warmup_target=entry.learning_rate, warmup_steps=10
        )
        self.model.compile(keras.optimizers.Adam(rate, **entry.optimizer))
        self.seed = keras.utils.set_random_seed

    def fit(self, x: np.ndarray, label: np.ndarray, train: np.ndarray, seed: int) -> np.ndarray:
        """Return right minus left of every member for every trial, [N, members]."""
        from dimaging_tf import data

        self.seed(seed)
        self.model.set_weights(self.new().get_weights())
        for variable in self.model.optimizer.variables:
            if "learning_rate" not in variable.path:
                variable.assign(np.zeros(variable.shape, variable.dtype))
        self.model.measure(x[train], label[train])
        split = data.Split(x[train], label[train].astype(np.int32), "series")
        batches = data.batches(split, len(train), seed=seed)
        self.model.fit(batches, steps_per_epoch=self.steps, epochs=1, verbose=0)
        logits = np.asarray(self.model.members(x))
        return logits[..., 1] - logits[..., 0]


def _wilson(right: np.ndarray) -> list[float]:
    """Return the 95 % interval of the share of trials that are right."""
    n, p, z = len(right), right.mean(), 1.96
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return [round(float(middle - half), 3), round(float(middle + half), 3)]


if __name__ == "__main__":
    sys.exit(main())
