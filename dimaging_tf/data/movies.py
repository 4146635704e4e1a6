"""Movies of your own: multi-page TIFF, animated WebP or GIF, and folders of numbered frames.

    folder/NAME.tif  NAME.webp  NAME.gif     a movie each, without labels
    folder/NAME/frame_0001.png ...           a folder of images is one movie, in the order of their numbers
    folder/CLASS/NAME.tif, CLASS/NAME/...    its label is the number of its folder, in alphabetical order
    NAME.tif, or a folder of frames          one long movie: its last tenth is valid; `length` cuts it

x [N, T, H, W, 1 or 3] uint8 or uint16. All movies have the same size (or `size` resamples their central
squares), the same rate where the files say it, and, unless `length` cuts them, as many frames. If a single
one has 16 bits all become 16-bit, if a single one is coloured all become RGB (channels=1 makes all grey).
Sizes are read from the headers of all files, and checked, before any frame is decoded.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dimaging_tf.data import images, own
from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.data.frames import Film, find_films, read_film
from dimaging_tf.errors import DataError


def load_movies(
    path: str | Path,
    *,
    length: int | None = None,
    size: int | None = None,
    channels: int | None = None,
    white: int | None = None,
    seed: int = 0,
) -> Dataset:
    """Movies [N, T, H, W, C] of a folder or a file, as this module's docstring says.

    length: frames of an example; longer movies are cut into pieces. size: side in pixels that the central
    squares are resampled to. white: full scale of 16-bit files of fewer bits. A tenth of the movies, chosen
    by `seed` and their names, is valid. DataError for what is damaged, too large, or does not go together.
    """
    path = Path(path).expanduser()
    films = find_films(path)
    for film in films:
        own.check_bytes(film.path, film.bytes)
    squares = sum(film.frames * size**2 * film.pixel_bytes for film in films) if size else 0
    own.check_bytes(path, squares or sum(film.bytes for film in films))
    _check_sizes({film.path: (film.height, film.width) for film in films}, size)
    if len(films) > 1:
        own.check_lengths({str(film.path): film.frames for film in films}, length, "frames")
    elif length is None:
        raise DataError(
            f"{films[0].path} is a single movie of {films[0].frames} frames; expected length= (--length), "
            "the frames of one example, or a folder of movies"
        )
    read = {film.path: _read(film, size, white) for film in films}
    rate = _one_rate({name: found for name, (_, found) in read.items()})
    arrays = [array for array, _ in read.values()]
    _check_sizes(
        {name: array.shape[1:3] for name, (array, _) in read.items()}, size
    )  # as turned by EXIF
    deep = any(array.dtype == np.uint16 for array in arrays)
    depth = max(array.shape[-1] for array in arrays) if channels is None else channels
    arrays = [images.to_channels(images.to_uint16(x) if deep else x, depth) for x in arrays]
    labels, classes = None, ()
    if len(films) == 1:
        train, valid = (
            Split(x, kind="movie") for x in own.parts_in_time(arrays[0], length or 1, path)
        )
    else:
        names = [film.path.relative_to(path) for film in films]
        labels, classes = own.classes_of(names, path)
        chosen = own.valid_names(names, seed)
        sides = [
            [k for k, name in enumerate(names) if (name in chosen) == side]
            for side in (False, True)
        ]
        train, valid = (
            _join([arrays[k] for k in side], None if labels is None else labels[side], length)
            for side in sides
        )
    return Dataset(
        name=path.resolve().name,
        train=train,
        valid=valid,
        licence=own.LICENCE,
        source=str(path),
        summary=f"{len(films)} movie(s) in examples of {' x '.join(map(str, train.x.shape[1:4]))}"
        + ("" if rate is None else f" at {rate:g} frames a second"),
        classes=classes,
        rate=rate,
    )


def _check_sizes(sizes: Mapping[Path, tuple[int, ...]], size: int | None) -> None:
    """DataError where heights or widths differ and no common size is asked for."""
    (first, like), *others = sizes.items()
    for name, one in others:
        if size is None and one != like:
            raise DataError(
                f"{name} has frames of {one[0]} x {one[1]}, {first} of {like[0]} x {like[1]}; expected one "
                "size (or size=, --size: the central squares are resampled)"
            )


def _one_rate(rates: Mapping[Path, float | None]) -> float | None:
    """Return the rate of those that say it; DataError where they differ."""
    known = [(name, rate) for name, rate in rates.items() if rate is not None]
    for name, rate in known:
        first, like = known[0]
        if rate != like:
            raise DataError(
                f"{name} has {rate:g} frames a second, {first} has {like:g}; expected one rate"
            )
    return known[0][1] if known else None


def _read(film: Film, size: int | None, white: int | None) -> tuple[np.ndarray, float | None]:
    """Return the frames of one movie, [T, H, W, 1 or 3] uint8 or uint16, and its rate."""
    frames, rate = read_film(film)
    if white and frames.dtype == np.uint16:
        frames = images.stretch(frames, white)
    if size is not None:
        frames = np.stack([images.centre_square(frame, size) for frame in frames])
    return frames, rate


def _join(arrays: list[np.ndarray], labels: np.ndarray | None, length: int | None) -> Split:
    pieces = [own.cut(array[None], length) for array in arrays]
    return Split(
        np.concatenate(pieces),
        None if labels is None else np.repeat(labels, [len(piece) for piece in pieces]),
        kind="movie",
    )
