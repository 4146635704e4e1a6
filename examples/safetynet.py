"""SafetyNet: a detector that catches attacks which do not know it, and falls to one that does.

python examples/safetynet.py --epochs 10

Prints, for three attacks, how well the detector tells attacked images from clean ones (AUC) and what it
catches at 5 % false alarms; then the share of images that an attack on the exported file, detector and all,
makes wrong and not refused.
"""

import argparse
from pathlib import Path

import dimaging_edge as edge
import keras
import numpy as np
from dimaging_edge import attacks
from dimaging_export import export
from sklearn.metrics import roc_auc_score

from dimaging_tf import data
from dimaging_tf.attacks import oracle as keras_oracle
from dimaging_tf.defenses import safetynet
from dimaging_tf.evaluation import plots
from dimaging_tf.models import classifier

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--images", type=int, default=300, help="images to teach with, and to test")
parser.add_argument("--out", type=Path, default=Path("runs/example-safetynet"))
args = parser.parse_args()

keras.utils.set_random_seed(0)
digits = data.load("mnist5k")
train, valid = data.to_float(digits.train.x), data.to_float(digits.valid.x)
model = classifier.Classifier()
model.compile(keras.optimizers.Adam(2e-3), **model.objective())
model.fit(train, digits.train.label, batch_size=100, epochs=args.epochs, verbose=2)

oracle = keras_oracle.KerasOracle(model.network)
weak, strong = attacks.Threat("linf", 0.1), attacks.Threat("linf", 0.2)
known = {
    "FGSM .2": lambda x, y: attacks.fgsm(oracle, x, y, strong),
    "PGD .1": lambda x, y: attacks.pgd(oracle, x, y, weak, steps=30),
    "DeepFool": lambda x, y: attacks.deepfool(oracle, x, y, attacks.Threat("l2", float("inf"))),
}


def fooled(x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """Images of each attack that the classifier takes for something else."""
    results = {name: run(x, y) for name, run in known.items()}
    return {name: found.x[found.success] for name, found in results.items()}


chosen = np.random.default_rng(0).permutation(len(train))[: 3 * args.images]
y = np.asarray(digits.train.label, np.int64)[chosen]
teach = fooled(train[chosen[: args.images]], y[: args.images])
safe = safetynet.fit_safetynet(model, train[chosen], list(teach.values()))
bundle = export(safe, args.out / "bundle", gradient=True, data=digits, force=True)
deployed = attacks.of_bundle(edge.open_bundle(bundle))


def suspicion(x: np.ndarray) -> np.ndarray:
    """How far the refusal lies above the best class: refused above 0."""
    z = deployed.score(x)
    return z[:, -1] - z[:, :-1].max(1)


drawn = np.random.default_rng(1).permutation(len(valid))[: args.images]
x, y = valid[drawn], np.asarray(digits.valid.label, np.int64)[drawn]
right = oracle.score(x).argmax(1) == y
x, y = x[right], y[right]
print(f"false alarms {np.mean(suspicion(x) > 0):.1%}")
for name, found in fooled(x, y).items():
    truth = np.r_[np.zeros(len(x)), np.ones(len(found))]
    area = roc_auc_score(truth, np.r_[suspicion(x), suspicion(found)])
    print(f"{name:9} AUC {area:.3f}  caught {np.mean(suspicion(found) > 0):.1%}")
shown = [x[:8]]
for eps in (0.1, 0.2, 0.3):
    threat = attacks.Threat("linf", eps)
    blind = attacks.pgd(oracle, x, y, threat, steps=30)
    passed = np.mean(blind.success & (suspicion(blind.x) <= 0))
    # Hardly any attack passes the detector more often than the network alone.
    bare = attacks.apgd(oracle, x, y, threat, steps=50).rate
    knowing = attacks.evade(deployed, x, y, threat, classes=4, steps=60, restarts=2)
    shown.append(knowing.x[np.argsort(~knowing.success, kind="stable")[:8]])
    print(
        f"eps {eps}: wrong and not refused {passed:.1%} by PGD, {knowing.rate:.1%} by an attack on the file "
        f"({bare:.1%} without a detector)"
    )
plots.save_grid(np.stack(shown), args.out / "evaded.png")
print(f"clean digits, and wrong ones that were not refused, by eps: {args.out / 'evaded.png'}")
