"""StackGAN: learn to draw captions, export three graphs and the vocabulary, draw with onnxruntime.

python examples/stackgan.py --epochs 120        about forty minutes on one core; --epochs 2 shows that it runs
"""

import argparse
from pathlib import Path

import dimaging_edge as edge
import keras
from dimaging_edge import captions
from dimaging_export import export

from dimaging_tf import data, plots
from dimaging_tf.data.dataset import to_float
from dimaging_tf.models import stackgan
from dimaging_tf.training import RunRecord, SampleGrid, StopOnNaN

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=120)
parser.add_argument("--caption", default="a small red circle at the top left")
parser.add_argument("--out", type=Path, default=Path("runs/example-stackgan"))
args = parser.parse_args()

keras.utils.set_random_seed(0)
shapes = data.load("shapes")
train, valid = to_float(shapes.train.image), to_float(shapes.valid.image)

steps = args.epochs * len(train) // 64
config = stackgan.Config(
    words=shapes.words, matching_steps=min(1000, steps // 4), stage1_steps=min(3000, steps // 4)
)
model = stackgan.StackGAN(config)
model.compile(keras.optimizers.Adam(2e-3))
model.fit(
    train, shapes.train.label, validation_data=(valid, shapes.valid.label), batch_size=64,
    epochs=args.epochs, verbose=2,
    callbacks=[StopOnNaN(), RunRecord(args.out), SampleGrid(args.out, valid[:8], shapes.valid.label[:8])],
)  # fmt: skip
model.save(args.out / "model.keras")

bundle = edge.open_bundle(export(model, args.out / "bundle", data=shapes, force=True))
drawn = captions.imagine(bundle, args.caption, 16)
plots.save_grid(plots.tile(drawn), args.out / "drawn.png")
print(f"{args.caption}: {args.out / 'drawn.png'}")
