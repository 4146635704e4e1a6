"""Cartoon faces with captions: what `avatars` draws, said in words.

    hair x colour of the hair x glasses x beard x mood ─┬─ a `Look`, the rest of it at random ─> image
      6           5               3        3       3    └─ one of several phrasings ───────────> caption

    "a face with long black hair, glasses and a smile"

Skin, eyes, brows, shirt and the kind of glasses and of beard are told nowhere and vary; the background is
grey. What is not worn may be left out of a caption. One combination in five is never shown in training
(`captioned`).
"""

import itertools
from collections.abc import Sequence

import numpy as np

from dimaging_tf.data import avatars
from dimaging_tf.data.captioned import Attributes, Captioned

HAIR = {
    "short": "short {} hair", "curly": "curly {} hair", "long": "long {} hair", "bob": "a {} bob",
    "bun": "a {} bun", "mohawk": "a {} mohawk",
}  # fmt: skip
"""What a caption calls each word of `avatars.PARTS`; {} stands for its colour."""
COLOURS = ("black", "brown", "blond", "red", "grey")
GLASSES = {
    ("", "no glasses"): ("no",), ("glasses",): ("round", "square"),
    ("sunglasses", "dark glasses"): ("dark", "black"),
}  # fmt: skip
"""What a caption says -> the words of `avatars.PARTS` that it may mean."""
BEARDS = {
    ("", "no beard"): ("no",),
    ("a beard",): ("short", "full"),
    ("a moustache",): ("moustache",),
}
MOODS = {
    ("smiling", "happy"): ("smiling", "laughing"),
    ("serious",): ("serious",),
    ("sad",): ("sad",),
}
LOOKS = ("a smile", "a serious look", "a sad look")
PHRASINGS = (
    "a {mood} face with {worn}",
    "a {mood} person with {worn}",
    "{worn}, {mood}",
    "a face with {all}",
    "a person with {all}",
)


def _names(attributes: Attributes) -> list[dict[str, str]]:
    hair, colour, glasses, beard, mood = attributes
    named = list(HAIR.values())[hair].format(COLOURS[colour])
    ways = itertools.product(
        list(GLASSES)[glasses], list(BEARDS)[beard], list(MOODS)[mood], (False, True)
    )
    found = []
    for *worn, felt, hair_last in ways:
        said = [word for word in ([*worn, named] if hair_last else [named, *worn]) if word]
        found.append({"mood": felt, "worn": _listed(said), "all": _listed([*said, LOOKS[mood]])})
    return found


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def look(attributes: Attributes, rng: np.random.Generator) -> avatars.Look:
    """Return a face of these attributes; everything else is drawn from `rng`."""
    hair, colour, glasses, beard, mood = attributes
    among = {
        **avatars.PARTS, "hair": [list(HAIR)[hair]], "hair_colour": [COLOURS[colour]],
        "glasses": list(GLASSES.values())[glasses], "beard": list(BEARDS.values())[beard],
        "mouth": list(MOODS.values())[mood], "background": ["grey"],
    }  # fmt: skip
    return avatars.Look(**{part: str(rng.choice(list(words))) for part, words in among.items()})


def _render(
    combinations: np.ndarray, size: int, rngs: Sequence[np.random.Generator], keep: str | None
) -> np.ndarray:
    looks = [look(tuple(a), rng) for a, rng in zip(combinations, rngs, strict=True)]
    return avatars.pictures(looks, size, keep)


CAPTIONED = Captioned(
    name="avatar_captions",
    counts={
        "hair": len(HAIR), "colour": len(COLOURS), "glasses": len(GLASSES), "beard": len(BEARDS),
        "mood": len(MOODS),
    },
    phrasings=PHRASINGS,
    names=_names,
    render=_render,
    length=16,
    train=6480,
    valid=648,
    licence=avatars.LICENCE,
    summary="cartoon faces with captions",
)  # fmt: skip
load_avatar_captions = CAPTIONED.load
