"""Captions of photographs: CIDEr-D of a captioner's sentences against controls, with intervals.

    python benchmarks/captioning_photos.py --data DIR      DIR/flickr8k holds photographs and captions.csv

Five times `dimaging train captioning --set eyes=efficientnet_lite0`, with its own defaults, learns from four fifths
of the photographs and says what the last fifth shows, so that each photograph is judged once, by a network that
never saw it, against all of its captions. The sentences are found by the search in numpy, beam 3; those of the
first fifth are found by the exported bundle, too. Controls:

constant   one sentence for all of a fifth: of 100 captions of the others, the one that is best on 200 of those
hindsight  the same, but the one that is best on the very photographs judged by, which nobody can know
shuffled   the model's own sentences, given to other photographs
nearest    a caption of the training photograph in which the network sees most nearly the same

Intervals are those of a paired bootstrap over photographs. The recipe was chosen on photographs that are judged
here, trained and judged by in other parts; "untouched" are those that had no part in any choice.
"""

import csv
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from parts import figures
from parts.processor_time import train_in

EYES = {"eyes": "efficientnet_lite0"}
FOLDS = 5
GOALS = ("constant", "shuffled")


def main() -> int:
    """Train, caption, compare."""
    p = figures.parser("captioning_photos", __doc__, "the folder flickr8k")
    p.add_argument("--runs", type=Path, help="keep the run folders here; none is trained again")
    args = p.parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    from dimaging_tf.data import own
    from dimaging_tf.data.captioned_folder import read_captions
    from dimaging_tf.evaluation.caption_score import cider_d

    began, folder, size = time.process_time(), args.data / "flickr8k", 64 if args.quick else 224
    captions = read_captions(folder)
    names = sorted(captions)
    fold_of = dict(
        zip(np.random.default_rng(0).permutation(names), np.arange(len(names)) % FOLDS, strict=True)
    )
    photographs = dict(zip(names, read_squares(folder, names, size), strict=True))
    out = figures.Figures("captioning_photos", args.quick, args.json, facts={"threads": 1, **EYES})
    said: dict[str, dict[str, str]] = {}
    differ, minutes, seen = 0, [], {}
    with tempfile.TemporaryDirectory() as temporary:
        for fold in range(1 if args.quick else FOLDS):
            judged = [name for name in names if fold_of[name] == fold]
            taught = {name: captions[name] for name in names if fold_of[name] != fold}
            place = (args.runs or Path(temporary)) / f"fold{fold}"
            model, seconds = train(folder, taught, place, size, args.quick)
            minutes.append(seconds / 60)
            if not seen:
                seen = dict(zip(names, look(model, list(photographs.values())), strict=True))
            pixels = floats([photographs[name] for name in judged])
            found = {"model": model.caption(pixels, 3)}
            if fold == 0:
                again = by_bundle(place, pixels, Path(temporary) / "bundle")
                differ = sum(a != b for a, b in zip(again, found["model"], strict=True))
            near = nearest(*(np.stack([seen[n] for n in part]) for part in (judged, taught)))
            found["nearest"] = [captions[list(taught)[k]][0] for k in near]
            tried = 3 if args.quick else 100
            known = {name: captions[name] for name in judged}
            found |= constants(taught, known, tried, np.random.default_rng(fold))
            for way, sentences in found.items():
                said.setdefault(way, {}).update(zip(judged, sentences, strict=True))
    judged = list(said["model"])
    told = [captions[name] for name in judged]
    scores = {way: cider_d([found[name] for name in judged], told) for way, found in said.items()}
    own_words = list(said["model"].values())
    turns = range(1, len(judged), max(1, len(judged) // 20))
    scores["shuffled"] = np.mean([cider_d(own_words[k:] + own_words[:k], told) for k in turns], 0)
    untouched = np.isin(judged, list(own.valid_names(names, 0)))
    out.facts |= {
        "photographs judged": len(judged),
        "untouched photographs": int(untouched.sum()),
        "constant sentences": sorted(set(said["constant"].values())),
        "said": own_words[:12],
    }
    for name, score in scores.items():
        out.add(f"CIDEr-D, {name}", score.mean())
    for name in [name for name in scores if name != "model"]:
        low, high = interval(scores["model"] - scores[name])
        out.add(f"above {name}, lower end of 95 %", low, ">= 0" if name in GOALS else "")
        out.add(f"above {name}, upper end of 95 %", high)
    if untouched.any():
        for name in ("model", "constant", "nearest"):
            out.add(f"CIDEr-D, {name}, untouched", scores[name][untouched].mean())
        low, high = interval((scores["model"] - scores["constant"])[untouched])
        out.add("above constant, untouched, lower end of 95 %", low)
        out.add("above constant, untouched, upper end of 95 %", high)
    out.add("distinct sentences, share", len(set(own_words)) / len(own_words))
    out.add("sentences that differ from the bundle's", differ, "<= 0")
    out.add("a training, one thread, processor time", float(np.mean(minutes)), "", "min")
    out.add("all of this, processor time", (time.process_time() - began) / 60, "<= 20", "min")
    return out.finish()


def train(
    folder: Path, captions: dict[str, list[str]], place: Path, size: int, quick: bool
) -> tuple[Any, float]:
    """Return the model that `dimaging train` makes of some photographs, and the processor time in s."""
    from dimaging_tf.training import runs

    data = place.parent / f"{place.name}-photographs"
    data.mkdir(parents=True, exist_ok=True)
    for name in captions:
        (link := data / name).parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to((folder / name).resolve())
    with (data / "captions.csv").open("w", encoding="utf-8", newline="") as file:
        rows = [(name, caption) for name, known in captions.items() for caption in known]
        csv.writer(file).writerows([("image", "caption"), *rows])
    small = {"epochs": 1, "data_options": {"size": size}} if quick else {}
    settings = runs.default_settings("captioning", data=str(data), changes=EYES, **small)
    seconds = train_in(settings, place)
    return runs.load_model(place), seconds


def read_squares(folder: Path, names: Sequence[str], size: int) -> list[np.ndarray]:
    """Return the photographs as `dimaging train` cuts and scales them: uint8 [size, size, 3] each."""
    from dimaging_tf.data import images
    from dimaging_tf.data.files import read_image

    squares = (images.centre_square(read_image(folder / name)[0], size) for name in names)
    return [images.to_channels(square, 3) for square in squares]


def floats(pixels: Sequence[np.ndarray]) -> np.ndarray:
    """Return photographs as models take them: float32 [N, size, size, 3] in [0, 1]."""
    return np.stack(pixels).astype(np.float32) / np.float32(255)


def look(model: Any, pixels: Sequence[np.ndarray]) -> np.ndarray:
    """Return what the eyes see in photographs: [N, 1280]."""
    parts = [pixels[k : k + 16] for k in range(0, len(pixels), 16)]
    return np.concatenate([np.asarray(model.eyes(floats(part))["seen"]) for part in parts])


def by_bundle(run: Path, pixels: np.ndarray, folder: Path) -> list[str]:
    """Return what the exported bundle of a run says of photographs, beam 3."""
    import dimaging_edge
    from dimaging_edge.generate.captioning import caption
    from dimaging_export import export

    bundle = dimaging_edge.open_bundle(export(run, folder), threads=1)
    return [str(caption(bundle, image, 3)[0]) for image in pixels]


def constants(
    taught: dict[str, list[str]], judged: dict[str, list[str]], count: int, rng: np.random.Generator
) -> dict[str, list[str]]:
    """Return one of `count` captions of `taught`, repeated: the best on 200 of them, and the best on `judged`."""
    from dimaging_tf.evaluation.caption_score import cider_d

    some = [taught[name][0] for name in rng.permutation(list(taught))[:count]]
    known = [taught[name] for name in rng.permutation(list(taught))[:200]]

    def best(told: list[list[str]]) -> list[str]:
        scores = [cider_d([sentence] * len(told), told).mean() for sentence in some]
        return [some[int(np.argmax(scores))]] * len(judged)

    return {"constant": best(known), "hindsight": best(list(judged.values()))}


def nearest(judged: np.ndarray, taught: np.ndarray) -> np.ndarray:
    """Return for each row of `judged` the row of `taught` of the smallest angle between both."""
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (judged, taught))
    return (a @ b.T).argmax(1)


def interval(difference: np.ndarray, draws: int = 10_000) -> tuple[float, float]:
    """Return the 95 % interval of a mean, by drawing photographs again."""
    rng = np.random.default_rng(0)
    index = rng.integers(0, len(difference), (draws, len(difference)))
    low, high = np.percentile(difference[index].mean(1), [2.5, 97.5])
    return float(low), float(high)


if __name__ == "__main__":
    sys.exit(main())
