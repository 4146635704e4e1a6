"""A label for every step: how far from the exact optimum, and how sure each kind is of what it says.

    python benchmarks/sequence_labels.py

Phases of simulated cells (`dimaging_tf.data.cell_phases`, noise 1, 60 frames). Nats are those of all labels of a
sequence, of 1,000 sequences that no model has seen; the optimum of the same sequences follows from forward and
backward passes. Confidence is the mean of the largest probability that a model states for a step, accuracy
how often what it says is right: kinds that are told nothing say the likeliest label of each step, the others
draw it and are told what they have said. "No signal": learned from, and asked about, noise alone.
"""

import sys
from typing import Any

import numpy as np
from parts import figures

ALONE, FED_BACK = "bidirectional", "joint"


def main() -> int:
    """Train the four kinds, and two of them without a signal; judge all."""
    p = figures.parser("sequence_labels", __doc__)
    p.add_argument("--epochs", type=int, default=8)
    args = p.parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    from dimaging_tf import data
    from dimaging_tf.data import cell_phases, markov

    cells = data.load("cell_phases")
    train, valid = (slice(0, 200), slice(0, 20)) if args.quick else (slice(None), slice(None))
    epochs = 1 if args.quick else args.epochs
    x, label = cells.train.x[train], np.asarray(cells.train.label)[train]
    test, truth = cells.valid.x[valid], np.asarray(cells.valid.label)[valid]
    facts = {"epochs": epochs, "train": len(x), "valid": len(test)}
    out = figures.Figures("sequence_labels", args.quick, args.json, facts=facts)
    chain, order = cell_phases.cell_cycle(), []
    gaps: dict[str, float] = {}
    for kind in markov.KINDS:
        model = trained(kind, x, label, epochs)
        found = model.score(model.run, test, truth)
        optimum = markov.nats(chain.probabilities(kind, test[..., 0], truth), truth)
        order.append(found)
        out.add(f"nats a sequence, {kind}", found, "", "nats")
        out.add(f"nats above the optimum, {kind}", found - optimum, "<= 1", "nats")
        if kind in (ALONE, FED_BACK):
            gaps[kind] = gap(model, test, truth)
    out.add("kinds in the order of their optima", float(order == sorted(order)[::-1]), ">= 1")
    rng = np.random.default_rng(0)
    noise, silence = (rng.normal(size=s.shape).astype(np.float32) for s in (x, test))
    for kind in (ALONE, FED_BACK):
        gaps[f"{kind}, no signal"] = gap(trained(kind, noise, label, epochs), silence, truth)
    goals = {ALONE: "<= 3", FED_BACK: ">= 12", f"{FED_BACK}, no signal": ">= 45"}
    for kind, value in gaps.items():
        out.add(f"confidence minus accuracy, {kind}", value, goals.get(kind, ""), "points")
    return out.finish()


def trained(kind: str, x: np.ndarray, label: np.ndarray, epochs: int) -> Any:
    """Return a model of this kind, fit as `dimaging train` does it."""
    import keras

    from dimaging_tf.models.sequence_labels import Config, SequenceLabels
    from dimaging_tf.registry import REGISTRY

    entry = REGISTRY["sequence_labels"]
    keras.utils.set_random_seed(0)
    model = SequenceLabels(Config(shape=(x.shape[1], x.shape[2]), kind=kind))
    steps = epochs * -(-len(x) // entry.batch)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=entry.learning_rate, warmup_steps=min(100, steps)
    )
    model.compile(keras.optimizers.Adam(rate, **entry.optimizer), **model.objective())
    model.fit(*model.transform(x, label, None), batch_size=entry.batch, epochs=epochs, verbose=0)
    return model


def gap(model: Any, x: np.ndarray, truth: np.ndarray) -> float:
    """Return stated confidence minus accuracy, in points."""
    said, odds = model.label(x)
    return 100 * float(odds.max(-1).mean() - (said == truth).mean())


if __name__ == "__main__":
    sys.exit(main())
