"""Denoising autoencoder: fit on photographs, export to int8, clean a photograph of any size.

python examples/denoiser.py --minutes 2
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
parser.add_argument("--minutes", type=float, default=2.0)
parser.add_argument("--width", type=int, default=16, help="channels of the first level")
parser.add_argument("--out", type=Path, default=Path("runs/example-denoiser"))
args = parser.parse_args()

keras.utils.set_random_seed(0)
photos = data.load("photos")
model = models.Denoiser(models.DenoiserConfig(width=args.width))
model.compile(optimizer=keras.optimizers.Adam(2e-3), **model.objective())
batches = data.batches(photos.train, 16, seed=0, transform=model.transform)
clock = training.TimeBudget(args.minutes)
model.fit(batches, steps_per_epoch=100, epochs=10_000, verbose=2, callbacks=[clock])

bundle = export(model, args.out / "bundle", precision="int8", data=photos.train.x[:64], force=True)
clean = data.to_float(photos.valid.x[:8])
noisy = model.noisy(clean)
restored = edge.open_bundle(bundle).run("denoiser", noisy=noisy)["image"]
plots.save_grid(np.stack([clean, noisy, restored]), args.out / "restored.png")
before, after = metrics.psnr(noisy, clean), metrics.psnr(restored, clean)
print(f"{before:.1f} dB -> {after:.1f} dB in int8: {args.out / 'restored.png'}")
