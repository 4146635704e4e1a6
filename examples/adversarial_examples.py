"""Adversarial examples: every digit becomes a three, in the int8 file that is deployed.

python examples/adversarial_examples.py --epochs 10 --eps 0.15
"""

import argparse
from pathlib import Path

import dimaging_edge as edge
import keras
import numpy as np
from dimaging_edge import attacks
from dimaging_export import export

from dimaging_tf import data
from dimaging_tf.evaluation import plots
from dimaging_tf.models import classifier

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--eps", type=float, default=0.15, help="largest change; black to white is 1")
parser.add_argument("--out", type=Path, default=Path("runs/example-adversarial"))
args = parser.parse_args()

keras.utils.set_random_seed(0)
digits = data.load("mnist5k")
train, valid = data.to_float(digits.train.x), data.to_float(digits.valid.x)

model = classifier.Classifier()
model.compile(keras.optimizers.Adam(2e-3), **model.objective())
model.fit(train, digits.train.label, batch_size=100, epochs=args.epochs, verbose=2)

bundle = export(
    model, args.out / "bundle", precision="int8", gradient=True, data=digits, force=True
)
oracle = attacks.of_bundle(edge.open_bundle(bundle))

# One of each digit but the three, and what the deployed file makes of it after an attack.
labels = np.asarray(digits.valid.label)
shown = [int(np.flatnonzero(labels == k)[0]) for k in range(10) if k != 3]
x, y = valid[shown], labels[shown]
threat = attacks.Threat("linf", args.eps, target=3)
result = attacks.pgd(oracle, x, y, threat)
change = (result.x - x) / (2 * args.eps) + 0.5

plots.save_grid(np.stack([x, result.x, change]), args.out / "threes.png")
print(f"{int(result.success.sum())} of {len(x)} digits became a three: {args.out / 'threes.png'}")
