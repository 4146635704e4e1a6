"""Autoencoder: the lecture notebook's 784-32-784 network, or a convolutional one, then 32 numbers per digit.

python examples/autoencoder.py --epochs 20 --convolutional
"""

import argparse
from pathlib import Path

import dimaging_edge as edge
import keras
import numpy as np
from dimaging_export import export

from dimaging_tf import data, models
from dimaging_tf.evaluation import metrics, plots

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--convolutional", action="store_true")
parser.add_argument("--out", type=Path, default=Path("runs/example-autoencoder"))
args = parser.parse_args()

keras.utils.set_random_seed(0)
digits = data.load("mnist5k")
train, valid = data.to_float(digits.train.x), data.to_float(digits.valid.x)

channels = (16, 32) if args.convolutional else ()
model = models.Autoencoder(models.AutoencoderConfig(code_dim=32, channels=channels))
model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="binary_crossentropy")
model.fit(
    train, train, validation_data=(valid, valid), batch_size=100, epochs=args.epochs, verbose=2
)

bundle = edge.open_bundle(export(model, args.out / "bundle", data=digits.valid.x, force=True))
code = bundle.run("encoder", image=valid[:8])["code"]
restored = bundle.run("decoder", code=code)["image"]
plots.save_grid(np.stack([valid[:8], restored]), args.out / "restored.png")
print(
    f"784 bytes -> 32 numbers -> {metrics.psnr(restored, valid[:8]):.1f} dB: {args.out / 'restored.png'}"
)
