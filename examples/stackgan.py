"""StackGAN: learn to draw captions, export three graphs and the vocabulary, draw with onnxruntime.

python examples/stackgan.py --epochs 100        about half an hour of one core; --epochs 2 shows that it runs
"""

import argparse
from pathlib import Path

import dimaging_edge as edge
import keras
import numpy as np
from dimaging_edge.generate import captions
from dimaging_export import export

from dimaging_tf import data, models, training
from dimaging_tf.data import shapes
from dimaging_tf.evaluation import plots

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=100)
parser.add_argument("--pictures", type=int, default=6000)
parser.add_argument("--caption", default="a small red circle at the top left")
parser.add_argument("--out", type=Path, default=Path("runs/example-stackgan"))
args = parser.parse_args()

keras.utils.set_random_seed(0)
captioned = shapes.load_shapes(train=args.pictures)
train, valid = data.to_float(captioned.train.x), data.to_float(captioned.valid.x)
tokens = np.asarray(captioned.valid.label)

steps = args.epochs * len(train) // 64
config = models.StackGANConfig(
    words=captioned.words,
    matching_steps=min(1000, steps // 4),
    stage1_steps=min(3000, steps // 4),
)
model = models.StackGAN(config)
model.compile(keras.optimizers.Adam(2e-3))
model.fit(
    train, captioned.train.label, validation_data=(valid, tokens), batch_size=64,
    epochs=args.epochs, verbose=2,
    callbacks=[
        training.StopOnNaN(), training.RunRecord(args.out),
        training.SampleGrid(args.out, valid[:8], tokens[:8]),
    ],
)  # fmt: skip
model.save(args.out / "model.keras")

bundle = edge.open_bundle(export(model, args.out / "bundle", data=captioned, force=True))
drawn = captions.imagine(bundle, args.caption, 16)
plots.save_grid(plots.tile(drawn), args.out / "drawn.png")
print(f"{args.caption}: {args.out / 'drawn.png'}")
