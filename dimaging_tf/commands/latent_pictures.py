"""The pictures of `dimaging sample --reconstruct`, `--attribute`, `--analogy`, `--interpolate`, `--traverse`.

Pictures are numbered from 0: they are the validation images where the model has an encoder, and otherwise
what `dimaging sample` draws with the same seed, in reading order.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dimaging_tf.data.dataset import Dataset, to_float
from dimaging_tf.errors import DataError, UserError
from dimaging_tf.evaluation import metrics
from dimaging_tf.latent import arithmetic
from dimaging_tf.latent.faces import GLASSES, glasses_vector
from dimaging_tf.latent.space import Space, open_space

COLUMNS = 8
"""Pictures in a row."""
INVERTED = 64
"""Most images with an attribute, and without it, where codes are found by inversion, which takes a while."""


class Picture(NamedTuple):
    """Cells, and what each row of them shows."""

    cells: np.ndarray  # float [rows, columns, h, w, C] in [0, 1]
    rows: tuple[str, ...]


def latent_picture(
    model: Any, settings: Any, *, seed: int = 0, label: int | None = None, strength: float = 1.0,
    reconstruct: int | None = None, attribute: str | None = None, analogy: str | None = None,
    interpolate: str | None = None, traverse: int | None = None, say: Callable[[str], Any] = print,
) -> Picture:  # fmt: skip
    """Return the one picture that is asked for; UserError for none, or more than one.

    settings      the `runs.Settings` that the model was trained by
    seed          of the codes that are drawn, and of an inversion
    label         the class that a conditional generator draws
    strength      what the vector of the attribute is multiplied by
    reconstruct   number of images to reconstruct
    attribute     what to add and take away, as for `has_attribute`
    analogy       a sum of pictures, as for `parse_analogy`
    interpolate   two numbers of pictures, such as "3,17"
    traverse      number of latents to traverse
    say           receives the figures of a reconstruction, a line each
    """
    from dimaging_tf.training.runs import load_data

    given = {
        "reconstruct": reconstruct, "attribute": attribute, "analogy": analogy,
        "interpolate": interpolate, "traverse": traverse,
    }  # fmt: skip
    words = [f"--{name}" for name, value in given.items() if value is not None]
    if len(words) != 1:
        raise UserError(f"One picture at a time: {' or '.join(words or given)}.")
    space = open_space(model, label, seed=seed)
    if reconstruct is not None:
        return show_reconstructions(space, load_data(settings), reconstruct, say, seed)
    if attribute is not None:
        return edit_attribute(space, load_data(settings), attribute, strength, settings.seed)
    codes = codes_of(space, load_data(settings) if space.has_encoder else None, seed)
    if analogy is not None:
        return show_analogy(space, codes, analogy)
    if interpolate is not None:
        return show_interpolation(space, codes, interpolate)
    return show_traversals(space, codes, traverse or 1)


def show_reconstructions(
    space: Space, dataset: Dataset, count: int, say: Callable[[str], Any] = print, seed: int = 0
) -> Picture:
    """Return validation images, and below each what its code decodes to.

    A model without an encoder searches for the codes. For such a model the picture goes on with images
    that it drew itself, for which an exact code exists: they show how far the search can get.
    """
    _at_most(len(dataset.valid), "--reconstruct", count, "validation images")
    index = np.linspace(0, len(dataset.valid) - 1, count).astype(int)
    sets = {f"images of {dataset.name}": to_float(dataset.valid.x[index])}
    if not space.has_encoder:
        sets["its own pictures"] = space.decode(space.draw(count, seed + 1))
    rows, names = [], []
    for name, image in sets.items():
        found = space.decode(space.encode(image))
        error = ((found - image) ** 2).mean((1, 2, 3))
        say(
            f"{name}: PSNR {metrics.psnr(found, image):.2f} dB, "
            f"RMS error {np.median(error) ** 0.5:.4f} (median), {error.max() ** 0.5:.4f} (worst)"
        )
        for first in range(0, len(image), COLUMNS):
            part = slice(first, first + COLUMNS)
            width = min(COLUMNS, count)
            rows += [_padded(image[part], width), _padded(found[part], width)]
            names += [name.removeprefix("images of "), "reconstructed"]
    return Picture(np.stack(rows), tuple(names))


def edit_attribute(
    space: Space, dataset: Dataset, attribute: str, strength: float, seed: int
) -> Picture:
    """Return validation images without the attribute, with it added, and the reverse.

    The rows: images without it, their reconstructions, the same with the vector added; then images that have
    it, their reconstructions, the same with the vector subtracted. The vector is the mean difference of
    the training images' codes; glasses have their own, `latent.faces.glasses_vector`. DataError where no
    training image has the attribute, or all have it.
    """
    has, valid_has = (has_attribute(dataset, attribute, seed, stream) for stream in range(2))
    if not has.any() or has.all():
        raise DataError(
            f"{'none' if not has.any() else 'every one'} of the {len(has)} training images of "
            f"{dataset.name} has {attribute}; an attribute vector needs examples with and without it"
        )
    most = len(has) if space.has_encoder else INVERTED
    index = np.sort(np.concatenate([np.where(has)[0][:most], np.where(~has)[0][:most]]))
    image = to_float(dataset.train.x[index])
    if attribute == "glasses":
        vector = glasses_vector(space, image, has[index])
    else:
        vector = arithmetic.attribute_vector(space.encode(image), has[index])
    rows, names = [], []
    for wearing, sign in ((False, 1.0), (True, -1.0)):
        chosen = np.where(valid_has == wearing)[0]
        if not len(chosen):
            continue
        chosen = chosen[np.linspace(0, len(chosen) - 1, min(COLUMNS, len(chosen))).astype(int)]
        image = to_float(dataset.valid.x[chosen])
        codes, scales = space.encode(image), (0, sign * strength)
        both = arithmetic.attribute_grid(space.decode, codes, vector, scales)
        rows += [_padded(row, COLUMNS) for row in (image, *both)]
        times = "" if strength == 1 else f"{strength:g} x "
        names += [
            f"with {attribute}" if wearing else f"without {attribute}", "reconstructed",
            f"{'-' if wearing else '+'} {times}{attribute}",
        ]  # fmt: skip
    return Picture(np.stack(rows), tuple(names))


def has_attribute(dataset: Dataset, attribute: str, seed: int = 0, stream: int = 0) -> np.ndarray:
    """Return bool [N]: which images of train (stream 0) or valid (stream 1) have the attribute.

    attribute    "glasses" of faces, olivetti and avatars; "beard" or "hair=bun" of avatars; or a
                 label, such as "7"
    seed         that the data set was loaded with

    DataError for an attribute that the data set does not record.
    """
    split = (dataset.train, dataset.valid)[stream]
    if dataset.name == "avatars":
        from dimaging_tf.data.avatars import looks_having

        return looks_having(attribute, len(split), seed, stream)
    if split.label is None or split.label.ndim != 1:
        raise DataError(
            f"{dataset.name} has no label for each image, so no attribute {attribute!r}"
        )
    if attribute == "glasses" and dataset.name in GLASSES:
        return split.label == 1
    if not attribute.isdigit():
        known = f"a label from {split.label.min()} to {split.label.max()}"
        known += ", or glasses" if dataset.name in GLASSES else ""
        raise DataError(f"an attribute of {dataset.name} is {known}; received {attribute!r}")
    return split.label == int(attribute)


def codes_of(space: Space, dataset: Dataset | None, seed: int) -> np.ndarray:
    """Return the codes [N, D] of the numbered pictures: of the validation images, or of 64 drawn ones."""
    if space.has_encoder and dataset is not None:
        return space.encode(to_float(dataset.valid.x))
    return space.draw(64, seed)


def show_analogy(space: Space, codes: np.ndarray, text: str) -> Picture:
    """Return a row for each term, its pictures and their mean, and a last row that ends in the result."""
    terms = parse_analogy(text, len(codes))
    width = 1 + max(len(numbers) for _, numbers in terms)
    groups = {sign: [codes[n] for s, n in terms if s == sign] for sign in "+-"}
    answer = arithmetic.analogy(groups["+"], groups["-"])
    rows = []
    for _, numbers in terms:
        shown = space.decode(np.concatenate([codes[numbers], codes[numbers].mean(0)[None]]))
        rows.append(np.concatenate([_padded(shown[:-1], width - 1), shown[-1:]]))
    found = space.decode(answer[None])
    rows.append(np.concatenate([np.ones_like(rows[0][:-1]), found]))
    names = [f"{sign} {', '.join(map(str, numbers))}, mean" for sign, numbers in terms]
    return Picture(np.stack(rows), (*names, "result"))


def parse_analogy(text: str, count: int) -> list[tuple[str, list[int]]]:
    """Parse a sum of pictures: "3,7 - 1 + 20,21" -> [("+", [3, 7]), ("-", [1]), ("+", [20, 21])].

    UserError for any other text, and for a number of `count` or more.
    """
    number = r"\s*\d+\s*"
    term = rf"{number}(?:,{number})*"
    if not re.fullmatch(rf"{term}(?:[+-]{term})*", text):
        raise UserError(
            "--analogy takes numbers of pictures, such as '3,7,12 - 1,5 + 20,21': the mean of three, "
            f"less that of two, and so on. Received: {text!r}"
        )
    found = re.findall(rf"([+-]?)({term})", text)
    return [(sign or "+", _numbers(words, count)) for sign, words in found]


def show_interpolation(space: Space, codes: np.ndarray, text: str) -> Picture:
    """Return images from one picture to another: on the line, and below it on the great arc."""
    if not re.fullmatch(r"\s*\d+\s*,\s*\d+\s*", text):
        raise UserError(f"--interpolate takes two numbers of pictures, as 3,17. Received: {text!r}")
    start, end = codes[_numbers(text, len(codes))]
    cells = arithmetic.interpolation_grid(space.decode, start, end, COLUMNS)
    return Picture(cells, ("on the line", "on the arc"))


def show_traversals(space: Space, codes: np.ndarray, count: int) -> Picture:
    """Return images of the `count` latents that change picture 0 most, a row each.

    A latent goes from -3 to 3 of its standard deviations over the codes, all others staying as they are.
    """
    _at_most(space.size, "--traverse", count, "latents")
    mean, spread = codes.mean(0), np.maximum(codes.std(0), 1e-6)

    def decode(standard: np.ndarray) -> np.ndarray:
        return space.decode(standard * spread + mean)

    start = (codes[0] - mean) / spread
    latents = arithmetic.strongest(decode, start, count)
    cells = arithmetic.traversal_grid(decode, start, latents, np.linspace(-3, 3, COLUMNS).tolist())
    return Picture(cells, tuple(f"latent {latent}" for latent in latents))


def _at_most(known: int, option: str, count: int, what: str) -> None:
    if count > known:
        raise UserError(f"{option}: there are {known} {what}. Received: {count}")


def _numbers(text: str, count: int) -> list[int]:
    """Parse numbers with commas between them; UserError for one of `count` or more."""
    numbers = [int(word) for word in text.split(",")]
    if max(numbers) >= count:
        raise UserError(f"pictures are numbered from 0 to {count - 1}. Received: {max(numbers)}")
    return numbers


def _padded(images: np.ndarray, count: int) -> np.ndarray:
    """Append white pictures, so that there are `count`."""
    white: Any = np.ones((count - len(images), *images.shape[1:]), images.dtype)
    return np.concatenate([images, white])
