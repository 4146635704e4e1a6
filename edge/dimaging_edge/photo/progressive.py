"""A picture that is shown while its file arrives: a picture for each rung that is there, coarse to fine.

    for rungs, photo in previews(model, arriving):      # arriving yields bytes, as a socket or a file does
        show(photo)                                     # rungs 1, 2, then 3: the whole file, checked

A rung counts once it is there for every tile, so no picture shows a border between fine and coarse.
"""

from collections.abc import Iterable, Iterator

from dimaging_edge.photo.codec import decompress
from dimaging_edge.photo.container import MOST_PIXELS, RUNGS
from dimaging_edge.photo.reading import rung_ends
from dimaging_edge.photo.symbol_model import Photo, SymbolModel


def previews(
    model: SymbolModel,
    arriving: Iterable[bytes],
    *,
    workers: int = 1,
    most_pixels: int = MOST_PIXELS,
) -> Iterator[tuple[int, Photo]]:
    """Yield (number of rungs, picture) each time that more rungs have arrived, at last the whole picture.

    Rungs that arrive with one piece of bytes are shown together. CodecError where the header is none of
    ours, and at the end, as `decompress`, for a file that is damaged or was cut off.
    """
    data, shown = bytearray(), 0
    for part in arriving:
        data += part
        there = sum(end <= len(data) for end in rung_ends(data, most_pixels))
        if shown < there < len(RUNGS):
            shown = there
            photo, _ = decompress(
                model, bytes(data), keep_going=True, rungs=there, workers=workers,
                most_pixels=most_pixels,
            )  # fmt: skip
            yield there, photo
    photo, _ = decompress(model, bytes(data), workers=workers, most_pixels=most_pixels)
    yield len(RUNGS), photo
