"""Learned frame selection: which three of sixteen frames should a microscope take?

python examples/frame_selection.py --epochs 6

Trains, lets the network choose, exports what sees three frames alone, and compares its accuracy with that of
the best choice there is and of evenly spaced frames. The picture shows four movies and the frames taken.
"""

import argparse
import json
from pathlib import Path

import dimaging_edge as edge
import keras
import numpy as np
from dimaging_export import export

from dimaging_tf import data
from dimaging_tf.data import cell_kinetics
from dimaging_tf.evaluation import plots
from dimaging_tf.models import FrameSelection, FrameSelectionConfig, frame_selection

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=6)
parser.add_argument("--keep", type=int, default=3, help="frames to take")
parser.add_argument("--method", default="search", help="search or straight_through")
parser.add_argument("--out", type=Path, default=Path("runs/example-frame_selection"))
args = parser.parse_args()

keras.utils.set_random_seed(0)
cells = data.load("cell_kinetics")
movies, label = cells.valid.inputs(), np.asarray(cells.valid.label)
model = FrameSelection(
    FrameSelectionConfig(
        names=cells.classes, keep=args.keep, method=args.method,
        search_epochs=max(1, args.epochs * 2 // 3),
    )
)  # fmt: skip
batches = data.batches(cells.train, 64, seed=0, transform=model.transform)
steps = len(cells.train) // 64
rate = keras.optimizers.schedules.CosineDecay(3e-3, args.epochs * steps)
model.compile(keras.optimizers.Adam(rate))
model.fit(
    batches, epochs=args.epochs, steps_per_epoch=steps, shuffle=False, verbose=0,
    callbacks=[frame_selection.SelectFrames(movies, label)],
)  # fmt: skip

folder = export(model, args.out / "bundle", data=cells, force=True)
bundle = edge.open_bundle(folder)
frames = json.loads(bundle.read("frames.json"))["frames"]  # what the microscope is told
fresh, truth = cell_kinetics.draw(1000, np.random.default_rng(7))
taken = fresh[:, frames].astype(np.float32) / 255
found = bundle.run("classifier", frames=taken)["logits"].argmax(-1)
evenly = [int((2 * k + 1) * 16 / (2 * args.keep)) for k in range(args.keep)]
print(f"frames {frames}: {(found == truth).mean():.3f} of new movies are told right")
for name, mask in {
    "these frames": frames,
    "all 16": range(16),
    f"evenly spaced {evenly}": evenly,
}.items():
    print(f"the most that {name} can tell: {cell_kinetics.optimum(mask):.3f}")

plots.save_grid(model.show(movies), args.out / "frames.png")
print(f"four movies, the frames that are taken in full: {args.out / 'frames.png'}")
