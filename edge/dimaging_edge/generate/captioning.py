"""What an image shows, in words: the graphs of a captioner's bundle in a row.

    bundle = open_bundle("bundle/captioning-fp32")
    for sentence in caption(bundle, image, beam=3):
        print(sentence.probability, sentence)          # the likeliest first

The graph `captioner` searches inside its file; where a target forbids loops, the same search runs here with
the graph `step`. `words.txt` holds the vocabulary, word k in line k.
"""

from dataclasses import dataclass
from numbers import Integral

import numpy as np

from dimaging_edge.bundle.open import Bundle
from dimaging_edge.common.beam import State, beam_search
from dimaging_edge.common.errors import BundleError, InputError
from dimaging_edge.common.words import UNKNOWN

WORDS = "words.txt"
"""The file of a bundle that holds the vocabulary."""
WIDEST = 100
"""The largest beam."""
_LONGEST = 1000


@dataclass(frozen=True)
class Sentence:
    """What a captioner says, and how likely the network holds it to be that a person says just this."""

    text: str
    probability: float

    def __str__(self) -> str:
        return self.text


def read_vocabulary(bundle: Bundle) -> tuple[str, ...]:
    """Return the words that a captioner can say; InputError where the bundle says nothing about images."""
    needed = ("encoder", "step")
    if WORDS not in bundle.manifest.files or any(name not in bundle.graphs for name in needed):
        raise InputError(
            f"{bundle.path.name} says nothing about images; export a model that does: "
            "dimaging train captioning"
        )
    try:
        words = tuple(bundle.read(WORDS).decode("utf-8").split("\n")[:-1])
    except UnicodeDecodeError as error:
        raise BundleError(f"{WORDS} is no UTF-8 text ({error}); export the bundle again") from None
    if len(words) + 1 != (size := bundle.tensor("step", "logits", 3).example[-1]):
        raise BundleError(
            f"{WORDS}: expected {size - 1} words, a line each; found {len(words)}; export the bundle again"
        )
    return words


def caption(bundle: Bundle, image: np.ndarray, beam: int = 3) -> list[Sentence]:
    """Return the `beam` likeliest sentences about one image, the likeliest first.

    image: as the graph `encoder` takes it, with or without the axis of the batch. beam: 1 takes the likeliest
    word each time, more keeps as many beginnings. InputError for a bundle of another kind, another beam than
    1 to 100, and an image of another shape.
    """
    words = read_vocabulary(bundle)
    if not isinstance(beam, Integral) or not 1 <= beam <= WIDEST:
        raise InputError(f"beam: expected 1 to {WIDEST}, received {beam}")
    wanted = bundle.tensor("encoder", "image", 4)
    image = np.asarray(image)
    image = image[None] if image.ndim == 3 else image
    if image.shape != wanted.example:
        raise InputError(
            f"expected one image {list(wanted.example[1:])} ({wanted.layout[1:]}), received "
            f"{list(image.shape)}; scale and cut it first, as `dimaging-edge caption` does"
        )
    bundle.tensor("encoder", "features", 2)
    features = bundle.run("encoder", image=image)["features"]
    search = _by_file if "captioner" in bundle.graphs else _by_steps
    captions, scores = search(bundle, features, words, beam)
    odds = np.exp(np.minimum(scores.astype(np.float64), 0))
    return [
        Sentence(_text(row, words), float(share))
        for row, share in zip(captions, odds, strict=True)
        if share > 0  # a wide beam has more rows than there are sentences
    ]


def _by_file(
    bundle: Bundle, features: np.ndarray, words: tuple[str, ...], beam: int
) -> tuple[np.ndarray, np.ndarray]:
    """Search inside of the graph `captioner`."""
    for name, rank in (("captions", 3), ("scores", 2)):
        bundle.tensor("captioner", name, rank)
    found = bundle.run("captioner", features=features, beam=np.array([beam], np.int32))
    captions, scores = found["captions"], found["scores"]
    if captions.shape[:2] != scores.shape or len(captions) != 1 or not captions.size:
        raise BundleError(
            f"the graph says {list(captions.shape)} words with {list(scores.shape)} scores about one image; "
            "export it again"
        )
    return captions[0], scores[0]


def _by_steps(
    bundle: Bundle, features: np.ndarray, words: tuple[str, ...], beam: int
) -> tuple[np.ndarray, np.ndarray]:
    """Search here: each step runs the graph once a beginning, for a phone's graphs take batches of 1."""

    def step(last: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        found = [
            bundle.run("step", features=features, past=last[i : i + 1, None],
                       h=state["h"][i : i + 1], c=state["c"][i : i + 1])
            for i in range(beam)
        ]  # fmt: skip
        logits, h, c = (
            np.concatenate([one[n] for one in found]) for n in ("logits", "h_out", "c_out")
        )
        return logits[:, 0].astype(np.float32), {"h": h, "c": c}

    length = bundle.setting("length", 1, _LONGEST)
    kept = bundle.tensor("step", "h", 2)
    for name in ("c", "h_out", "c_out"):
        bundle.tensor("step", name, 2)
    zeros = np.zeros((beam, kept.example[1]), kept.dtype)
    never = [k for k, word in enumerate(words, 1) if word == UNKNOWN]
    return beam_search(step, {"h": zeros, "c": zeros}, beam, length, never)


def _text(row: np.ndarray, words: tuple[str, ...]) -> str:
    if row.min() < 0 or row.max() > len(words):
        raise BundleError(f"the graph says word {row.max()} of {len(words)}; export it again")
    return " ".join(words[k - 1] for k in row.tolist() if k)
