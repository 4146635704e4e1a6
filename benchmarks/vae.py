"""VAE on binarised MNIST after two minutes: -ELBO of the whole valid split, and how good what it draws is.

    python benchmarks/vae.py --data DIR      DIR holds binarized_mnist.npz, mnist.npz (or set DIMAGING_DATA)

Dense, 40 latents, fixed binarisation, 2 minutes of two cores (four of the process). Also the importance-weighted
bound, which says how far the ELBO is from the likelihood.

Samples are judged as benchmarks/dcgan.py judges them, by a judge that was trained on binarised digits: drawn
from N(0, I), as a VAE means them to be, and from the Gaussian fitted to the codes of training images, as
`dimaging sample` draws; beside them reconstructions of the valid split, and test images.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from parts import figures


def main() -> int:
    """Train, evaluate, judge."""
    p = figures.parser("vae", __doc__, "binarized_mnist.npz and mnist.npz")
    p.add_argument(
        "--judge", type=Path, default=Path.home() / ".cache/dimaging/digit-judge-binary.keras"
    )
    args = p.parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    from parts.digit_judge import DigitJudge, binarised, judged

    from dimaging_tf import data
    from dimaging_tf.data.dataset import to_float
    from dimaging_tf.training import runs

    minutes = 0.05 if args.quick else 2.0
    settings = runs.default_settings(
        "vae", data="binarized_mnist", data_options={"data_dir": str(args.data)}, minutes=minutes,
        changes={"latent_dim": 40},
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        model = runs.train(settings, Path(folder) / "run", clock=lambda: time.process_time() / 2)
    valid = to_float(runs.load_data(settings).valid.x)
    out = figures.Figures(
        "vae", args.quick, args.json, facts={"minutes": minutes, "images": len(valid)}
    )
    out.facts["epochs"] = round(int(model.optimizer.iterations) * settings.batch / 50_000, 1)
    out.add(
        "-ELBO, binarised MNIST, whole valid split", model.score(model.run, valid), "<= 98", "nats"
    )
    samples = 5 if args.quick else 50
    bounds = [model.importance_weighted_bound(x, samples) for x in np.array_split(valid, 20)]
    out.add(
        f"importance-weighted bound, {samples} samples",
        -float(np.mean(np.concatenate(bounds))),
        "",
        "nats",
    )
    count = 500 if args.quick else 10_000
    mnist = data.load("mnist", data_dir=str(args.data))
    judge = DigitJudge(args.judge, mnist, quick=args.quick, binary=True)
    out.add("the judge's accuracy on test images", 100 * judge.accuracy, ">= 98", "%")
    judged(out, judge, judge.test, "test images", {})
    sets = {
        "reconstructions": np.asarray(model(valid[:count])),
        "drawn from N(0, I)": model.sample(count, seed=1, prior=True),
        "drawn from the fitted Gaussian": model.sample(count, seed=1),
    }
    seen = {name: judge.look(binarised(image, 2)) for name, image in sets.items()}
    for name, one in seen.items():
        judged(out, judge, one, name, {})
    plain, fitted = (
        judge.fid(seen[f"drawn from {name}"]) for name in ("N(0, I)", "the fitted Gaussian")
    )
    out.add("FID, the fitted Gaussian over N(0, I)", fitted / plain, "<= 1")
    return out.finish()


if __name__ == "__main__":
    sys.exit(main())
