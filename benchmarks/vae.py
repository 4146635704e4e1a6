"""VAE on binarised MNIST: -ELBO of the whole valid split after two minutes of training.

    python benchmarks/vae.py --data DIR      DIR holds binarized_mnist.npz (or set DIMAGING_DATA)

Dense, 40 latents, fixed binarisation, 2 minutes on the clock, all cores. Also the importance-weighted
bound, which says how far the ELBO is from the likelihood.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from parts import figures


def main() -> int:
    """Train, evaluate, judge."""
    p = figures.parser("vae", __doc__, "binarized_mnist.npz")
    args = p.parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    from dimaging_tf.data.dataset import to_float
    from dimaging_tf.training import runs

    minutes = 0.05 if args.quick else 2.0
    settings = runs.default_settings(
        "vae", data="binarized_mnist", data_options={"data_dir": str(args.data)}, minutes=minutes,
        changes={"latent_dim": 40},
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        model = runs.train(settings, Path(folder) / "run")
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
    return out.finish()


if __name__ == "__main__":
    sys.exit(main())
