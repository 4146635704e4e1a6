"""Captioning: a CNN and an LSTM learn to say what drawn pictures show; one ONNX file finds each sentence.

python examples/captioning.py --epochs 20
"""

import argparse
from pathlib import Path

import dimaging_edge as edge
import keras
import matplotlib.pyplot as plt
import numpy as np
from dimaging_edge.generate.captioning import caption
from dimaging_export import export

from dimaging_tf.data.shapes import CAPTIONED
from dimaging_tf.models import captioning

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--pictures", type=int, default=6000)
parser.add_argument("--out", type=Path, default=Path("runs/example-captioning"))
args = parser.parse_args()

keras.utils.set_random_seed(0)
# One combination of shape, colour, size and place in five is in no training picture.
shapes = CAPTIONED.load(train=args.pictures, valid=540)
model = captioning.Captioning(captioning.Config(words=shapes.words))
model.compile(keras.optimizers.Adam(2e-3, global_clipnorm=5.0))
model.fit(
    shapes.train.inputs(),
    shapes.train.label,
    validation_data=(shapes.valid.inputs(), shapes.valid.label),
    batch_size=50,
    epochs=args.epochs,
    verbose=2,
)

bundle = edge.open_bundle(export(model, args.out / "bundle", data=shapes, force=True))
images = shapes.valid.inputs(slice(0, 540, 45))
said = [str(caption(bundle, image, beam=3)[0]) for image in images]
right = CAPTIONED.exact(said, np.asarray(shapes.valid.label)[::45])
print(f"{right.sum()} of {len(right)} captions of combinations that it never saw are exact")

figure, axes = plt.subplots(3, 4, figsize=(12, 10), layout="constrained")
for axis, image, sentence, good in zip(axes.flat, images, said, right, strict=True):
    axis.imshow(image)
    axis.set_title(sentence, fontsize=8, color="black" if good else "red", wrap=True)
    axis.axis("off")
figure.savefig(args.out / "captions.png", dpi=80)
print(f"what it says: {args.out / 'captions.png'}")
