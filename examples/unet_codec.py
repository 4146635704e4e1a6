"""Learned compression: fit on photographs, export, then a photograph as a real file and back.

python examples/unet_codec.py --minutes 10
"""

import argparse
from pathlib import Path

import dimaging_edge as edge
import keras
import numpy as np
from dimaging_export import export

from dimaging_tf import data, models, training
from dimaging_tf.evaluation import metrics, plots

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--minutes", type=float, default=10.0)
parser.add_argument("--width", type=int, default=96, help="channels inside a block")
parser.add_argument("--out", type=Path, default=Path("runs/example-unet_codec"))
args = parser.parse_args()

keras.utils.set_random_seed(0)
photos = data.load("photos", size=128, channels=3)
model = models.UNetCodec(models.UNetCodecConfig(width=args.width, prior=args.width))
model.compile(optimizer=keras.optimizers.Adam(1e-3, global_clipnorm=1.0))
vary = data.augmentation("flips")
batches = data.batches(photos.train, 8, seed=0, transform=lambda *x: vary(*x)[0])
clock = training.TimeBudget(args.minutes)
model.fit(batches, steps_per_epoch=100, epochs=10_000, verbose=2, shuffle=False, callbacks=[clock])

bundle = export(model, args.out / "bundle", data=photos, size=128, force=True)
codec = edge.open_model(bundle)
pictures = photos.valid.x[:6]
rows = [pictures]
for quality in (10, 50):
    files = [edge.compress(codec, edge.Photo(picture), quality) for picture in pictures]
    rows.append(np.stack([edge.decompress(codec, file)[0].image for file in files]))
    bpp = 8 * sum(map(len, files)) / pictures[..., 0].size
    dB = metrics.psnr(data.to_float(rows[-1]), data.to_float(pictures))
    print(f"quality {quality}: {bpp:.2f} bits a pixel, {dB:.1f} dB")
plots.save_grid(data.to_float(np.stack(rows)), args.out / "restored.png")
print(args.out / "restored.png")
