"""Do distance and angle help against adversarial signs? One view is fooled, and then all of them.

python examples/traffic_signs.py --epochs 15 --eps 0.06
"""

import argparse
from pathlib import Path

import dimaging_edge as edge
import keras
import numpy as np
from dimaging_edge import attacks
from dimaging_edge.robustness import view_map
from dimaging_export import export

from dimaging_tf import data
from dimaging_tf.evaluation import plots
from dimaging_tf.models import classifier
from dimaging_tf.physics import camera

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=15)
parser.add_argument("--steps", type=int, default=30, help="steps of an attack")
parser.add_argument(
    "--eps", type=float, default=16 / 255, help="largest change; black to white is 1"
)
parser.add_argument("--out", type=Path, default=Path("runs/example-signs"))
args = parser.parse_args()

keras.utils.set_random_seed(0)
signs = data.load("signs")
train, valid = data.to_float(signs.train.x), data.to_float(signs.valid.x)
config = classifier.Config(
    shape=(32, 32, 3), classes=8, names=signs.classes, channels=(16, 32, 64), kernel=3, normalise=True,
    dropout=0.3,
)  # fmt: skip
model = classifier.Classifier(config)
model.compile(keras.optimizers.Adam(2e-3), **model.objective())
model.fit(train, signs.train.label, batch_size=50, epochs=args.epochs, verbose=2)
bundle = export(model, args.out / "bundle", gradient=True, data=signs, force=True)
oracle = attacks.of_bundle(edge.open_bundle(bundle))

# Signs of roads that it never saw and reads right, one of each class.
labels = np.asarray(signs.valid.label)
right = oracle.score(valid).argmax(1) == labels
shown = [int(np.flatnonzero(right & (labels == k))[0]) for k in np.unique(labels[right])]
x, y = valid[shown], labels[shown]
threat, lens = attacks.Threat("linf", args.eps), camera.Camera(32)
found = {
    "clean": x,
    "one view": attacks.pgd(oracle, x, y, threat, steps=args.steps, confident=True).x,
    "over views": attacks.robust(oracle, x, y, threat, [lens] * 6, steps=args.steps).x,
}
maps = {
    name: view_map.view_map(oracle.score, image, y, lens, draws=5) for name, image in found.items()
}
for name, one in maps.items():
    print(f"{name}: misread {one.mean:.0%} of the photographs\n{one.table()}")
seen = {
    name: lens.at(2.0, 40.0)(np.random.default_rng(1)).apply(image) for name, image in found.items()
}
plots.save_grid(np.stack([*found.values(), *seen.values()]), args.out / "signs.png")
plots.save_figure(plots.view_maps(maps), args.out / "maps.png")
print(f"signs from the front and from the side: {args.out / 'signs.png'}")
print(f"share misread by distance and angle: {args.out / 'maps.png'}")
