"""Learned compression, plainly: fit an autoencoder whose code costs bits, export, write real bytes.

python examples/compressive_autoencoder.py --minutes 5
"""

import argparse
from pathlib import Path

import keras
import numpy as np
from dimaging_edge import open_bundle
from dimaging_edge.photo import symbols as coder
from dimaging_export import export

from dimaging_tf import data, models, training
from dimaging_tf.evaluation import metrics, plots

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--minutes", type=float, default=5.0)
parser.add_argument("--channels", type=int, default=1, help="1 grey, 3 colour")
parser.add_argument("--out", type=Path, default=Path("runs/example-compressive_autoencoder"))
args = parser.parse_args()

keras.utils.set_random_seed(0)
photos = data.load("photos", size=64, channels=args.channels)
model = models.CompressiveAutoencoder(
    models.CompressiveAutoencoderConfig((None, None, args.channels))
)
model.compile(optimizer=keras.optimizers.Adam(3e-3, global_clipnorm=1.0))
batches = data.batches(photos.train, 16, seed=0, transform=lambda image, label, seed: image)
clock = training.TimeBudget(args.minutes)
model.fit(batches, steps_per_epoch=100, epochs=10_000, verbose=2, shuffle=False, callbacks=[clock])

bundle = open_bundle(export(model, args.out / "bundle", data=photos, force=True))
counts = np.fromfile(bundle.path / "counts.bin", "<u2").reshape(-1, 256)
tables = coder.ScaleTables(np.concatenate([counts[:1], counts]))  # row 0 would cost nothing
restored, size = [], 0
pictures = data.to_float(photos.valid.x[:6])
for picture in pictures:
    code = bundle.run("compress", image=picture[None])["code"]
    index = np.broadcast_to(1 + np.arange(code.shape[-1]), code.shape)
    whole = tables.clip(np.rint(code), index)
    lanes, (file,) = coder.encode(tables, [(index, whole)])
    size += len(file)
    again = coder.RungReader(tables, lanes).read(file, index).astype(np.float32)
    restored.append(bundle.run("decompress", symbols=again)["image"][0])
bpp, dB = 8 * size / pictures[..., 0].size, metrics.psnr(np.stack(restored), pictures)
print(f"{size} bytes, {bpp:.2f} bits a pixel, {dB:.1f} dB")
plots.save_grid(np.stack([pictures, restored]), args.out / "restored.png")
print(args.out / "restored.png")
