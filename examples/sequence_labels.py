"""Many to many: four models of the phases of a cell, beside the optimum that each of them could reach.

python examples/sequence_labels.py --epochs 10

The picture shows the lecture's warning: how sure each model is, and how often it is right, with a signal and
without one. What is fed back tells a possible story either way.
"""

import argparse
from pathlib import Path

import dimaging_edge as edge
import keras
import numpy as np
from dimaging_export import export

from dimaging_tf import data
from dimaging_tf.data.cell_phases import STEPS, cell_cycle
from dimaging_tf.data.markov import KINDS, nats
from dimaging_tf.evaluation import plots
from dimaging_tf.models import sequence_labels

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--train", type=int, default=8000, help="sequences to learn from")
parser.add_argument("--units", type=int, default=32)
parser.add_argument("--out", type=Path, default=Path("runs/example-sequence_labels"))
args = parser.parse_args()

cells = data.load("cell_phases")
train, label = cells.train.x[: args.train], np.asarray(cells.train.label)[: args.train]
valid, truth = cells.valid.x[:500], np.asarray(cells.valid.label)[:500]
silence = np.random.default_rng(0).normal(size=(500, STEPS, 1)).astype(np.float32) * 3  # no signal
lines = {}
print("kind           nats  optimum   says  is right   without a signal: says  is right")
for kind in KINDS:
    keras.utils.set_random_seed(0)
    config = sequence_labels.Config(kind=kind, units=args.units, names=cells.classes)
    model = sequence_labels.SequenceLabels(config)
    steps = args.epochs * max(1, len(train) // 100)
    rate = keras.optimizers.schedules.CosineDecay(1e-2, steps)
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), **model.objective())
    model.fit(*model.transform(train, label, None), batch_size=100, epochs=args.epochs, verbose=0)

    bundle = edge.open_bundle(
        export(
            model, args.out / kind, data=(cells.valid.x, np.asarray(cells.valid.label)), force=True
        )
    )
    found = model.score(lambda graph, bundle=bundle, **x: bundle.run(graph, **x), valid, truth)
    optimum = nats(cell_cycle().probabilities(kind, valid[..., 0], truth), truth)
    row = [f"{kind:<13}{found:6.1f}{optimum:9.1f}"]
    for series in (valid, silence):
        said, odds = model.label(series[:200])
        row.append(f"{odds.max(-1).mean():7.3f}{(said == truth[:200]).mean():10.3f}")
        lines[f"{kind}{'' if series is valid else ', no signal'}"] = odds.max(-1).mean(0)
    print("   ".join(row))

figure = plots.curves(lines, "How sure each model is of what it says", x="frame", y="confidence")
plots.save_figure(figure, args.out / "confidence.png")
print(f"four models beside their optimum: {args.out / 'confidence.png'}")
