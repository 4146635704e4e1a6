"""Go on with a text, token by token, with the graphs `writer` or `step` of a language model's bundle.

    bundle = open_bundle("bundle/char_lm-fp32")
    for piece in write(bundle, "ROMEO:", 500, temperature=0.8, seed=0):
        print(piece, end="")

`vocabulary.json` says what each token stands for. The noise comes from `random.gumbel`, so a seed gives the
same text on every device whose arithmetic agrees, and its first tokens do not depend on how many are wanted.
"""

import json
from collections.abc import Iterator
from numbers import Integral, Real

import numpy as np

from dimaging_edge.bundle.open import Bundle
from dimaging_edge.common.errors import BundleError, InputError
from dimaging_edge.common.random import gumbel, whole_noise

VOCABULARY = "vocabulary.json"
AT_ONCE = 64
"""Tokens in one run of `writer`, and in one piece of text; token k takes noise from stream k // 64."""
_HOTTEST = 100.0
_SHOWN, _MOST_KNOWN = 10, 200
"""The most unknown and known characters that a message names."""


def read_vocabulary(bundle: Bundle) -> tuple[str, ...]:
    """Return the text of each token; InputError where the bundle writes no text."""
    if VOCABULARY not in bundle.manifest.files or "step" not in bundle.graphs:
        raise InputError(
            f"{bundle.path.name} writes no text; export a model that does: dimaging train char_lm"
        )
    try:
        found = json.loads((bundle.path / VOCABULARY).read_text(encoding="utf-8"))
    except ValueError as error:
        raise BundleError(f"{VOCABULARY} is not valid JSON: {error}") from None
    logits = next(t for t in bundle.graph("step").outputs if t.name == "logits")
    right = isinstance(found, list) and all(isinstance(text, str) for text in found)
    if not right or len(found) != logits.example[-1]:
        raise BundleError(
            f"{VOCABULARY}: expected a list of {logits.example[-1]} texts, one for each token"
        )
    return tuple(found)


def encode(text: str, vocabulary: tuple[str, ...]) -> list[int]:
    """Return the token of each character; InputError names those that are not in the vocabulary."""
    if not isinstance(text, str):
        raise InputError(
            f"expected a text, received {type(text).__name__} (bytes become one by .decode('utf-8'))"
        )
    number = {character: k for k, character in enumerate(vocabulary)}
    if unknown := [character for character in dict.fromkeys(text) if character not in number]:
        known = "".join(character for character in vocabulary if len(character) == 1)
        more = ", ..." if len(unknown) > _SHOWN else ""
        cut = f" and {len(known) - _MOST_KNOWN:,} more" if len(known) > _MOST_KNOWN else ""
        raise InputError(
            f"the model has never seen {', '.join(map(repr, unknown[:_SHOWN]))}{more}; it knows "
            f"{known[:_MOST_KNOWN]!r}{cut}. Leave others "
            "out, or train on a text that has them: dimaging train char_lm --data FILE.txt"
        )
    return [number[character] for character in text]


def write(
    bundle: Bundle, prime: str = "", n: int = 500, *, temperature: float = 1.0, seed: int = 0
) -> Iterator[str]:
    """Yield n tokens that follow `prime`, in pieces of up to 64, as they are drawn.

    prime: what the text begins with, of characters of the vocabulary; empty: as after a line break.
    temperature: 1 draws what the model believes, less is more careful, 0 takes the likeliest.
    Raises InputError for a bundle that writes no text and for arguments out of range, before the first piece.
    """
    vocabulary = read_vocabulary(bundle)
    if not isinstance(n, Integral) or n < 1:
        raise InputError(f"expected 1 token or more, received {n!r}")
    if not (isinstance(temperature, Real) and 0 <= temperature <= _HOTTEST):  # a NaN fails
        raise InputError(f"temperature: expected 0 to {_HOTTEST:g}, received {temperature!r}")
    start = vocabulary.index("\n") if "\n" in vocabulary else 0
    tokens = encode(prime, vocabulary) or [start]
    draw = _by_writer if "writer" in bundle.graphs else _by_steps
    return (
        "".join(vocabulary[token] for token in piece)
        for piece in draw(bundle, tokens, n, temperature, seed, len(vocabulary))
    )


def _by_writer(
    bundle: Bundle, prime: list[int], n: int, temperature: float, seed: int, size: int
) -> Iterator[list[int]]:
    """Write with the loop inside the graph."""
    states = _zeros(bundle, "writer")
    for piece, noise in _noise(seed, n, size):
        found = bundle.run(
            "writer", prime=np.array([prime], np.int32), noise=noise,
            temperature=np.array([temperature], np.float32), **states,
        )  # fmt: skip
        states = {name: found[f"{name}_out"] for name in states}
        prime = [int(found["text"][0, -1])]
        yield found["text"][0, :piece].tolist()


def _by_steps(
    bundle: Bundle, prime: list[int], n: int, temperature: float, seed: int, size: int
) -> Iterator[list[int]]:
    """Draw and feed back here, where the graph may have no loop."""
    states, logits = _zeros(bundle, "step"), np.zeros(size, np.float32)
    waiting = list(prime)
    for _, noise in _noise(seed, n, size):
        drawn: list[int] = []
        whole = bundle.manifest.precision == "integer"
        scaled = whole_noise(noise, temperature) if whole else noise * np.float32(temperature)
        for extra in scaled[0]:
            for token in waiting:
                found = bundle.run("step", tokens=np.array([[token]], np.int32), **states)
                states = {name: found[f"{name}_out"] for name in states}
                logits = found["logits"][0, 0]
            drawn.append(int(np.argmax(logits + extra)))
            waiting = drawn[-1:]
        yield drawn


def _noise(seed: int, n: int, size: int) -> Iterator[tuple[int, np.ndarray]]:
    """The noise of each piece, [1, tokens, vocabulary], and how many tokens it has."""
    for stream, start in enumerate(range(0, n, AT_ONCE)):
        piece = min(AT_ONCE, n - start)
        yield piece, gumbel(seed, (1, piece, size), stream)


def _zeros(bundle: Bundle, graph: str) -> dict[str, np.ndarray]:
    """The state before a text."""
    outputs = {tensor.name for tensor in bundle.graph(graph).outputs}
    return {
        tensor.name: np.zeros(tensor.example, np.float32)
        for tensor in bundle.graph(graph).inputs
        if f"{tensor.name}_out" in outputs
    }
