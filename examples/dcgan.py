"""DCGAN: two networks play on 5,000 MNIST digits; the generator goes out as int8, onnxruntime draws with it.

python examples/dcgan.py --epochs 40
"""

import argparse
from pathlib import Path

import dimaging_edge as edge
import keras
from dimaging_edge.generate import latent as generators
from dimaging_export import export

from dimaging_tf import data, models, training
from dimaging_tf.evaluation import plots
from dimaging_tf.gan import GANMonitor

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=40)
parser.add_argument("--out", type=Path, default=Path("runs/example-dcgan"))
args = parser.parse_args()

keras.utils.set_random_seed(0)
digits = data.load("mnist5k")
train, valid = data.to_float(digits.train.x), data.to_float(digits.valid.x)

model = models.DCGAN(models.DCGANConfig(width=32, gradient_penalty=0.1))
model.compile(
    d_optimizer=keras.optimizers.Adam(1e-3, beta_1=0.0, beta_2=0.99),
    g_optimizer=keras.optimizers.Adam(1e-3, beta_1=0.0, beta_2=0.99),
)
model.fit(
    train, batch_size=16, epochs=args.epochs, verbose=2,
    callbacks=[
        training.StopOnNaN(), GANMonitor(train[:1000]), training.RunRecord(args.out),
        training.SampleGrid(args.out, valid[:8]), training.Animation(args.out),
    ],
)  # fmt: skip
model.save(args.out / "model.keras")

folder = export(model, args.out / "bundle", precision="int8", data=digits.valid.x, force=True)
drawn = generators.draw(edge.open_bundle(folder), 64, seed=0)
plots.save_grid(plots.tile(drawn), args.out / "drawn.png")
print(f"64 new digits: {args.out / 'drawn.png'}")
print(f"from first to last epoch: {args.out / 'samples/training.webp'}")
