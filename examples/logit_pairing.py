"""Logit pairing: a short attack says that it helps, and the ensemble of attacks says that it does not.

python examples/logit_pairing.py --epochs 8

Trains the same classifier on attacks, on attacks with paired logits, and with paired logits of noisy images
and no attack at all. Prints for each what PGD of 10 steps leaves, and what the worst of several attacks
leaves, and writes a picture of digits that each of them takes for others.
"""

import argparse
from pathlib import Path

import keras
import numpy as np
from dimaging_edge import attacks
from dimaging_edge.robustness import Claim, evaluate, wilson

from dimaging_tf import data
from dimaging_tf.attacks import oracle as keras_oracle
from dimaging_tf.defenses import adversarial_training, logit_pairing
from dimaging_tf.evaluation import plots

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=8)
parser.add_argument("--eps", type=float, default=0.2, help="largest change; black to white is 1")
parser.add_argument("--images", type=int, default=200)
parser.add_argument("--out", type=Path, default=Path("runs/example-logit-pairing"))
args = parser.parse_args()

digits = data.load("mnist5k")
train, valid = data.to_float(digits.train.x), data.to_float(digits.valid.x)
chosen = np.random.default_rng(0).permutation(len(valid))[: args.images]
x, y = valid[chosen], np.asarray(digits.valid.label, np.int64)[chosen]
threat = attacks.Threat("linf", args.eps)
given = {"eps": args.eps, "steps": 5, "step": 0.4}
defences = {
    "training on attacks": adversarial_training.AdversarialTraining(
        adversarial_training.Config(**given, clean=1.0)
    ),
    "paired with attacks": logit_pairing.LogitPairing(logit_pairing.Config(**given, pairing=0.5)),
    "paired with noise": logit_pairing.LogitPairing(
        logit_pairing.Config(eps=args.eps, pairing=5.0, noise=0.5)
    ),
}
fooled = []
for name, model in defences.items():
    keras.utils.set_random_seed(0)
    model.compile(keras.optimizers.Adam(2e-3))
    model.fit(train, digits.train.label, batch_size=100, epochs=args.epochs, verbose=0)
    oracle = keras_oracle.KerasOracle(model.network)
    result = attacks.pgd(oracle, x, y, threat, steps=10, step=args.eps / 4)
    fooled.append(result.x[np.argsort(~result.success, kind="stable")[:8]])
    short = 1 - result.rate
    # Somebody who claims the figure of the short attack is told by the gates.
    report = evaluate(oracle, x, y, threat, plan="quick", claim=Claim(short))
    left = wilson(round(report.rows[-1][1] * len(x)), len(x))
    print(f"{name:20} clean {report.clean}")
    print(f"{'':20} PGD-10 leaves {100 * short:.1f} %, the ensemble {left}")
    print(f"{'':20} {report.headline}")
args.out.mkdir(parents=True, exist_ok=True)
plots.save_grid(np.stack(fooled), args.out / "fooled.png")
print(f"digits that PGD-10 changed, a row for each defence: {args.out / 'fooled.png'}")
