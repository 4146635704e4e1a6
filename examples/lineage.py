"""Prospective lineage: how early can it be said what a cell will become, beside the exact optimum?

python examples/lineage.py --epochs 8

Simulated cells before their lineage shows. Trains, exports, and judges fresh cells of each generation by the
exported file. The picture shows the AUC 0 to 4 generations before the marker; 4 is before the choice.
"""

import argparse
from pathlib import Path

import dimaging_edge as edge
import keras
import numpy as np
from dimaging_export import export

from dimaging_tf import data
from dimaging_tf.data import lineage_cells
from dimaging_tf.evaluation import metrics, plots
from dimaging_tf.models import Lineage, LineageConfig, lineage

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=8)
parser.add_argument("--cells", type=int, default=1000, help="fresh cells of each generation")
parser.add_argument("--out", type=Path, default=Path("runs/example-lineage"))
args = parser.parse_args()

keras.utils.set_random_seed(0)
cells = data.load("lineage_cells")
model = Lineage(LineageConfig())
batches = data.batches(cells.train, 64, seed=0, transform=model.transform)
steps = len(cells.train) // 64
rate = keras.optimizers.schedules.CosineDecay(3e-3, args.epochs * steps)
model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), **model.objective())
model.fit(batches, epochs=args.epochs, steps_per_epoch=steps, shuffle=False, verbose=0)

bundle = edge.open_bundle(export(model, args.out / "bundle", data=cells, force=True))
rng = np.random.default_rng(1)
network, optimum = [], []
print("generations early   network   exact optimum")
for early in range(len(lineage_cells.TRACE)):
    label = rng.integers(0, 2, args.cells)
    lives = lineage_cells.draw(label, early, rng)
    said = bundle.run("lineage", movie=lives.astype(np.float32) / 255)["probability"]
    network.append(metrics.auc(lineage.log_odds(said).mean(1), label))
    optimum.append(metrics.auc(lineage_cells.log_odds(lives), label))
    print(f"{early:17}{network[-1]:10.3f}{optimum[-1]:16.3f}", flush=True)

figure = plots.curves(
    {"network": np.array(network), "exact optimum": np.array(optimum)},
    "What a cell will become, before it shows", x="generations before the marker", y="AUC", first=0,
)  # fmt: skip
plots.save_figure(figure, args.out / "lineage.png")
print(f"AUC of each generation: {args.out / 'lineage.png'}")
