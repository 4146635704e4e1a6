"""A picture that is shown while its file arrives: a picture for each rung that is there, coarse to fine.

    for rungs, photo, damage in previews(model, arriving):  # arriving yields bytes, as a socket does
        show(photo)  # rungs 1, 2, then 3: the whole file, checked

A rung counts once it is there for every tile, so no picture shows a border between fine and coarse.
"""

from collections.abc import Iterable, Iterator

from dimaging_edge.photo.codec import decompress
from dimaging_edge.photo.container import MOST_PIXELS, RUNGS, SIZE, read_header
from dimaging_edge.photo.reading import rung_ends
from dimaging_edge.photo.symbol_model import Photo, SymbolModel


def previews(
    model: SymbolModel,
    arriving: Iterable[bytes],
    *,
    keep_going: bool = False,
    workers: int = 1,
    most_pixels: int = MOST_PIXELS,
) -> Iterator[tuple[int, Photo, list[str]]]:
    """Yield (number of rungs, picture, damage) each time that more rungs have arrived, at last the whole.

    Rungs that arrive with one piece of bytes are shown together. `damage` is as of `decompress`, [] before
    the last. CodecError where the header is none of ours, and at the end, as `decompress`, for a file that
    is damaged or was cut off. Nothing is read beyond the size in the header.
    """
    data, shown, at = bytearray(), 0, SIZE
    ends: list[int] = []
    size: int | None = None
    for part in arriving:
        data += part
        if size is None and len(data) >= SIZE:
            size = read_header(bytes(data[:SIZE]), most_pixels)[1]
        if size is not None and len(data) > size:
            break
        if not ends:
            ends, at = rung_ends(data, most_pixels, at)
        there = sum(end <= len(data) for end in ends)
        if shown < there < len(RUNGS):
            shown = there
            photo, _ = decompress(
                model, bytes(data), keep_going=True, rungs=there, workers=workers,
                most_pixels=most_pixels,
            )  # fmt: skip
            yield there, photo, []
    photo, damage = decompress(
        model, bytes(data), keep_going=keep_going, workers=workers, most_pixels=most_pixels
    )
    yield len(RUNGS), photo, damage
