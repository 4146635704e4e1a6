"""Many to one: left or right hand from an EEG, with the noise made white before anything is learned.

python examples/eeg.py --epochs 40

The picture shows what the fixed first layer does: the covariance of the noise before and after it.
"""

import argparse
from pathlib import Path

import dimaging_edge as edge
import keras
import numpy as np
from dimaging_export import export

from dimaging_tf import data
from dimaging_tf.evaluation import plots
from dimaging_tf.models import eeg

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--data", default="eeg_trials", help="or an .npz, or a folder CLASS/NAME.csv")
parser.add_argument("--epochs", type=int, default=40)
parser.add_argument("--members", type=int, default=8)
parser.add_argument("--out", type=Path, default=Path("runs/example-eeg"))
args = parser.parse_args()

keras.utils.set_random_seed(0)
trials = data.load(args.data)
x, label = trials.train.x, np.asarray(trials.train.label)
config = eeg.EEG.config_for(trials.shape, {**eeg.EEG.settings_for(trials), "members": args.members})
model = eeg.EEG(config)
model.check_data(trials)
model.measure(x, label)  # measures the noise, in the training trials alone

steps = args.epochs * -(-len(x) // 64)
rate = keras.optimizers.schedules.CosineDecay(0.0, steps, warmup_target=0.1, warmup_steps=10)
model.compile(keras.optimizers.SGD(rate, momentum=0.9))
model.fit(x, label, batch_size=64, epochs=args.epochs, verbose=0)

test, truth = trials.valid.x, np.asarray(trials.valid.label)
bundle = edge.open_bundle(export(model, args.out / "bundle", data=(test, truth), force=True))
logits = bundle.run("eeg", series=test)["logits"]
print(
    f"accuracy of {args.members} members on {len(test)} trials: {(logits.argmax(-1) == truth).mean():.3f}"
)

matrix = model.members.get_layer("whitening").get_weights()[0]
rest = np.concatenate([x[label == k] - x[label == k].mean(0) for k in np.unique(label)])
rest = rest[:, -10:].mean(1)
both = np.stack([np.cov(noise.T) for noise in (rest, rest @ matrix)])
both = np.abs(both) / np.abs(both).max((1, 2), keepdims=True)
plots.save_grid(both[None, ..., None].repeat(8, 2).repeat(8, 3), args.out / "noise.png")
print(f"covariance of the noise, before and after the first layer: {args.out / 'noise.png'}")
