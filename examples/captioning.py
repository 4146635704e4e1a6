"""Captioning: a CNN and an LSTM learn to say what drawn pictures show; one ONNX file finds each sentence.

python examples/captioning.py --epochs 20
"""

import argparse
from pathlib import Path

import dimaging_edge as edge
import keras
import matplotlib.pyplot as plt
import numpy as np
from dimaging_edge.generate import captioning as device
from dimaging_export import export

from dimaging_tf.data import shapes
from dimaging_tf.models import captioning

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--pictures", type=int, default=6000)
parser.add_argument("--out", type=Path, default=Path("runs/example-captioning"))
args = parser.parse_args()

keras.utils.set_random_seed(0)
# One combination of shape, colour, size and place in five is in no training picture.
drawn = shapes.CAPTIONED.load(train=args.pictures, valid=540)
model = captioning.Captioning(captioning.Config(words=drawn.words))
model.compile(keras.optimizers.Adam(2e-3, global_clipnorm=5.0))
model.fit(
    drawn.train.inputs(),
    drawn.train.label,
    validation_data=(drawn.valid.inputs(), drawn.valid.label),
    batch_size=50,
    epochs=args.epochs,
    verbose=2,
)

bundle = edge.open_bundle(export(model, args.out / "bundle", data=drawn, force=True))
some = slice(0, 492, 41)
images = drawn.valid.inputs(some)
said = [str(device.caption(bundle, image, beam=3)[0]) for image in images]
right = shapes.CAPTIONED.exact(said, np.asarray(drawn.valid.label)[some])
print(f"{right.sum()} of {len(right)} captions of combinations that it never saw are exact")

figure, axes = plt.subplots(3, 4, figsize=(12, 10), layout="constrained")
for axis, image, sentence, good in zip(axes.flat, images, said, right, strict=True):
    axis.imshow(image)
    axis.set_title(sentence, fontsize=8, color="black" if good else "red", wrap=True)
    axis.axis("off")
figure.savefig(args.out / "captions.png", dpi=80)
print(f"what it says: {args.out / 'captions.png'}")
