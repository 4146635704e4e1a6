"""A cat that is classified as an iguana, noise too, and a cat that stays one when it is photographed again.

pip install 'dimaging[imagenet]'
python examples/iguana.py --eps 8/255
"""

import argparse
from pathlib import Path

import dimaging_edge as edge
import numpy as np
from dimaging_edge import attacks
from dimaging_edge.attacks import synthesis, views
from dimaging_export import export
from skimage import data as photographs

from dimaging_tf.data import imagenet
from dimaging_tf.evaluation import plots
from dimaging_tf.physics import jpeg

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--eps", default="8/255", help="largest change; black to white is 1")
parser.add_argument("--steps", type=int, default=40, help="steps of the robust attack")
parser.add_argument("--out", type=Path, default=Path("runs/example-iguana"))
args = parser.parse_args()

bundle = export("efficientnet_lite0", args.out / "bundle", gradient=True, force=True)
oracle = attacks.of_bundle(edge.open_bundle(bundle))
names = imagenet.class_names()
iguana = names.index("common iguana")

# scikit-image's cat, as ImageNet networks see photographs: [1, 224, 224, 3] in [0, 1].
cat = imagenet.fit_photograph(photographs.chelsea())[None] / np.float32(255)
label = oracle.score(cat).argmax(1)
threat = attacks.Threat("linf", attacks.read_eps(args.eps), target=iguana)
fooled = attacks.pgd(oracle, cat, label, threat, steps=8, confident=True).x
noise, _ = attacks.synthesise(
    oracle, np.random.default_rng(0).random(cat.shape, np.float32), iguana
)
robust = attacks.robust(
    oracle, cat, label, threat, views.photographed(jpeg.jpeg), steps=args.steps
).x


def photographed_again(image):
    """Turned by 5 degrees, darker, a JPEG: what no step of the attack has seen together."""
    from PIL import Image

    turned = Image.fromarray(np.rint(image[0] * 255).astype(np.uint8)).rotate(
        5, Image.Resampling.BICUBIC
    )
    return jpeg.jpeg(np.asarray(turned)[None] * np.float32(0.8 / 255), 75)


shown = {
    "cat": cat, "changed": fooled, "noise": noise, "changed over views": robust,
    "changed, photographed again": photographed_again(fooled),
    "over views, photographed again": photographed_again(robust),
}  # fmt: skip
for name, image in shown.items():
    odds = synthesis.probability(oracle.score(image))[0]
    print(f"{name:<32} {names[int(odds.argmax())]} {odds.max():.1%}; iguana {odds[iguana]:.1%}")
plots.save_grid(
    np.concatenate(list(shown.values())).reshape(2, 3, 224, 224, 3), args.out / "iguana.png"
)
print(f"in this order: {args.out / 'iguana.png'}")
