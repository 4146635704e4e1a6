"""A microscope learns its light: how well transparent objects are described decides the powers of 25 LEDs.

python examples/illumination.py --epochs 14
"""

import argparse
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
from dimaging_export import export

from dimaging_tf.data import phase_objects
from dimaging_tf.models import illumination
from dimaging_tf.physics import led_picture

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=14)
parser.add_argument("--pictures", type=int, default=3600)
parser.add_argument("--out", type=Path, default=Path("runs/example-illumination"))
args = parser.parse_args()

objects = phase_objects.CAPTIONED.load(train=args.pictures, valid=480)
shown = objects.valid.inputs(slice(0, 8))
figure, axes = plt.subplots(2, 2, figsize=(11, 5), width_ratios=(1, 3), layout="constrained")
for row, pattern in zip(axes, ("all", "learned"), strict=True):
    keras.utils.set_random_seed(0)
    steps = args.epochs * args.pictures // 48
    search = {"trial_steps": steps // 8, "search_steps": 2 * steps // 5}
    config = illumination.Config(words=objects.words, pattern=pattern, **search)
    model = illumination.Illumination(config)
    rate = keras.optimizers.schedules.CosineDecay(3e-3, steps)
    model.compile(keras.optimizers.Adam(rate))
    model.fit(
        objects.train.inputs(), objects.train.label, batch_size=48, epochs=args.epochs, verbose=2
    )
    said = model.caption(objects.valid.inputs())
    share = phase_objects.CAPTIONED.exact(said, np.asarray(objects.valid.label)).mean()
    print(f"{pattern}: {100 * share:.1f} % of the captions are exact")
    row[0].imshow(led_picture.led_image(model.microscope, model.powers))
    row[0].set_title(f"{pattern}: {100 * share:.1f} % exact")
    exposures = model.picture(shown)[2]
    row[1].imshow(np.concatenate(list(exposures), 1), cmap="gray", vmin=0, vmax=1)
    row[1].set_title("one exposure each, differences enlarged")
    for axis in row:
        axis.axis("off")

export(model, args.out / "bundle", data=objects, force=True)
figure.savefig(args.out / "light.png", dpi=80)
print(f"the light, and what it shows: {args.out / 'light.png'}")
