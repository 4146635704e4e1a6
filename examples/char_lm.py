"""Character language model: an LSTM reads prose about Python, then writes some, with one ONNX file.

python examples/char_lm.py --epochs 10 --prime "The statement "
"""

import argparse
from pathlib import Path

import dimaging_edge as edge
import keras
from dimaging_edge.generate import text
from dimaging_export import export

from dimaging_tf import data
from dimaging_tf.models import char_lm

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--units", type=int, default=256)
parser.add_argument("--text", default="python_docs", help="any text file, such as novel.txt")
parser.add_argument("--prime", default="The ")
parser.add_argument("--out", type=Path, default=Path("runs/example-char_lm"))
args = parser.parse_args()

keras.utils.set_random_seed(0)
prose = data.load(args.text)
streams = 64  # texts read side by side, each going on where it ended in the batch before
model = char_lm.CharLM(char_lm.Config(vocabulary=prose.vocabulary, units=args.units))
model.compile(
    keras.optimizers.Adam(6e-3, beta_2=0.99, global_clipnorm=1.0),
    jit_compile=False,  # XLA is slower at this size
)
model.fit(
    data.batches(prose.train, streams, seed=0, streams=True, transform=model.transform),
    validation_data=data.valid_batches(
        prose.valid, streams, seed=0, streams=True, transform=model.transform
    ),
    steps_per_epoch=len(prose.train) // streams,
    epochs=args.epochs,
    shuffle=False,
    verbose=2,
)

bundle = edge.open_bundle(export(model, args.out / "bundle", data=prose, force=True))
written = args.prime + "".join(text.write(bundle, args.prime, 800, temperature=0.8))
(args.out / "written.txt").write_text(written, encoding="utf-8")
print(written)
print(f"one file, {bundle.file('writer').stat().st_size} bytes, wrote: {args.out / 'written.txt'}")
