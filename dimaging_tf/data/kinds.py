"""The kinds of data that a data set holds, and the kinds of label that go with them.

    image   [N, H, W, C]      uint8, uint16, or float32 in [0, 1]
    movie   [N, T, H, W, C]   as images; T frames at equal distances in time
    series  [N, T, C]         float32, any finite value; T steps of C channels
    tokens  [N, T]            int32; token k stands for entry k of the vocabulary

    label   none
            example  [N]                             one integer for each example
            pixel    [N, H, W] or [N, T, H, W]       one for each pixel of an image or a movie
            step     [N, T]                          one for each frame, step or token
            caption  [N, words] or [N, K, words]     a sentence, or several, for each example (see `words`)

This module loads nothing, so that a list of data sets or models is quick.
"""

from typing import Literal, NamedTuple

Kind = Literal["image", "movie", "series", "tokens"]
LabelKind = Literal["example", "pixel", "step", "caption"]


class Form(NamedTuple):
    """What arrays of one kind look like."""

    plural: str
    axes: str
    values: str
    dimensions: int
    labels: tuple[LabelKind, ...]

    def __str__(self) -> str:
        """The kind and its axes as messages name them, such as `images [N, H, W, C]`."""
        return f"{self.plural} {self.axes}"


_PICTURES = "uint8, uint16 or float32 in [0, 1]"
FORMS: dict[Kind, Form] = {
    "image": Form("images", "[N, H, W, C]", _PICTURES, 4, ("example", "pixel", "caption")),
    "movie": Form(
        "movies", "[N, T, H, W, C]", _PICTURES, 5, ("example", "step", "pixel", "caption")
    ),
    "series": Form("series", "[N, T, C]", "finite float32", 3, ("example", "step", "caption")),
    "tokens": Form("tokens", "[N, T]", "int32 of at least 0", 2, ("example", "step", "caption")),
}
"""Every kind of data, with its form."""

PICTURES: tuple[Kind, ...] = ("image", "movie")
"""The kinds whose stored integers mean brightness, so that they are rescaled to [0, 1]."""


def kind_of(dimensions: int) -> Kind | None:
    """Return the kind whose arrays have this many dimensions, N included; None where no kind has."""
    return next((kind for kind, form in FORMS.items() if form.dimensions == dimensions), None)
