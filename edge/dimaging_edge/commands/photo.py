"""The verbs of the photo codec: compress, decompress, and `info` of a file that they made."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing import parent_process
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dimaging_edge.commands import many
from dimaging_edge.commands.numbers import positive
from dimaging_edge.commands.photo_options import (
    BACKGROUND,
    check_alone,
    check_compress,
    check_decompress,
    check_place,
    compress_options,
    decompress_options,
    usual_quality,
)
from dimaging_edge.common.errors import DimagingError, InputError
from dimaging_edge.common.files import write_bytes
from dimaging_edge.common.output import shows_progress, tell, tell_provider
from dimaging_edge.common.stopping import begin_worker

if TYPE_CHECKING:
    from dimaging_edge.photo.bundle_model import BundleModel

SUFFIX = ".dimg"
_OPEN: dict[tuple[Any, ...], "BundleModel"] = {}
"""The models that this process has opened, by bundle, provider and threads."""


def add_verbs(verbs: Any, device: Callable[[argparse.ArgumentParser], None]) -> None:
    """Describe the verbs to the parser of `dimaging-edge`."""
    one = _verb(verbs, compress, "compress photographs with a learned codec", "photo.dimg", device)
    compress_options(one)
    one = _verb(verbs, decompress, "get compressed photographs back", "photo.png", device)
    decompress_options(one)


def _verb(verbs: Any, function: Any, text: str, out: str, device: Any) -> argparse.ArgumentParser:
    one = verbs.add_parser(function.__name__, help=text, description=text)
    one.set_defaults(verb=function)
    one.epilog = "exit code: 0 ok, 1 a file failed or came back damaged, 2 usage"
    one.add_argument(
        "inputs",
        nargs="+",
        metavar="FILE",
        help="files, folders of files, or @LIST, a file of paths; - for standard input",
    )
    one.add_argument(
        "-o", "--out", metavar="OUT",
        help=f"file to write, folder for several, or - for standard output (default: beside each, as {out})",
    )  # fmt: skip
    one.add_argument(
        "--model",
        metavar="BUNDLE",
        help="folder of a codec's bundle, or name of one that comes along, as unet_codec_msssim (default: "
        "the one for such pictures, or the one that made the file)",
    )
    one.add_argument(
        "--workers", type=positive, metavar="N",
        help="files at a time (default: one for each core); for a single file, tiles at a time (default: 1)",
    )  # fmt: skip
    one.add_argument("--force", action="store_true", help="replace files that are there already")
    many.add_options(one)
    device(one)
    return one


def compress(options: argparse.Namespace) -> int:
    """Compress pictures into files; returns 1 if any could not be compressed."""
    from dimaging_edge.photo.picture import SUFFIXES

    check_compress(options)
    return _each(options, _compress, SUFFIXES, SUFFIX)


def decompress(options: argparse.Namespace) -> int:
    """Decompress files into pictures; returns 1 if any could not be decompressed, or only in part."""
    check_decompress(options)
    if options.progressive:
        from dimaging_edge.commands.photo_progressive import show_as_it_arrives

        return show_as_it_arrives(options, _model, check_place)
    return _each(options, _decompress, (SUFFIX,), ".png")


def _compress(options: argparse.Namespace, source: Path, out: Path) -> tuple[str, int]:
    from dimaging_edge.photo import codec
    from dimaging_edge.photo.picture import SUFFIXES, read_picture, to_depth
    from dimaging_edge.photo.region import mask_of, with_region
    from dimaging_edge.photo.search import to_target

    check_place(source, out, options.force)
    if out.suffix.lower() in SUFFIXES:
        raise InputError(f"{out} would be no picture but a {SUFFIX}: -o {out.with_suffix(SUFFIX)}")
    photo = read_picture(source)
    height, width, channels = photo.image.shape
    model = _model(options, None, channels=channels, depth=8 * photo.image.itemsize)
    notes = list(photo.notes)
    bound, depth = options.max_error, 8 * photo.image.itemsize
    if depth != model.bit_depth:
        if bound is not None:
            raise InputError(
                f"the picture has {depth} bits a sample and the model {model.bit_depth}; "
                f"give a --model of {depth} bits, or drop --lossless and --max-error"
            )
        notes.append(f"as {model.bit_depth} bits")
    photo = to_depth(photo, model.bit_depth)
    region = None
    if options.roi:
        mask = mask_of(read_picture(Path(options.roi)))
        region = mask, BACKGROUND if options.background is None else options.background
    quality = usual_quality(options) if options.quality is None else options.quality
    target, half = (options.target_bpp, options.target_psnr), options.half
    if target == (None, None):
        if region:
            photo = with_region(
                model, photo, *region, tile=options.tile, half=half, workers=options.tiles
            )
        data = codec.compress(
            model, photo, quality, tile=options.tile, effort=options.effort, workers=options.tiles,
            max_error=bound, half=half,
        )  # fmt: skip
    else:
        data, quality, half = to_target(
            model, photo, bpp=target[0], decibel=target[1], tile=options.tile,
            effort=options.effort, workers=options.tiles, region=region,
        )  # fmt: skip
    write_bytes(out, data)
    rate = 8 * len(data) / (height * width)
    if len(data) > source.stat().st_size:
        notes.append(
            f"larger than {source.name}, which has {source.stat().st_size} bytes: keep that"
        )
    if bound is not None:
        notes.insert(0, f"at most {bound} levels off" if bound else "lossless")
    if half:
        notes.insert(0, "coded at half size")
    if region and quality <= region[1]:
        notes.append(f"the mask changes little: --background {region[1]} is not below this quality")
    facts = [f"{len(data)} bytes", f"{rate:.3f} bits a pixel", f"quality {quality}", *notes]
    return f"{out}: {', '.join(facts)}", 0


def _decompress(options: argparse.Namespace, source: Path, out: Path) -> tuple[str, int]:
    from dimaging_edge.photo import codec
    from dimaging_edge.photo.container import SIZE, read_header
    from dimaging_edge.photo.picture import write_picture

    if not source.exists():
        raise InputError(f"no file {source}")
    with source.open("rb") as file:
        start = file.read(SIZE)
        header, _ = read_header(start, options.max_pixels)  # or a film of 10 GB would be read first
        check_place(source, out, options.force)
        data = start + file.read()
    model = _model(options, header)
    photo, damage = codec.decompress(
        model, data, keep_going=options.keep_going, rungs=options.preview or 3,
        most_pixels=options.max_pixels, workers=options.tiles,
    )  # fmt: skip
    notes = write_picture(photo, out, options.save_quality)
    height, width, _ = photo.image.shape
    lines = [", ".join([f"{out}: {width} x {height}", *notes])]
    lines += [f"damaged: {words}" for words in damage]
    return "\n".join(lines), int(bool(damage))


def _model(options: argparse.Namespace, header: Any, **kind: int) -> "BundleModel":
    """Return the bundle asked for, or one that comes along; each is opened once."""
    from dimaging_edge.photo.bundle_model import find_bundle, open_model

    path = options.model or find_bundle(header, **kind)
    key = str(path), options.provider, options.threads
    if key not in _OPEN:
        _OPEN[key] = open_model(
            path,
            options.provider or "cpu",
            options.threads,
            allow_fallback=options.allow_fallback,
            limit_s=options.limit,
        )
        if parent_process() is None:  # of several processes, the first has told it
            used = _OPEN[key].bundle
            tell_provider(used.provider, options.provider, used.threads)
    return _OPEN[key]


def _each(options: argparse.Namespace, work: Any, suffixes: tuple[str, ...], suffix: str) -> int:
    """Do the work on every file; print a line for each, errors to stderr, a bar on a terminal."""
    if "-" in (*options.inputs, options.out):
        return _stream(options, work, suffix)
    jobs = _jobs(options, suffixes, suffix)
    if not options.resume:
        return _do(options, work, jobs, lambda source, out: None)
    if options.out is None or not Path(options.out).is_dir():
        raise InputError(
            "--resume is of a folder of results: -o OUT, and several files or a folder"
        )
    with many.journal(Path(options.out), _settings(options), options.shard) as marks:
        left = set(marks.left([source for source, _ in jobs]))
        jobs = [job for job in jobs if job[0] in left]
        options.force = True  # what has no mark is half of an earlier run's
        return _do(options, work, jobs, lambda source, out: marks.mark(source, [out]))


def _settings(options: argparse.Namespace) -> str:
    """Return what stands for the settings, and for all models that may be chosen."""
    from dimaging_edge.photo.bundle_model import SHIPPED, located, shipped

    given = options.model
    return many.digest(options, [located(given)] if given else [SHIPPED / x for x in shipped()])


def _do(
    options: argparse.Namespace, work: Any, jobs: list[tuple[Path, Path]],
    finished: Callable[[Path, Path], None],
) -> int:  # fmt: skip
    """Do the work on (source, out) of every job, and call `finished` after each that went well."""
    options.tiles = (options.workers or 1) if len(jobs) == 1 else 1
    worst = 0
    for done, (words, code) in enumerate(_results(options, work, jobs), 1):
        if not code:
            finished(*jobs[done - 1])
        _bar(done - 1, len(jobs), clear=True)
        print(
            words, file=sys.stderr if code and words.startswith("error") else sys.stdout, flush=True
        )
        worst = max(worst, code)
        _bar(done, len(jobs))
    return worst


def _stream(options: argparse.Namespace, work: Any, suffix: str) -> int:
    """Do the work on one file, from standard input or to standard output; all words go to stderr."""
    if len(options.inputs) > 1 or options.out is None:
        raise InputError(
            "- takes one file in and one -o out, such as: compress - -o - < a.png > a.dimg"
        )
    check_alone(options, "-")
    options.tiles, options.force = options.workers or 1, options.force or options.out == "-"
    with tempfile.TemporaryDirectory(prefix="dimaging-") as folder:
        source, out = Path(options.inputs[0]), Path(options.out)
        if options.inputs[0] == "-":
            source = Path(folder, "standard-input")
            source.write_bytes(sys.stdin.buffer.read())
        if options.out == "-":
            out = Path(folder, f"standard-output{suffix}")
        words, code = _attempt(work, options, source, out)
        if options.out == "-" and out.exists():
            sys.stdout.buffer.write(out.read_bytes())
    print(words.replace(f"{folder}/", ""), file=sys.stderr)
    return code


def _results(
    options: argparse.Namespace, work: Any, jobs: list[tuple[Path, Path]]
) -> Iterator[Any]:
    from dimaging_edge.bundle.session import default_threads

    workers = min(options.workers or default_threads(), len(jobs))
    if workers < 2:
        yield from (_attempt(work, options, *job) for job in jobs)
        return
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import active_children, get_context

    options.threads = options.threads or 1  # the cores are taken by files
    place = options.provider or "cpu"
    fallback = ", or the cpu where that cannot be used" if options.allow_fallback else ""
    tell(f"provider {place}{fallback}, {workers} files at a time, threads {options.threads} each")
    # spawn: onnxruntime's threads do not survive a fork
    with ProcessPoolExecutor(workers, get_context("spawn"), begin_worker) as pool:
        try:
            futures = [pool.submit(_attempt, work, _plain(options), *job) for job in jobs]
            yield from (future.result() for future in futures)
        except BrokenProcessPool:
            raise DimagingError(
                "a worker process was ended from outside, perhaps for want of memory; what is done stays. "
                "Give fewer --workers"
            ) from None
        except BaseException:
            for child in active_children():  # or one waits for files that nobody needs
                child.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _plain(options: argparse.Namespace) -> argparse.Namespace:
    """Return the options without the verb, a function that another process cannot be sent."""
    return argparse.Namespace(**{key: x for key, x in vars(options).items() if key != "verb"})


def _attempt(work: Any, options: argparse.Namespace, source: Path, out: Path) -> tuple[str, int]:
    try:
        return work(options, source, out)
    except (DimagingError, OSError) as error:
        return f"error: {source}: {error}", 1


def _jobs(
    options: argparse.Namespace, suffixes: tuple[str, ...], suffix: str
) -> list[tuple[Path, Path]]:
    """Return (source, out) for every file; InputError if there are none, or two would become one."""
    sources = many.files_of(options.inputs, suffixes, options.shard)
    several = len(options.inputs) > 1 or many.stands_for_several(options.inputs[0])
    out = Path(options.out) if options.out else None
    if out is not None and (several or options.out.endswith("/")):
        if out.is_file():
            raise InputError(f"{out} is a file, and several results need a folder: -o FOLDER")
        out.mkdir(parents=True, exist_ok=True)
    found: dict[Path, Path] = {}
    for source in sources:
        place = (out or source.parent) / f"{source.stem}{suffix}"
        if out is not None and not several and not out.is_dir():
            place = out
        if place in found:
            raise InputError(f"{found[place]} and {source} would both become {place}; rename one")
        found[place] = source
    return [(source, place) for place, source in found.items()]


def _bar(done: int, total: int, *, clear: bool = False) -> None:
    """Show a bar on a terminal if there is more than one file; with `clear` take it away."""
    if total < 2 or not shows_progress():
        return
    full = 30 * done // total
    text = "" if clear else f"[{'#' * full}{'.' * (30 - full)}] {done} of {total} files"
    end = "\n" if done == total and not clear else ""
    print(f"\r\033[K{text}", end=end, file=sys.stderr, flush=True)
