"""Captions of photographs: CIDEr-D of a captioner's sentences against controls, with intervals.

    python benchmarks/captioning_photos.py --data DIR      DIR/flickr8k holds photographs and captions.csv

Nine tenths of the photographs, with their captions, teach an LSTM behind EfficientNet-Lite0, which does not learn;
the last tenth judges it by all captions of each. The sentences are found by the search in numpy, beam 3, of which
`captioning.py` shows that the exported file's do not differ. Controls:

constant   one sentence for all: of 100 training captions the one that is best on 200 training photographs
hindsight  the same, but the one that is best on the very photographs judged by, which nobody can know
shuffled   the model's own sentences, given to other photographs
nearest    with --nearest: a caption of the training photograph in which the network sees most nearly the same

Intervals are those of a paired bootstrap over photographs.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from parts import figures
from parts.processor_time import train_in

SETTINGS = {
    "eyes": "efficientnet_lite0", "features": 256, "embedding": 128, "units": 256, "dropout": 0.5,
}  # fmt: skip


def main() -> int:
    """Train, caption, compare."""
    p = figures.parser("captioning_photos", __doc__, "the folder flickr8k")
    p.add_argument("--epochs", type=int, default=40)
    p.add_argument("--nearest", action="store_true", help="the third control, too")
    p.add_argument("--runs", type=Path, help="keep the run folder here")
    args = p.parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    from dimaging_tf.data import own
    from dimaging_tf.data.captioned_folder import read_captions
    from dimaging_tf.evaluation.caption_score import cider_d
    from dimaging_tf.training import runs

    folder = args.data / "flickr8k"
    out = figures.Figures(
        "captioning_photos", args.quick, args.json, facts={"threads": 1, **SETTINGS}
    )
    with tempfile.TemporaryDirectory() as temporary:
        place = args.runs or Path(temporary) / "run"
        settings = runs.default_settings(
            "captioning", data=str(folder), epochs=1 if args.quick else args.epochs, learning_rate=3e-3,
            data_options={"size": 64 if args.quick else 224}, changes=SETTINGS,
        )  # fmt: skip
        seconds = train_in(settings, place)
        dataset, captions = runs.load_data(settings), read_captions(folder)
        held = own.valid_names(list(captions), settings.seed)
        names = [name for name in sorted(captions) if name in held]
        taught = [name for name in sorted(captions) if name not in held]
        told = [captions[name] for name in names]
        model = runs.load_model(place)
        said = model.caption(dataset.valid.inputs(), 3)
        near = nearest(model, dataset) if args.nearest else None
    scores = {"model": cider_d(said, told)}
    if near is not None:
        scores["nearest"] = cider_d([captions[taught[k]][0] for k in near], told)
    rng = np.random.default_rng(0)
    some = [captions[name][0] for name in rng.permutation(taught)[: 3 if args.quick else 100]]
    constants = [cider_d([sentence] * len(told), told) for sentence in some]
    known = [captions[name] for name in rng.permutation(taught)[:200]]
    best = int(np.argmax([cider_d([sentence] * len(known), known).mean() for sentence in some]))
    scores["constant"] = constants[best]
    scores["hindsight"] = max(constants, key=lambda score: float(score.mean()))
    turns = range(1, len(said), max(1, len(said) // 20))
    scores["shuffled"] = np.mean([cider_d(said[k:] + said[:k], told) for k in turns], 0)
    out.facts |= {
        "photographs judged": len(told),
        "constant sentence": some[best],
        "said": said[:12],
    }
    for name, score in scores.items():
        out.add(f"CIDEr-D, {name}", score.mean())
    for name in [name for name in scores if name != "model"]:
        low, high = interval(scores["model"] - scores[name])
        out.add(
            f"above {name}, lower end of 95 %",
            low,
            ">= 0" if name in ("constant", "shuffled") else "",
        )
        out.add(f"above {name}, upper end of 95 %", high)
    out.add("distinct sentences, share", len(set(said)) / len(said))
    out.add("training, one thread, processor time", seconds / 60, "", "min")
    return out.finish()


def nearest(model: Any, dataset: Any) -> np.ndarray:
    """Return for each validation photograph the training photograph of the smallest angle between both."""
    seen = [
        split.x[:, 0, 0]
        for part in ("train", "valid")
        for split in [getattr(model.precomputed(dataset), part)]
    ]
    train, valid = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in seen)
    return (valid @ train.T).argmax(1)


def interval(difference: np.ndarray, draws: int = 10_000) -> tuple[float, float]:
    """Return the 95 % interval of a mean, by drawing photographs again."""
    rng = np.random.default_rng(0)
    index = rng.integers(0, len(difference), (draws, len(difference)))
    low, high = np.percentile(difference[index].mean(1), [2.5, 97.5])
    return float(low), float(high)


if __name__ == "__main__":
    sys.exit(main())
