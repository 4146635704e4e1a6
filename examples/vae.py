"""VAE: fit on 5,000 MNIST digits, export encoder and decoder, draw new digits with onnxruntime.

python examples/vae.py --epochs 20
"""

import argparse
from pathlib import Path

import dimaging_edge as edge
import keras
import numpy as np
from dimaging_export import export

from dimaging_tf import data, models, training
from dimaging_tf.evaluation import plots

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--out", type=Path, default=Path("runs/example-vae"))
args = parser.parse_args()

keras.utils.set_random_seed(0)
digits = data.load("mnist5k")
train, valid = data.to_float(digits.train.x), data.to_float(digits.valid.x)

model = models.VAE(models.VAEConfig(latent_dim=20))
model.compile(optimizer=keras.optimizers.Adam(1e-3))
model.fit(
    train, validation_data=valid, batch_size=100, epochs=args.epochs, verbose=2,
    callbacks=[training.StopOnNaN(), training.RunRecord(args.out), training.SampleGrid(args.out, valid[:8])],
)  # fmt: skip
model.save(args.out / "model.keras")

bundle = edge.open_bundle(export(model, args.out / "bundle", data=digits.valid.x, force=True))
z = np.random.default_rng(0).standard_normal((64, 20), np.float32)
drawn = bundle.run("decoder", z=z)["image"]
plots.save_grid(plots.tile(drawn), args.out / "drawn.png")
print(f"64 new digits: {args.out / 'drawn.png'}")
