"""U-Net: segment synthetic fluorescence cells, export, and segment an image of another size.

python examples/unet.py --epochs 5
"""

import argparse
from pathlib import Path

import dimaging_edge as edge
import keras
import numpy as np
from dimaging_export import export

from dimaging_tf import data, models
from dimaging_tf.evaluation import plots

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--width", type=int, default=16, help="channels of the first level")
parser.add_argument("--out", type=Path, default=Path("runs/example-unet"))
args = parser.parse_args()

keras.utils.set_random_seed(0)
cells = data.load("cells")
train, valid = data.to_float(cells.train.x), data.to_float(cells.valid.x)

model = models.UNet(
    models.UNetConfig(shape=(None, None, 1), padding="same", width=args.width, dropout=0.0)
)
model.compile(optimizer=keras.optimizers.Adam(1e-3), **model.objective())
model.fit(
    train, cells.train.label, validation_data=(valid, cells.valid.label),
    batch_size=8, epochs=args.epochs, verbose=2,
)  # fmt: skip

bundle = edge.open_bundle(export(model, args.out / "bundle", data="cells", force=True))
odd = valid[:4, :50, :61]
found = bundle.run("unet", image=odd)["probabilities"][..., 1:]
plots.save_grid(np.stack([odd, found]), args.out / "segmented.png")
print(f"cells of {odd.shape[1]}x{odd.shape[2]} pixels, segmented: {args.out / 'segmented.png'}")
