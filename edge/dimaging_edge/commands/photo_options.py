"""The options of `compress` and `decompress`, beyond those that both have."""

import argparse
from pathlib import Path

from dimaging_edge.commands.numbers import above_zero, positive
from dimaging_edge.common.errors import InputError

BACKGROUND = 4
"""The usual quality outside the mask of --roi."""
QUALITY, HALF_QUALITY = 30, 12
"""The usual quality, and that of a picture which is coded at half its width and height."""
LOSSY = (".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif")
"""The suffixes of pictures that are written with a quality."""
SAVE_QUALITY = 95
"""The usual quality of a picture that is written."""


def compress_options(one: argparse.ArgumentParser) -> None:
    """Describe what `compress` can be told: quality or a target, tiles, exact pixels, a mask."""
    target = one.add_mutually_exclusive_group()
    target.add_argument(
        "-q", "--quality", type=int, metavar="Q",
        help=f"quality from 0 (smallest file) to 63 (best picture) (default: {QUALITY}; with --half "
        f"{HALF_QUALITY}; of the preview of a file with exact pixels 0)",
    )  # fmt: skip
    target.add_argument(
        "--target-bpp",
        type=above_zero,
        metavar="BPP",
        help="most bits a pixel; the best picture within it is taken; below quality 10 (with --roi 16) "
        "--half is tried",
    )
    target.add_argument(
        "--target-psnr",
        type=above_zero,
        metavar="DB",
        help="least PSNR, in dB; the smallest file of it is taken; below quality 10 (with --roi 16) "
        "--half is tried",
    )
    one.add_argument(
        "--half",
        action="store_true",
        help="code the picture at half its width and height: files of .03 to .1 bits a pixel",
    )
    one.add_argument(
        "--tile", type=int, default=768, metavar="PX",
        help="edge of a tile, in pixels, a multiple of 32 up to 1024 (default: 768)",
    )  # fmt: skip
    one.add_argument(
        "--effort", type=int, choices=(0, 1), default=0,
        help="1: send cheaper symbols where little is lost, for a file that is smaller and a picture that "
        "is worse, by about as much (default: 0)",
    )  # fmt: skip
    exact = one.add_mutually_exclusive_group()
    exact.add_argument(
        "--lossless", action="store_const", const=0, dest="max_error",
        help="store every pixel exactly; what the file has besides is its preview",
    )  # fmt: skip
    exact.add_argument(
        "--max-error", type=int, metavar="LEVELS",
        help="store every sample of a pixel at most so many levels off, 0 to 32 (default: no bound)",
    )  # fmt: skip
    one.add_argument(
        "--roi", metavar="MASK",
        help="picture of the same size, white where bytes should go: the rest is stored at --background; "
        "a target is of the white part: its PSNR, or what is best there",
    )  # fmt: skip
    one.add_argument(
        "--background", type=int, metavar="Q",
        help=f"quality from 0 to 63 outside the mask of --roi (default: {BACKGROUND})",
    )  # fmt: skip


def check_compress(options: argparse.Namespace) -> None:
    """Raise InputError for options that do not fit, before a picture is read."""
    from dimaging_edge.photo.container import MOST_TILE, QUALITIES
    from dimaging_edge.photo.exact_chunk import check_bound

    if options.max_error is not None:
        check_bound(options.max_error)
        if (options.target_bpp, options.target_psnr, options.roi) != (None,) * 3:
            raise InputError(
                "exact pixels leave nothing to choose: drop --target-bpp, --target-psnr, --roi"
            )
    if options.half:
        if options.max_error is not None:
            raise InputError(
                "exact pixels are of the whole picture: drop --half, or --lossless and --max-error"
            )
        if (options.target_bpp, options.target_psnr) != (None, None):
            raise InputError(
                "--target-bpp and --target-psnr take half size where it is better: drop --half"
            )
    if options.tile % 32 or not 32 <= options.tile <= MOST_TILE:
        raise InputError(
            f"--tile: expected a multiple of 32 up to {MOST_TILE}, received {options.tile}"
        )
    for name in ("quality", "background"):
        given = getattr(options, name)
        if given is not None and not 0 <= given < QUALITIES:
            raise InputError(f"--{name}: expected 0 to {QUALITIES - 1}, received {given}")
    if options.roi is None:
        if options.background is not None:
            raise InputError("--background is the quality outside a mask: --roi MASK")
        return
    quality = usual_quality(options) if options.quality is None else options.quality
    background = BACKGROUND if options.background is None else options.background
    if (options.target_bpp, options.target_psnr) == (None, None) and background >= quality:
        raise InputError(
            f"--background {background} is not below --quality {quality}, so the mask would change nothing"
        )


def usual_quality(options: argparse.Namespace) -> int:
    """Return the quality of a picture for which none is given."""
    if options.max_error is not None:
        return 0
    return HALF_QUALITY if options.half else QUALITY


def decompress_options(one: argparse.ArgumentParser) -> None:
    """Describe what `decompress` can be told: damage, previews, the picture that is written."""
    one.add_argument(
        "--keep-going",
        action="store_true",
        help="show what is left of a damaged file (default: an error)",
    )
    one.add_argument(
        "--preview",
        type=int,
        choices=(1, 2),
        help="number of the rungs of detail to use (default: all three)",
    )
    one.add_argument(
        "--progressive",
        action="store_true",
        help="write OUT anew with each rung of detail, as bytes arrive (from - or a file)",
    )
    one.add_argument(
        "--save-quality", type=int, metavar="Q",
        help=f"quality of a JPEG, WebP or AVIF that is written, from 1 to 100 (default: {SAVE_QUALITY})",
    )  # fmt: skip
    one.add_argument(
        "--max-pixels", type=positive, default=1 << 27, metavar="N",
        help="most pixels of a picture; larger ones are refused (default: 134217728, 134 megapixels)",
    )  # fmt: skip


def check_decompress(options: argparse.Namespace) -> None:
    """Raise InputError for options that do not fit, before a file is read; fill in the usual quality."""
    if options.save_quality is None:
        options.save_quality = SAVE_QUALITY
        return
    if not 1 <= options.save_quality <= 100:
        raise InputError(f"--save-quality: expected 1 to 100, received {options.save_quality}")
    if Path(options.out or "").suffix.lower() not in LOSSY:
        raise InputError(
            f"--save-quality is of -o FILE with {', '.join(LOSSY)}; other pictures keep everything"
        )


def check_alone(options: argparse.Namespace, what: str) -> None:
    """Raise InputError where options of many files are given for one."""
    if options.resume or options.shard != (1, 1):
        raise InputError(f"--resume and --shard are of a folder, {what} is of one file: drop them")


def check_place(source: Path | None, out: Path, force: bool) -> None:
    """Raise InputError where the work would replace a file, unless forced; its own source never goes.

    source: None where it is standard input.
    """
    if not out.is_file():  # a device or a FIFO takes bytes and loses nothing
        return
    if source is not None and out.samefile(source):
        raise InputError("it would be replaced by its own result; choose another -o")
    if not force:
        raise InputError(f"{out} is there already; --force replaces it, -o takes another place")
