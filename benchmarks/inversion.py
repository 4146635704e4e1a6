"""The way back of a DCGAN, from pictures to codes: digits that it drew, and digits of the test set.

    python benchmarks/inversion.py --data DIR [--run RUN]      DIR holds mnist.npz (or set DIMAGING_DATA)

RUN: what `dimaging train dcgan --data mnist --minutes 2 --out RUN` made; without it such a run is trained
first. Each picture's code is searched for (`latent.space.invert`) and decoded again. The baseline is the
nearest of 256 random pictures, where the search begins.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from parts import figures


def main() -> int:
    """Train if need be, invert, compare."""
    p = figures.parser("inversion", __doc__, "mnist.npz")
    p.add_argument("--run", type=Path, help="a run folder; None: train one")
    args = p.parse_args()
    count = 8 if args.quick else 64

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    from dimaging_tf.data.dataset import to_float
    from dimaging_tf.evaluation import metrics
    from dimaging_tf.latent.space import CANDIDATES, open_space
    from dimaging_tf.training import runs

    with tempfile.TemporaryDirectory() as folder:
        run = args.run or Path(folder) / "run"
        if args.run is None:
            options = {"data_dir": str(args.data)}
            given = {"data": "mnist", "data_options": options, "minutes": 0.1 if args.quick else 2}
            runs.train(runs.default_settings("dcgan", **given), run)
        model, settings = runs.load_model(run), runs.read_settings(run)
    space, valid = open_space(model), runs.load_data(settings).valid
    true = space.draw(count, 1)
    index = np.linspace(0, len(valid) - 1, count).astype(int)
    out = figures.Figures("inversion", args.quick, args.json)
    out.facts |= {"steps": int(model.optimizer.iterations), "pictures of each kind": count}
    tried = space.decode(space.draw(CANDIDATES, 2)).reshape(CANDIDATES, -1)
    for name, image in (("own", space.decode(true)), ("test", to_float(valid.x[index]))):
        begin = time.process_time()
        code = space.encode(image)
        seconds = (time.process_time() - begin) / count
        found = space.decode(code)
        error = ((found - image) ** 2).mean((1, 2, 3)) ** 0.5
        near = np.stack([tried[((tried - x.ravel()) ** 2).sum(1).argmin()] for x in image])
        goal = ">= 40" if name == "own" else ""
        out.add(f"PSNR, {name} pictures", metrics.psnr(found, image), goal, "dB")
        out.add(
            f"PSNR of the nearest random picture, {name}",
            metrics.psnr(near.reshape(image.shape), image), "", "dB",
        )  # fmt: skip
        out.add(f"RMS error, median, {name} pictures", 255 * float(np.median(error)), "", "of 255")
        out.add(f"RMS error, worst, {name} pictures", 255 * float(error.max()), "", "of 255")
        if name == "own":
            away = np.linalg.norm(code - true, axis=1) / np.linalg.norm(true, axis=1)
            out.add("distance to the true code over its length, median", float(np.median(away)))
        out.add(f"processor time of a search, {name} pictures", seconds, "", "s")
    return out.finish()


if __name__ == "__main__":
    sys.exit(main())
