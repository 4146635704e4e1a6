"""Build the graphs of a captioner: one looks, one reads, one takes a step, and one says a sentence.

encoder     image -> features, in any precision
reader      the words before told: to judge captions
step        one word: the host searches, where Loop is forbidden
captioner   features and a beam in, sentences out (see `captioner.py`); always float32
"""

import warnings

import numpy as np
from dimaging_edge.common.beam import IMPOSSIBLE, beam_search, log_softmax

from dimaging_export.bundle.build import BuildSpec, Built, build_graphs, real_inputs
from dimaging_export.bundle.real_images import RealData
from dimaging_export.bundle.subject import Subject
from dimaging_export.errors import ParityError
from dimaging_export.prove.inputs import BATCHES
from dimaging_export.prove.runners import Arrays, Graph, onnx_graph
from dimaging_export.samplers.build import describe_sampler
from dimaging_export.samplers.captioner import captioner
from dimaging_tf.sequence.captioner import Captioner
from dimaging_tf.sequence.speaker import numpy_speaker

SEARCHES = 100
"""How many features are tried for an example whose sentences are clearly apart."""
BEAMS = (1, 3, 5)
"""Beams that a captioner is proven with."""
CLOSE = 1e-3
"""Largest difference of a sentence's log probability, in nats: sums of up to dozens of words in float32."""


def build_captions(subject: Subject, spec: BuildSpec, real: RealData | None) -> dict[str, Built]:
    """Build and prove the graphs of a `Captioner`, by name; ParityError where a file is not Keras' model."""
    calibration, judging = real_inputs(subject, spec, real)
    built = build_graphs(subject, spec, calibration, judging)
    if "Loop" in spec.target.forbidden:
        return built
    model = subject.model
    file = captioner(model.reader, model.config.length, model.never)
    run = onnx_graph(file, whole=True)
    features = judging.get("reader", {}).get("features")
    worst = prove_captioner(model, run, features)
    report = {
        "captions": {"max_abs": 0.0, "allowed": 0.0},
        "scores": {"max_abs": worst, "allowed": CLOSE},
    }
    example = _example(model, run, features)
    return built | {"captioner": describe_sampler(subject, spec, file, run, example, report)}


def prove_captioner(model: Captioner, run: Graph, features: np.ndarray | None) -> float:
    """Compare sentences with a search in numpy, and their scores with what Keras' reader says of them.

    features: real ones. Returns the largest difference of a score, in nats. Sentences may differ where two
    are equally likely, and where the beam has more rows than there are sentences. Raises ParityError where
    anything else differs.
    """
    worst = 0.0
    for batch in BATCHES:
        for beam in BEAMS:
            feed = _feed(model, features, batch, beam)
            found = run(feed)
            said, scores = found["captions"], found["scores"]
            difference = np.abs(scores - _scores(model, feed, said))
            for row, told, own, apart in zip(
                said, feed["features"], scores, difference, strict=True
            ):
                expected, best = _search(model, told, beam)
                worst = max(worst, float(apart[_possible(best)].max()))
                if (row[0] != expected[0]).any() and abs(own[0] - best[0]) > CLOSE:
                    raise ParityError(
                        f"graph 'captioner': with a beam of {beam} it says {row[0].tolist()}, the search in "
                        f"numpy {expected[0].tolist()}. Nothing was written"
                    )
    if not worst <= CLOSE:
        raise ParityError(
            f"graph 'captioner', output 'scores' differs by {worst:.3g} nats from Keras, allowed {CLOSE:g}. "
            "Nothing was written"
        )
    return worst


def _possible(scores: np.ndarray) -> np.ndarray:
    """Return which rows of a beam are sentences: a wide one has more rows than there are sentences."""
    return scores > IMPOSSIBLE / 2


def _search(model: Captioner, features: np.ndarray, beam: int) -> tuple[np.ndarray, np.ndarray]:
    zeros = np.zeros((beam, model.config.units), np.float32)
    step = numpy_speaker(model.reader)(features)
    return beam_search(step, {"h": zeros, "c": zeros}, beam, model.config.length, model.never)


def _scores(model: Captioner, feed: Arrays, said: np.ndarray) -> np.ndarray:
    """Return the log probability of each sentence [B, K], by Keras' reader."""
    rows = said.reshape(-1, said.shape[-1])
    features = np.repeat(feed["features"], said.shape[1], 0)
    past = np.concatenate([np.zeros_like(rows[:, :1]), rows[:, :-1]], 1)
    logits = model.run("reader", features=features, past=past)["logits"].copy()
    logits[..., list(model.never)] = -np.inf
    own = np.take_along_axis(log_softmax(logits), rows[..., None], -1)[..., 0]
    own[:, 1:][past[:, 1:] == 0] = 0  # behind the word that ends a sentence
    return own.sum(1).reshape(said.shape[:2])


def _example(model: Captioner, run: Graph, features: np.ndarray | None) -> Arrays:
    """Return a search whose best sentences are clearly apart, so that every device finds the same.

    It is looked for among so many features (SEARCHES); a warning says that all of them had near ties, as
    those of a model that has learned nothing do.
    """
    beam = int(_possible(run(_feed(model, features, 1, 3))["scores"]).sum())
    for seed in range(SEARCHES):
        feed = _feed(model, features, 1, beam, seed)
        found = run(feed)
        apart = -np.diff(found["scores"][0])
        if (apart > CLOSE).all():
            return {**feed, **found}
    warnings.warn(
        f"graph 'captioner': in each of {SEARCHES} searches two sentences were within {CLOSE:g} nats, so the "
        "one that the bundle holds may come out in another order on another device; train the model longer",
        stacklevel=2,
    )
    return {**feed, **found}


def _feed(
    model: Captioner, features: np.ndarray | None, batch: int, beam: int, seed: int = 0
) -> Arrays:
    """Make the inputs of a search: real features, or random ones."""
    rng = np.random.default_rng(seed)
    if features is None:
        size = model.reader.inputs[0].shape[-1]
        features = rng.normal(size=(batch, size)).astype(np.float32)
    chosen = features[(np.arange(batch) + seed) % len(features)]
    return {"features": chosen, "beam": np.array([beam], np.int32)}
