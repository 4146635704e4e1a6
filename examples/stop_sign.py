"""A stop sign that a detector no longer sees, and one that a classifier misreads: does distance help?

python examples/stop_sign.py --epochs 25 --eps 0.06

Trains a small detector on signs in front of photographs, and attacks stop signs: in one view from the front,
and over views. Both sides of the lecture are on one page: Lu et al. (2017) photograph the sign of one view
from elsewhere and the detector sees it; Athalye et al. (OpenAI's answer) attack over the views.
"""

import argparse
from pathlib import Path

import dimaging_edge as edge
import keras
import numpy as np
from dimaging_edge import attacks
from dimaging_export import export

from dimaging_tf import data
from dimaging_tf.data import sign_scenes, signs
from dimaging_tf.evaluation import detection, plots
from dimaging_tf.models import sign_detector

WORDS = {"right": "seen", "other": "read as another", "unseen": "missed"}

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=25)
parser.add_argument("--scenes", type=int, default=1200, help="scenes to learn from")
parser.add_argument("--steps", type=int, default=40, help="steps of an attack")
parser.add_argument(
    "--eps", type=float, default=16 / 255, help="largest change; black to white is 1"
)
parser.add_argument("--out", type=Path, default=Path("runs/example-stop-sign"))
args = parser.parse_args()

keras.utils.set_random_seed(0)
scenes = sign_scenes.load_sign_scenes(scenes=(args.scenes, max(args.scenes // 8, 8)))
x, valid = data.to_float(scenes.train.x), data.to_float(scenes.valid.x)
model = sign_detector.SignDetector(sign_detector.Config(names=scenes.classes))
steps = args.epochs * len(x) // 32
model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, max(steps, 1))))
model.fit(x, scenes.train.label, batch_size=32, epochs=args.epochs, verbose=2)
print(f"F1 in new scenes {model.score(model.run, valid, scenes.valid.label):.1f} %")
bundle = edge.open_bundle(
    export(model, args.out / "bundle", gradient=True, data=scenes, force=True), threads=1
)
oracle = attacks.of_bundle(bundle)


def detect(images: np.ndarray) -> list[list[detection.Found]]:
    """What the exported file finds in each scene."""
    return detection.read_maps(bundle.run("detector", image=images), sign_detector.STRIDE)


# Four plates of a stop sign, each with wear of its own, in front of photographs that were not learnt from.
rng = np.random.default_rng(1)
plates = np.stack([signs.weathered(signs.draw_sign(0), rng) for _ in range(4)])
y = np.full(4, scenes.classes.index("stop"))
camera = sign_scenes.scene_camera(scenes.valid)
front = camera.at(1.0, 0.0)(np.random.default_rng(2))
gone = attacks.Threat("linf", args.eps, target=scenes.classes.index("nothing"))
other = attacks.Threat("linf", args.eps, target=scenes.classes.index("no vehicles"))
one_view = attacks.Bpda(oracle, front.apply, front.back)
views = [camera] * 6
found = {
    "clean": plates,
    "one view": attacks.pgd(one_view, plates, y, gone, steps=args.steps, certainty=0.9).x,
    "over views": attacks.robust(oracle, plates, y, gone, views, steps=args.steps, front=front).x,
    "read as another": attacks.robust(
        oracle, plates, y, other, views, steps=args.steps, front=front
    ).x,
}
shown = []
for name, plate in found.items():
    counts = detection.read_views(detect, plate, y, camera)
    said = [f"{words} {counts.share(what):.0%}" for what, words in WORDS.items()]
    print(f"{name:16} {', '.join(said)}")
    for distance, yaw in ((1.0, 0.0), (2.0, 40.0)):
        seen = camera.at(distance, yaw)(np.random.default_rng(3)).apply(plate)
        shown.append([detection.framed(i, f) for i, f in zip(seen, detect(seen), strict=True)])
plots.save_grid(np.stack([np.stack(row) for row in shown]), args.out / "stop_signs.png")
print(f"scenes, with a frame around what is seen: {args.out / 'stop_signs.png'}")
