"""`decompress --progressive`: the picture is written anew with each rung of detail, as its bytes arrive."""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from dimaging_edge.commands.photo_options import check_alone
from dimaging_edge.common.errors import CodecError, InputError

if TYPE_CHECKING:
    from dimaging_edge.photo.bundle_model import BundleModel
    from dimaging_edge.photo.container import Header

_PIECE = 1 << 14
"""The most bytes that are taken at once."""


def show_as_it_arrives(
    options: argparse.Namespace,
    model_of: Callable[[argparse.Namespace, "Header"], "BundleModel"],
    check_place: Callable[[Path | None, Path, bool], None],
) -> int:
    """Write OUT with one rung, with two and with all of them, a line for each; returns 0, or 1 for damage.

    InputError unless there is one input and a file to write, and for --preview; CodecError as `decompress`.
    """
    from dimaging_edge.photo.container import SIZE, read_header
    from dimaging_edge.photo.picture import write_picture
    from dimaging_edge.photo.progressive import previews

    if len(options.inputs) != 1 or options.out in (None, "-") or Path(options.out).is_dir():
        raise InputError(
            "--progressive takes one file, or - for standard input, and -o FILE for the picture, such as: "
            "decompress - --progressive -o photo.png < photo.dimg"
        )
    check_alone(options, "--progressive")
    if options.preview is not None:
        raise InputError(
            "--progressive shows every rung of detail, --preview the first alone: drop one"
        )
    source, out = options.inputs[0], Path(options.out)
    if source != "-" and not Path(source).is_file():
        raise InputError(f"no file {source}")
    check_place(None if source == "-" else Path(source), out, options.force)
    code = 0
    with nullcontext(sys.stdin.buffer) if source == "-" else Path(source).open("rb") as file:
        pieces = _pieces(file)
        start = b""
        while len(start) < SIZE:
            piece = next(pieces, b"")
            if not piece:
                raise CodecError(f"the file is truncated: {len(start)} bytes are no whole header")
            start += piece
        model = model_of(options, read_header(start[:SIZE], options.max_pixels)[0])
        arriving = _after(start, pieces)
        for rungs, photo, damage in previews(
            model, arriving, keep_going=options.keep_going, workers=options.workers or 1,
            most_pixels=options.max_pixels,
        ):  # fmt: skip
            notes = write_picture(photo, out, options.save_quality)
            print(", ".join([f"{out}: {rungs} of 3 rungs", *notes]), flush=True)
            for words in damage:
                print(f"damaged: {words}")
            code = int(bool(damage))
    return code


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """Yield bytes as soon as some are there."""
    read = getattr(file, "read1", file.read)
    while piece := read(_PIECE):
        yield piece


def _after(start: bytes, pieces: Iterable[bytes]) -> Iterator[bytes]:
    yield start
    yield from pieces
