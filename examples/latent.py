"""Latent arithmetic: a VAE of drawn faces, the vector of glasses, and faces that put them on, in onnxruntime.

python examples/latent.py --epochs 40
"""

import argparse
from pathlib import Path

import dimaging_edge as edge
import keras
import numpy as np
from dimaging_export import export

from dimaging_tf import data, models, training
from dimaging_tf.evaluation import plots
from dimaging_tf.latent import arithmetic

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=40)
parser.add_argument("--data", default="faces", help="faces, avatars or olivetti")
parser.add_argument("--out", type=Path, default=Path("runs/example-latent"))
args = parser.parse_args()

keras.utils.set_random_seed(0)
faces = data.load(args.data)
train, valid = data.to_float(faces.train.x), data.to_float(faces.valid.x)
glasses, wearing = np.asarray(faces.train.label), np.asarray(faces.valid.label)

height, width, channels = faces.shape
model = models.FaceVAE(models.FaceVAEConfig((height, width, channels)))
model.compile(optimizer=keras.optimizers.Adam(2e-3, global_clipnorm=1000.0))
model.fit(
    train, validation_data=valid, batch_size=32, epochs=args.epochs, verbose=2,
    callbacks=[training.StopOnNaN(), training.RunRecord(args.out), training.SampleGrid(args.out, valid[:8])],
)  # fmt: skip
model.save(args.out / "model.keras")

# From here on, no Keras: two ONNX files, and means of codes.
bundle = edge.open_bundle(export(model, args.out / "bundle", data=faces.valid.x, force=True))


def decode(code: np.ndarray) -> np.ndarray:
    return bundle.run("decoder", z=code.astype(np.float32))["image"]


vector = arithmetic.attribute_vector(bundle.run("encoder", image=train)["mean"], glasses)
without = valid[wearing == 0][:8]
code = bundle.run("encoder", image=without)["mean"]
rows = arithmetic.attribute_grid(decode, code, vector, [0, 0.75, 1.5])
plots.save_grid(np.concatenate([without[None], rows]), args.out / "glasses.png")
plots.save_grid(arithmetic.interpolation_grid(decode, code[0], code[1]), args.out / "between.png")
print(f"between two faces: {args.out / 'between.png'}; glasses, put on: {args.out / 'glasses.png'}")
