"""Captions of drawn pictures: how many are exact, seen and held-out combinations; and how fast a sentence is found.

    python benchmarks/captioning.py --runs DIR      DIR keeps the run folders; what lies there is not trained again

A caption is exact if it is one of those of the picture's combination: any phrasing, any name of an attribute,
and every attribute right. Pictures are new draws; seen combinations are those of training, held-out ones one in
five that no training picture shows. The captions are those of the exported bundle, by `dimaging_edge`, beam 3.

Speed: features to sentence, H 128, 1,200 words, 20 words, on one thread; least processor time of several
rounds for each sentence, against the same search in numpy, which also says how many of 1,000 sentences differ.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from parts import figures
from parts.processor_time import train_in

GOALS = {"seen": ">= 0.98", "held-out": ">= 0.9"}


def main() -> int:
    """Train, caption, time."""
    p = figures.parser("captioning", __doc__)
    p.add_argument("--runs", type=Path, help="keep the run folders here")
    p.add_argument("--sets", nargs="+", default=["shapes", "avatar_captions"], help="drawn sets")
    args = p.parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    out = figures.Figures("captioning", args.quick, args.json, facts={"threads": 1})
    with tempfile.TemporaryDirectory() as temporary:
        for name in args.sets:
            drawn(out, name, (args.runs or Path(temporary)) / name, Path(temporary), args.quick)
        speed(out, args.quick)
    return out.finish()


def drawn(out: figures.Figures, name: str, folder: Path, temporary: Path, quick: bool) -> None:
    """Train on a drawn set, and judge the bundle on new pictures."""
    import importlib

    import dimaging_edge
    from dimaging_edge.generate.captioning import caption
    from dimaging_export import export

    from dimaging_tf.training import runs

    captioned = importlib.import_module(f"dimaging_tf.data.{name}").CAPTIONED
    changes = {"filters": (4, 4, 4, 4)} if quick else {}
    settings = runs.default_settings(
        "captioning", data=name, epochs=1 if quick else None, changes=changes
    )
    seconds = train_in(settings, folder)
    done = len((folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    planned = runs.read_settings(folder).epochs
    out.facts[f"{name}: epochs"] = f"{done} of {planned}"
    bundle = dimaging_edge.open_bundle(export(folder, temporary / f"{name}-bundle"), threads=1)
    count = 10 if quick else 500
    fresh = captioned.load(train=count, valid=count, seed=1)
    for kind, split in (("seen", fresh.train), ("held-out", fresh.valid)):
        said = [str(caption(bundle, image, 3)[0]) for image in split.inputs()]
        share = float(captioned.exact(said, split.label).mean())
        out.add(f"{name}: exact captions, {kind} combinations", share, GOALS[kind])
    out.add(f"{name}: training, one thread, processor time", seconds / 60, "", "min")


def speed(out: figures.Figures, quick: bool) -> None:
    """Time the search in one file, and compare 1,000 sentences with numpy's."""
    import keras
    import onnxruntime
    from dimaging_edge.common.beam import beam_search
    from dimaging_export.samplers.captioner import captioner

    from dimaging_tf.models.captioning import Captioning, Config
    from dimaging_tf.sequence.speaker import numpy_speaker

    keras.utils.set_random_seed(0)
    words = tuple(f"w{k}" for k in range(1199))
    model = Captioning(Config((16, 16, 1), words, 20, filters=(4,), features=512, embedding=128))
    rng = np.random.default_rng(0)
    for weight in model.reader.weights:  # sentences that differ, of 20 words
        weight.assign(3 * np.asarray(weight))
    head: Any = model.reader.get_layer("next")
    head.kernel.assign(rng.normal(size=head.kernel.shape))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        captioner(model.reader, 20).SerializeToString(), options, ["CPUExecutionProvider"]
    )
    features = rng.normal(size=(20 if quick else 1000, 1, 512)).astype(np.float32)
    speak, zeros = numpy_speaker(model.reader), np.zeros((3, 128), np.float32)

    def by_numpy(one: np.ndarray, beam: int) -> np.ndarray:
        state = {"h": zeros[:1].repeat(beam, 0), "c": zeros[:1].repeat(beam, 0)}
        return beam_search(speak(one[0]), state, beam, 20)[0][0]

    def by_file(one: np.ndarray, beam: int) -> np.ndarray:
        given: Any = {"features": one, "beam": np.array([beam], np.int32)}
        return np.asarray(session.run(["captions"], given)[0])[0, 0]

    for beam in (1, 3, 5):
        differ = sum(bool((by_file(x, beam) != by_numpy(x, beam)).any()) for x in features)
        times = {
            "one file": least(by_file, features[:100], beam),
            "numpy": least(by_numpy, features[:100], beam),
        }
        goal = "<= 1" if beam == 3 else ""
        out.add(f"features to sentence, beam {beam}, one file", 1e3 * times["one file"], goal, "ms")
        out.add(f"times as fast as numpy, beam {beam}", times["numpy"] / times["one file"], "", "x")
        out.add(f"sentences that differ from numpy's, beam {beam}", differ, "<= 0")


def least(find: Any, features: np.ndarray, beam: int) -> float:
    """Processor time of a sentence, s: the least of twenty rounds for each, and the mean of all sentences."""
    times = np.empty((20, len(features)))
    for a_round in times:
        for k, one in enumerate(features):
            began = time.process_time()
            find(one, beam)
            a_round[k] = time.process_time() - began
    return float(times.min(0).mean())


if __name__ == "__main__":
    sys.exit(main())
