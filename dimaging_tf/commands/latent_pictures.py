"""The pictures of `dimaging sample --reconstruct`, `--attribute`, `--analogy`, `--interpolate`, `--traverse`.

Pictures are numbered from 0: the validation images where the model has an encoder, else what
`dimaging sample` draws with the same seed, in reading order. All functions return cells
[rows, columns, h, w, C] in [0, 1] for `plots.save_grid`.
"""

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from dimaging_tf.data.dataset import Dataset, to_float
from dimaging_tf.errors import DataError, UserError
from dimaging_tf.evaluation import metrics
from dimaging_tf.latent import arithmetic as latent
from dimaging_tf.latent.faces import glasses_vector
from dimaging_tf.latent.space import Space, open_space

COLUMNS = 8
INVERTED = 64
"""Images on each side of an attribute where each must be inverted, which takes a while."""
GLASSES = ("faces", "olivetti", "avatars")
"""Data sets whose label 1 is: wears glasses."""


def asked(
    model: Any, settings: Any, *, seed: int = 0, label: int | None = None, scale: float = 1.0,
    reconstruct: int | None = None, attribute: str | None = None, analogy: str | None = None,
    interpolate: str | None = None, traverse: int | None = None, say: Callable[[str], Any] = print,
) -> np.ndarray:  # fmt: skip
    """The one picture that is asked for, of a model and the `runs.Settings` that trained it.

    label    the class that a conditional generator draws
    say      takes the figures of a reconstruction
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
        return reconstructed(space, load_data(settings), reconstruct, say, seed)
    if attribute is not None:
        return edited(space, load_data(settings), attribute, scale, settings.seed)
    codes = numbered(space, load_data(settings) if space.has_encoder else None, seed)
    if analogy is not None:
        return analogous(space, codes, analogy)
    if interpolate is not None:
        return interpolated(space, codes, interpolate)
    return traversed(space, codes, traverse or 1)


def reconstructed(
    space: Space, dataset: Dataset, count: int, say: Callable[[str], Any] = print, seed: int = 0
) -> np.ndarray:
    """Validation images, below them what their codes decode to; of a model without an encoder, whose
    codes are searched for, the same for pictures that it drew itself: those have a code.
    """
    index = np.linspace(0, len(dataset.valid) - 1, min(count, len(dataset.valid))).astype(int)
    sets = {f"images of {dataset.name}": to_float(dataset.valid.x[index])}
    if not space.has_encoder:
        sets["its own pictures"] = space.decode(space.draw(count, seed + 1))
    rows = []
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
    return np.stack(rows)


def edited(space: Space, dataset: Dataset, attribute: str, scale: float, seed: int) -> np.ndarray:
    """Validation images without the attribute: as they are, reconstructed, with it; then the reverse.

    The vector is the mean difference of the training images' codes, that of `latent_faces` for
    glasses. DataError where no training image has the attribute, or all have it.
    """
    has, valid_has = (having(dataset, attribute, seed, stream) for stream in range(2))
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
        vector = latent.attribute_vector(space.encode(image), has[index])
    rows = []
    for wearing, sign in ((False, 1.0), (True, -1.0)):
        chosen = np.where(valid_has == wearing)[0]
        if not len(chosen):
            continue
        chosen = chosen[np.linspace(0, len(chosen) - 1, min(COLUMNS, len(chosen))).astype(int)]
        image = to_float(dataset.valid.x[chosen])
        both = latent.attribute_grid(space.decode, space.encode(image), vector, (0, sign * scale))
        rows += [_padded(row, COLUMNS) for row in (image, *both)]
    return np.stack(rows)


def having(dataset: Dataset, attribute: str, seed: int = 0, stream: int = 0) -> np.ndarray:
    """Which images have the attribute, bool [N]: of train (stream 0) or valid (stream 1).

    attribute    "glasses" of faces, olivetti and avatars; "beard" or "hair=bun" of avatars; or a
                 label, such as "7"
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


def numbered(space: Space, dataset: Dataset | None, seed: int) -> np.ndarray:
    """Codes of the numbered pictures: of the validation images, or 64 drawn ones."""
    if space.has_encoder and dataset is not None:
        return space.encode(to_float(dataset.valid.x))
    return space.draw(64, seed)


def analogous(space: Space, codes: np.ndarray, text: str) -> np.ndarray:
    """A row for each term, its exemplars and at the end their mean; at the very end the result."""
    terms = parse_analogy(text, len(codes))
    width = 1 + max(len(numbers) for _, numbers in terms)
    groups = {sign: [codes[n] for s, n in terms if s == sign] for sign in "+-"}
    answer = latent.analogy(groups["+"], groups["-"])
    rows = []
    for _, numbers in terms:
        shown = space.decode(np.concatenate([codes[numbers], codes[numbers].mean(0)[None]]))
        rows.append(np.concatenate([_padded(shown[:-1], width - 1), shown[-1:]]))
    found = space.decode(answer[None])
    rows.append(np.concatenate([np.ones_like(rows[0][:-1]), found]))
    return np.stack(rows)


def parse_analogy(text: str, count: int) -> list[tuple[str, list[int]]]:
    """As "3,7 - 1 + 20,21" -> [("+", [3, 7]), ("-", [1]), ("+", [20, 21])]."""
    number = r"\s*\d+\s*"
    term = rf"{number}(?:,{number})*"
    if not re.fullmatch(rf"{term}(?:[+-]{term})*", text):
        raise UserError(
            "--analogy takes numbers of pictures, such as '3,7,12 - 1,5 + 20,21': the mean of three, "
            f"less that of two, and so on. Received: {text!r}"
        )
    found = re.findall(rf"([+-]?)({term})", text)
    return [(sign or "+", _numbers(words, count)) for sign, words in found]


def interpolated(space: Space, codes: np.ndarray, text: str) -> np.ndarray:
    """From one picture to another: on the line, and below it on the arc."""
    if not re.fullmatch(r"\s*\d+\s*,\s*\d+\s*", text):
        raise UserError(f"--interpolate takes two numbers of pictures, as 3,17. Received: {text!r}")
    start, end = codes[_numbers(text, len(codes))]
    return latent.interpolation_grid(space.decode, start, end, COLUMNS)


def traversed(space: Space, codes: np.ndarray, count: int) -> np.ndarray:
    """The latents that change picture 0 most, a row each, from -3 to 3 standard deviations."""
    mean, spread = codes.mean(0), np.maximum(codes.std(0), 1e-6)

    def decode(standard: np.ndarray) -> np.ndarray:
        return space.decode(standard * spread + mean)

    start = (codes[0] - mean) / spread
    latents = latent.strongest(decode, start, min(count, space.size))
    return latent.traversal_grid(decode, start, latents, np.linspace(-3, 3, COLUMNS).tolist())


def _numbers(text: str, count: int) -> list[int]:
    numbers = [int(word) for word in text.split(",")]
    if max(numbers) >= count:
        raise UserError(f"pictures are numbered from 0 to {count - 1}. Received: {max(numbers)}")
    return numbers


def _padded(images: np.ndarray, count: int) -> np.ndarray:
    """White pictures behind them, `count` in all."""
    white: Any = np.ones((count - len(images), *images.shape[1:]), images.dtype)
    return np.concatenate([images, white])
