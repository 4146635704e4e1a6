"""A certificate: digits that no attack within eps can change, proven by a file of the bundle.

python examples/certificate.py --epochs 60

Trains a classifier by interval bounds, exports it in whole numbers with its certificate, and lets random
squares loose on it. Writes a picture: digits and the same attacked, certified ones and others.
"""

import argparse
from pathlib import Path

import dimaging_edge as edge
import keras
import numpy as np
from dimaging_edge import attacks
from dimaging_edge.robustness import certify
from dimaging_export import export

from dimaging_tf import data
from dimaging_tf.defenses import interval_training
from dimaging_tf.evaluation import plots

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=60)
parser.add_argument("--eps", type=float, default=0.3, help="largest change; black to white is 1")
parser.add_argument("--out", type=Path, default=Path("runs/example-certificate"))
args = parser.parse_args()

keras.utils.set_random_seed(0)
digits = data.load("mnist5k")
train, valid = data.to_float(digits.train.x), data.to_float(digits.valid.x)
config = interval_training.Config(eps=args.eps, start=80, ramp=max(1, 20 * args.epochs))
model = interval_training.IntervalTraining(config)
rate = keras.optimizers.schedules.CosineDecay(2e-3, 40 * args.epochs)
model.compile(keras.optimizers.Adam(rate, global_clipnorm=5.0))
model.fit(train, digits.train.label, batch_size=100, epochs=args.epochs, verbose=2)

path = export(
    model, args.out / "bundle", precision="integer", certificate=True, data=digits, force=True
)
bundle = edge.open_bundle(path)
x, y = valid, np.asarray(digits.valid.label, np.int64)
for eps in (0.1, 0.2, 0.3):
    found = certify(bundle, x, y, eps)
    print(f"eps {eps}: certified {found.figure}, right as they are {found.clean}")

proven = certify(bundle, x, y, args.eps).certified
chosen = np.concatenate([np.flatnonzero(mask)[::20][:8] for mask in (proven, ~proven)])
threat = attacks.Threat("linf", args.eps)
result = attacks.square(
    attacks.of_bundle(bundle), x[chosen], y[chosen], threat, queries=1000
)  # fmt: skip
print(f"squares change {int(result.success[proven[chosen]].sum())} certified digits")
half = int(proven[chosen].sum())
width = min(half, len(chosen) - half) or max(half, len(chosen) - half)
rows = [part[s : s + width] for s in (0, half) for part in (x[chosen], result.x)]
plots.save_grid(np.stack([row for row in rows if len(row) == width]), args.out / "certified.png")
print(f"digits and attacked ones, certified and not: {args.out / 'certified.png'}")
