"""Build the graphs of a language model: one reads, one takes a single step, and one writes a text.

reader    any number of tokens, the true past told: to judge a text, and to read a long prime
step      one token: the host draws and feeds back, where Loop is forbidden
writer    prime and noise in, text out (see `text.py`)
"""

from dataclasses import replace
from typing import Any

import numpy as np
from dimaging_edge.common.random import whole_noise

from dimaging_export.bundle.build import BuildSpec, Built, build_graphs, real_inputs
from dimaging_export.bundle.real_images import RealData
from dimaging_export.bundle.subject import Subject
from dimaging_export.errors import ExportError, ParityError
from dimaging_export.integer.text_bytes import byte_text_twin
from dimaging_export.integer.text_twin import integer_text_twin
from dimaging_export.prove.inputs import BATCHES
from dimaging_export.prove.runners import Arrays, Graph, onnx_graph
from dimaging_export.samplers.build import describe_sampler
from dimaging_export.samplers.byte_products import byte_product
from dimaging_export.samplers.text import float_product, writer
from dimaging_export.samplers.text_reader import told_reader
from dimaging_tf.sequence.base import LanguageModel

CLOSE = 1e-4
"""Largest score that a drawn token may miss of the best in Keras: float32 decides such ties either way."""
CLEAR = 1e-3
"""Score by which each token of the example wins at least, so that every device draws the same."""
STATES = 1e-4
"""Largest difference of a state after the text from what Keras has there."""
BYTE_CLOSE = 0.25
"""`CLOSE` of a writer in bytes, which rounds every output of a layer to 1/127; Keras does not."""
BYTE_CLEAR = 2 * BYTE_CLOSE
"""`CLEAR` of a writer in bytes."""
BYTE_STATES = 0.25
"""`STATES` of a writer in bytes."""


def text_facts(subject: Subject, _: RealData | None = None) -> dict[str, int]:
    """Return the size of the vocabulary, in whose place the manifest has it.

    What its tokens stand for is a file beside the graphs: a text may have characters, such as the line ends
    of Windows, that a manifest must not hold, for whoever prints it.
    """
    return {"vocabulary": len(subject.model.config.vocabulary)}


def build_text(subject: Subject, spec: BuildSpec, real: RealData | None) -> dict[str, Built]:
    """Build and prove the graphs of a `LanguageModel`, by name.

    Raises ExportError for a layer that no writer knows, ParityError where a file computes something else
    than Keras.
    """
    calibration, judging = real_inputs(subject, spec, real)
    coarse = spec.precision == "int8"
    # What reads has the rounded weights of what writes, and its outputs in float32. The writer is scored.
    reading = replace(spec, precision="fp32") if coarse else spec
    built = build_graphs(subject, reading, calibration, judging)
    if "Loop" in spec.target.forbidden:
        return built
    tokens = judging.get("reader", {}).get("tokens")
    file = writer(subject.model.reader, byte_product if coarse else float_product)
    run = onnx_graph(file, whole=True)
    report = prove_writer(subject.model, run, tokens, coarse)
    feed = _feed(subject.model, tokens, 1, 0.7, 5, seed=0, steps=16)
    example = clear_example(subject.model, run, feed, BYTE_CLEAR if coarse else CLEAR)
    described = describe_sampler(subject, spec, file, run, example, report)
    if coarse:
        told = onnx_graph(told_reader(subject.model.reader, byte_product))
        described = replace(described, stands_for={"reader": (built["reader"].reference, told)})
    return built | {"writer": described}


def prepare_text(subject: Subject, spec: BuildSpec, real: RealData | None) -> Subject:
    """Return the subject in this precision: for "integer" and "int8" it is a twin with other weights.

    ExportError for fp16, and for a target without the loops that a precision is made for.
    """
    if spec.precision not in ("fp32", "integer", "int8"):
        raise ExportError(
            f"precision {spec.precision!r}: a writer reads its own tokens again, so {subject.name} is "
            "exported as fp32, as integer: the same text on every device, or as int8: faster"
        )
    if spec.precision == "fp32":
        return subject
    if spec.precision == "int8":
        if "Loop" in spec.target.forbidden:
            raise ExportError(
                f"precision 'int8' makes the loop that writes faster, and target {spec.target.name!r} has no "
                "loops; choose target cpu or web, or fp32"
            )
        return _of_twin(subject, byte_text_twin(subject.model))
    if "Scan" in spec.target.forbidden:
        raise ExportError(
            f"precision 'integer': its reader is a loop over time, which target {spec.target.name!r} does "
            "not run; choose target cpu or web, or fp32"
        )
    return _of_twin(subject, integer_text_twin(subject.model))


def _of_twin(subject: Subject, twin: LanguageModel) -> Subject:
    return replace(
        subject, model=twin, graphs=twin.graphs(), ranges=twin.ranges, original=subject.model
    )


def prove_writer(
    model: LanguageModel, run: Graph, tokens: np.ndarray | None, coarse: bool = False
) -> dict[str, dict[str, float]]:
    """Write texts at every batch and several temperatures, and compare each token with what Keras draws.

    coarse: products are made in bytes.

    No reference writer is needed: only the one text that is drawn token by token has this property.
    tokens: real rows to take a prime from. Raises ParityError where a token or a state differs.
    """
    worst = {"text": 0.0, **{f"{name}_out": 0.0 for name in model.states}}
    states_differ, tie = (BYTE_STATES, BYTE_CLOSE) if coarse else (STATES, CLOSE)
    if model.largest_weight:  # whole numbers leave nothing to rounding
        states_differ = tie = 0.0
    allowed = dict.fromkeys(worst, states_differ) | {"text": 0.0}
    for batch in BATCHES:
        for temperature, length in ((1.0, 1), (0.7, 5), (0.0, 3)):
            feed = _feed(model, tokens, batch, temperature, length, seed=batch)
            found = run(feed)
            scores, states = _scores(model, feed, found["text"])
            chosen = np.take_along_axis(scores, found["text"][..., None], -1)[..., 0]
            behind = float((scores.max(-1) - chosen).max())
            if behind > tie:
                wrong = int((scores.max(-1) - chosen > tie).sum())
                raise ParityError(
                    f"graph 'writer': {wrong} of {chosen.size} tokens are not what Keras draws from the same "
                    "past and noise. Nothing was written"
                )
            for name, expected in states.items():
                difference = float(np.abs(found[name] - expected).max())
                if not difference <= allowed[name]:
                    raise ParityError(
                        f"graph 'writer', output {name!r} differs by {difference:.3g}, allowed "
                        f"{allowed[name]:g}. Nothing was written"
                    )
                worst[name] = max(worst[name], difference)
    return {name: {"max_abs": worst[name], "allowed": allowed[name]} for name in worst}


def clear_example(model: LanguageModel, run: Graph, feed: Arrays, clear: float) -> Arrays:
    """Return inputs and outputs of a text in which each token wins by the score `clear`, or by whole numbers.

    Where a drawn token wins by less, its noise is raised by what is missing. The text stays the same: only
    the tokens that were drawn anyway score more.
    """
    if model.largest_weight:  # whole numbers win on every device alike
        return {**feed, **run(feed)}
    drawn = run(feed)["text"][..., None]
    scores, _ = _scores(model, feed, drawn[..., 0])
    own = np.take_along_axis(scores, drawn, -1)
    others = scores.copy()
    np.put_along_axis(others, drawn, -np.inf, -1)
    missing = np.maximum(clear - (own - others.max(-1, keepdims=True)), 0) / feed["temperature"]
    noise = feed["noise"].copy()
    raised = np.take_along_axis(noise, drawn, -1) + missing
    np.put_along_axis(noise, drawn, raised.astype(np.float32), -1)
    feed = {**feed, "noise": noise}
    return {**feed, **run(feed)}


def _scores(model: LanguageModel, feed: Arrays, text: np.ndarray) -> tuple[np.ndarray, Arrays]:
    """Return Keras' score of every token at each place of this text, noise included, and the last states."""
    given = {name: feed[name] for name in model.states}
    told = np.concatenate([feed["prime"], text[:, :-1]], 1)
    found = model.run("reader", tokens=told, **given)
    found.pop("weights", None)
    logits = found.pop("logits")[:, feed["prime"].shape[1] - 1 :]
    if model.largest_weight:
        return logits + whole_noise(feed["noise"], feed["temperature"][0]), found
    return logits + feed["temperature"] * feed["noise"], found


def _feed(
    model: Any, tokens: np.ndarray | None, batch: int, temperature: float, length: int, seed: int,
    steps: int = 40,
) -> Arrays:  # fmt: skip
    """Make noise, states, and a prime from real rows where there are some."""
    rng = np.random.default_rng(seed)
    size = len(model.config.vocabulary)
    if tokens is None or tokens.shape[1] < length:
        prime = rng.integers(0, size, (batch, length))
    else:
        prime = tokens[np.arange(batch) % len(tokens), :length]
    states = {
        name: _state(rng, zeros.shape, model.largest_output)
        for name, zeros in model.zeros(batch).items()
    }
    return {
        "prime": prime.astype(np.int32),
        "noise": rng.gumbel(size=(batch, steps, size)).astype(np.float32),
        "temperature": np.array([temperature], np.float32),
        **states,
    }


def _state(rng: np.random.Generator, shape: tuple[int, ...], top: float) -> np.ndarray:
    """Draw a state of half the range of outputs; of whole numbers where 1 is more than one step."""
    drawn = rng.uniform(-0.5 * top, 0.5 * top, shape)
    return (np.floor(drawn) if top > 1 else drawn).astype(np.float32)
