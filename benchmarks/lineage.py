"""Prospective lineage: AUC generations before the marker beside the exact optimum, and divisions of real tracks.

    python benchmarks/lineage.py --data DIR      DIR holds lineage_tracks.npz (or set DIMAGING_DATA)

Simulated (`dimaging_tf.data.lineage_cells`): a network trained with the settings of `dimaging train lineage`
judges 2,000 fresh cells of each generation; the optimum is the exact posterior of the simulated process, which
is told the generation no more than the network is. The exported file is judged on the same cells.

Tracks: will this cell divide within 20 frames? Five folds by trees over all windows of the file, six networks of
each fold averaged, against a logistic regression on 22 hand-made features of the same windows and on age and
generation alone. The settings of a fold's networks are chosen within its training trees alone, by three folds of
those; so is the strength of the logistic regression's penalty. Times are processor time of one thread.
"""

import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from parts import figures

TEST = 2000
CHOICES = [
    {"units": 16, "dropout": 0.3, "noise": 0.2},
    {"units": 8, "dropout": 0.3, "noise": 0.5},
]
"""Settings of a network of tracks, of which each fold chooses one."""
STRENGTHS = [0.003, 0.03, 0.3]
"""Inverse penalties of the logistic regression."""
EPOCHS, RATE, SEEDS = 8, 7e-3, 6
"""Rounds of the training windows, Adam's rate at the start, and networks that judge a fold."""


def main() -> int:
    """Simulated cells first, then tracks."""
    p = figures.parser("lineage", __doc__, "lineage_tracks.npz")
    p.add_argument("--part", choices=("both", "cells", "tracks"), default="both")
    args = p.parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    out = figures.Figures("lineage", args.quick, args.json, facts={"threads": 1})
    if args.part != "tracks":
        cells(out, args.quick)
    if args.part != "cells":
        tracks(out, args.quick, args.data / "lineage_tracks.npz")
    return out.finish()


def cells(out: figures.Figures, quick: bool) -> None:
    """AUC of each generation, of the network, its file, and the optimum."""
    import dimaging_edge as edge
    from dimaging_export import export

    from dimaging_tf.data import lineage_cells
    from dimaging_tf.data.dataset import to_float
    from dimaging_tf.evaluation.metrics import auc
    from dimaging_tf.training import runs

    with tempfile.TemporaryDirectory() as temporary:
        settings = runs.default_settings("lineage", **({"epochs": 1} if quick else {}))
        began = time.process_time()
        runs.train(settings, Path(temporary) / "run")
        out.add("cells: training", time.process_time() - began, "", "s")
        model = runs.load_model(Path(temporary) / "run")
        bundle = edge.open_bundle(export(model, Path(temporary) / "bundle", data="lineage_cells"))
        rng = np.random.default_rng(123)
        for early in range(5):
            label = rng.integers(0, 2, 100 if quick else TEST)
            seen = lineage_cells.draw(label, early, rng)
            found = auc(model.foretell(to_float(seen)), label)
            if early == 4:
                out.add("cells: AUC before the choice, off .5", abs(found - 0.5), "<= 0.03")
                continue
            best = auc(lineage_cells.log_odds(seen), label)
            out.add(f"cells: AUC {early} generations early, exact optimum", best)
            out.add(f"cells: AUC {early} generations early, network", found)
            out.add(f"cells: AUC {early} generations early, below optimum", best - found, "<= 0.03")
            if early == 0:
                said = bundle.run("lineage", movie=to_float(seen[:200]))["probability"]
                ours = model.run("lineage", movie=to_float(seen[:200]))["probability"]
                out.add("cells: largest difference of the file", float(np.abs(said - ours).max()))


def tracks(out: figures.Figures, quick: bool, path: Path) -> None:
    """AUC of each fold, of the network, the logistic regression, and of age and generation alone."""
    from sklearn.model_selection import GroupKFold

    from dimaging_tf.data import cell_tracks
    from dimaging_tf.evaluation.metrics import auc

    cut = cell_tracks.windows(cell_tracks.read_points(path))
    out.facts |= {"windows": len(cut.x), "divide within 20": int(cut.label.sum())}
    out.facts |= {"cells": len(set(cut.track)), "trees": len(set(cut.tree))}
    features = hand_features(cut.x)
    found, chosen, began = [], [], time.process_time()
    networks, settings = Networks(cut, quick), CHOICES[:1] if quick else CHOICES
    for train, valid in GroupKFold(5).split(cut.x, cut.label, cut.tree):
        inner = GroupKFold(3).split(train, cut.label[train], cut.tree[train])
        folds = [(train[a], train[b]) for a, b in inner]
        row, picked = [], []
        for columns in (slice(9, 12), slice(None)):
            score = partial(logistic_score, features[:, columns], cut.label)
            picked.append(best(STRENGTHS, score, cut.label, folds))
            row.append(score(picked[-1], train, valid))
        picked.append(best(settings, networks.score, cut.label, folds))
        row.append(networks.score(picked[-1], train, valid, seeds=1 if quick else SEEDS))
        chosen.append(picked)
        found.append([auc(score, cut.label[valid]) for score in row])
        print(f"fold: age, logistic, network {np.round(found[-1], 3)}", file=sys.stderr, flush=True)
    out.facts["chosen in the folds: age, logistic, network"] = chosen
    age, logistic, network = np.array(found).T
    out.facts["AUC of the folds: age, logistic, network"] = np.round(found, 4).tolist()
    out.add("tracks: AUC, age and generation, mean of the folds", float(age.mean()))
    out.add("tracks: AUC, logistic regression, mean of the folds", float(logistic.mean()))
    out.add("tracks: AUC, network, mean of the folds", float(network.mean()))
    out.add("tracks: folds above the logistic regression", int((network > logistic).sum()), ">= 4", "of 5")  # fmt: skip
    out.add("tracks: training", time.process_time() - began, "", "s")


def best(choices: list[Any], score: Any, label: np.ndarray, folds: list[Any]) -> Any:
    """Return the choice whose mean AUC over folds of training windows is the largest."""
    from dimaging_tf.evaluation.metrics import auc

    return max(choices, key=lambda c: np.mean([auc(score(c, a, b), label[b]) for a, b in folds]))


def logistic_score(
    features: np.ndarray, label: np.ndarray, strength: float, train: np.ndarray, valid: np.ndarray
) -> np.ndarray:
    """Return what a logistic regression of the train windows says of the valid ones."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    logistic = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
    return logistic.fit(features[train], label[train]).decision_function(features[valid])


class Networks:
    """The product's model, traced once for each of its settings, and begun anew for every fold and seed."""

    def __init__(self, cut: Any, quick: bool):
        self.cut, self.epochs = cut, 1 if quick else EPOCHS
        self.known: dict[str, Any] = {}

    def begin(self, settings: dict[str, Any], seed: int) -> Any:
        """Return a compiled model with the weights of a seed and an optimizer that has seen nothing."""
        import keras

        from dimaging_tf import models

        keras.utils.set_random_seed(seed)
        fresh = models.Lineage(models.LineageConfig(shape=self.cut.x.shape[1:], **settings))
        model = self.known.setdefault(str(settings), fresh)
        if model is fresh:
            adam = keras.optimizers.Adam(RATE, global_clipnorm=1.0)
            model.compile(adam, **model.objective())
        for variable in model.optimizer.variables:
            if "learning_rate" not in variable.path:
                variable.assign(np.zeros(variable.shape, variable.dtype))
        model.set_weights(fresh.get_weights())
        return model

    def score(
        self, settings: dict[str, Any], train: np.ndarray, valid: np.ndarray, seeds: int = 1
    ) -> np.ndarray:
        """Return the mean log-odds of the valid windows, of networks of the train windows."""
        import keras

        cut, said = self.cut, []
        falls = keras.callbacks.LearningRateScheduler(
            lambda epoch: RATE * 0.5 * (1 + np.cos(np.pi * epoch / self.epochs))
        )
        for seed in range(seeds):
            model = self.begin(settings, seed)
            model.measure(cut.x[train], None)
            pair = model.transform(cut.x[train], cut.label[train], None)
            model.fit(*pair, batch_size=128, epochs=self.epochs, verbose=0, callbacks=[falls])
            said.append(model.foretell(cut.x[valid]))
        return np.mean(said, 0)


def hand_features(x: np.ndarray) -> np.ndarray:
    """Return what a person would compute of a window [N, 30, 12]: means, ends and spreads, [N, 22]."""
    speed, turn = x[:, :, 0], x[:, :, 1]
    summary = [
        speed.mean(1),
        speed[:, -10:].mean(1),
        speed.std(1),
        turn.mean(1),
        turn[:, -10:].mean(1),
    ]
    crowd = [*x[:, -10:, 2:4].mean(1).T, *x[:, :, 2:4].std(1).T]
    born = x[:, -1, 9:12]  # age, whether its birth was seen, generation
    return np.column_stack([*summary, *crowd, born, x[:, :, 4:9].mean(1), x[:, -5:, 4:9].mean(1)])


if __name__ == "__main__":
    sys.exit(main())
