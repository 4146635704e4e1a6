"""Many to many: four models of the phases of a cell, beside the optimum that each of them could reach.

python examples/sequence_labels.py --epochs 10

The picture shows the lecture's warning: how sure each model is. One that learned from noise alone knows how
cells go round their cycle and nothing else; it says so where it labels each step for itself, and where its
own labels are fed back it tells a possible story and is sure of it.
"""

import argparse
from pathlib import Path

import dimaging_edge as edge
import keras
import numpy as np
from dimaging_export import export

from dimaging_tf import data
from dimaging_tf.data import cell_phases, markov
from dimaging_tf.evaluation import plots
from dimaging_tf.models import sequence_labels

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--train", type=int, default=8000, help="sequences to learn from")
parser.add_argument("--units", type=int, default=32)
parser.add_argument(
    "--kinds", nargs="+", choices=markov.KINDS, default=markov.KINDS, metavar="KIND"
)
parser.add_argument("--out", type=Path, default=Path("runs/example-sequence_labels"))
args = parser.parse_args()

cells = data.load("cell_phases")
train, label = cells.train.x[: args.train], np.asarray(cells.train.label)[: args.train]
valid, truth = cells.valid.x[:500], np.asarray(cells.valid.label)[:500]
rng = np.random.default_rng(0)


def trained(kind: str, series: np.ndarray) -> sequence_labels.SequenceLabels:
    """A model of this kind, fit to these series and the labels."""
    keras.utils.set_random_seed(0)
    config = sequence_labels.Config(kind=kind, units=args.units, names=cells.classes)
    model = sequence_labels.SequenceLabels(config)
    steps = args.epochs * max(1, len(series) // 100)
    rate = keras.optimizers.schedules.CosineDecay(1e-2, steps)
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), **model.objective())
    model.fit(*model.transform(series, label, None), batch_size=100, epochs=args.epochs, verbose=0)
    return model


lines = {}
print("kind           nats  optimum   says  is right   learned without a signal: says  is right")
for kind in args.kinds:
    model = trained(kind, train)
    real = (cells.valid.x, np.asarray(cells.valid.label))
    bundle = edge.open_bundle(export(model, args.out / kind, data=real, force=True))
    found = model.score(lambda graph, bundle=bundle, **x: bundle.run(graph, **x), valid, truth)
    exact = cell_phases.cell_cycle().probabilities(kind, valid[..., 0], truth)
    optimum = markov.nats(exact, truth)
    row = [f"{kind:<13}{found:6.1f}{optimum:9.1f}"]
    deaf = trained(kind, rng.normal(size=train.shape).astype(np.float32))
    silence = rng.normal(size=valid.shape).astype(np.float32)
    for name, one, series in ((kind, model, valid), (f"{kind}, no signal", deaf, silence)):
        said, odds = one.label(series[:200])
        row.append(f"{odds.max(-1).mean():7.3f}{(said == truth[:200]).mean():10.3f}")
        lines[name] = odds.max(-1).mean(0)
    print("   ".join(row), flush=True)

figure = plots.curves(lines, "How sure each model is of what it says", x="frame", y="confidence")
plots.save_figure(figure, args.out / "confidence.png")
print(f"models beside their optimum: {args.out / 'confidence.png'}")
