"""PixelCNN: fit on 5,000 MNIST digits, export with its samplers, complete an occluded digit in onnxruntime.

python examples/pixelcnn.py --epochs 5
"""

import argparse
from pathlib import Path

import dimaging_edge as edge
import keras
import numpy as np
from dimaging_edge.generate import density
from dimaging_export import export

from dimaging_tf import data, models, training
from dimaging_tf.evaluation import plots

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--out", type=Path, default=Path("runs/example-pixelcnn"))
args = parser.parse_args()

keras.utils.set_random_seed(0)
digits = data.load("mnist5k")
train, valid = data.to_float(digits.train.x), data.to_float(digits.valid.x)

model = models.PixelCNN()
model.compile(optimizer=keras.optimizers.Adam(3e-3))
black_and_white = model.prepared(train)[0]
model.fit(
    black_and_white, validation_data=model.prepared(valid)[0], batch_size=32, epochs=args.epochs, verbose=2,
    callbacks=[
        training.StopOnNaN(), training.RunRecord(args.out), training.SampleGrid(args.out, valid[:8]),
    ],
)  # fmt: skip
model.save(args.out / "model.keras")

bundle = edge.open_bundle(export(model, args.out / "bundle", data=digits.valid.x, force=True))
plots.save_grid(plots.tile(density.sample(bundle, 64, seed=0)), args.out / "drawn.png")
upper = np.zeros((28, 28, 1), np.float32)
upper[:14] = 1
digit = (valid[0] > 0.5).astype(np.float32)
found = density.complete(bundle, digit, upper, n=8, seed=0)
plots.save_grid(
    np.stack([np.repeat((digit * upper)[None], 8, 0), found]), args.out / "completed.png"
)
print(f"64 new digits: {args.out / 'drawn.png'}; 8 completions: {args.out / 'completed.png'}")
