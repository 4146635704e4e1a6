"""Folders and lists of millions of files: the share of one machine, and what is done already.

A mark is a line in OUT/.dimaging-done-K-of-N.jsonl for each finished file: size and time of its source, a
digest of the settings and of the model that made it, and the sizes of what was written. It is written after
the results, which appear whole or not at all. So a file is done only if its source, its settings and its
results are the same.
"""

import argparse
import json
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, TextIO

from dimaging_edge.common.errors import DimagingError, InputError
from dimaging_edge.common.locks import sole_writer
from dimaging_edge.common.output import tell
from dimaging_edge.common.version import __version__

PASSED_OVER = (
    "inputs",
    "out",
    "workers",
    "force",
    "threads",
    "verb",
    "shard",
    "resume",
    "quiet",
    "verbose",
    "image",
    "input",
)
"""Options that change where, or how fast, and not what is made of a file."""


def add_options(one: argparse.ArgumentParser) -> None:
    """Describe --shard and --resume."""
    one.add_argument(
        "--shard", type=shard, default=(1, 1), metavar="K/N",
        help="work on the K-th of N shares of the files, by their names: one share a machine (default: 1/1)",
    )  # fmt: skip
    one.add_argument(
        "--resume", action="store_true",
        help="of a folder: leave out what an earlier run with the same settings has finished in OUT; give it "
        "from the first run on",
    )  # fmt: skip


def shard(text: str) -> tuple[int, int]:
    """Read "3/16" as (3, 16)."""
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"expected K/N, such as 3/16, received {text}")
    return int(part), int(parts)


def files_of(inputs: Iterable[str], suffixes: Sequence[str], share: tuple[int, int]) -> list[Path]:
    """Return the files of paths, of folders and of @LIST, a file of paths, that are in this share.

    InputError where there are none in any share.
    """
    found: list[Path] = []
    for word in inputs:
        listed = [Path(word)]
        if _is_list(word):
            listed = [Path(line) for line in _lines(Path(word[1:])) if line.strip()]
        for path in listed:
            inside = sorted(path.iterdir()) if path.is_dir() else [path]
            found += [p for p in inside if not path.is_dir() or p.suffix.lower() in suffixes]
    if not found:
        raise InputError(f"no files with {', '.join(suffixes)} in {', '.join(inputs)}")
    part, parts = share
    # By stems: two files that would become one meet in one share, where that is refused.
    mine = [p for p in found if zlib.crc32(os.fsencode(p.stem)) % parts == part - 1]
    if not mine:
        tell(f"note: none of {len(found)} files is in share {part}/{parts}")
    return mine


def stands_for_several(word: str) -> bool:
    """Return whether an input is a folder or @LIST, and not one file."""
    return Path(word).is_dir() or _is_list(word)


def _is_list(word: str) -> bool:
    return word.startswith("@") and not Path(word).exists()


def check_stems(sources: Sequence[Path]) -> None:
    """Raise InputError where two files would be written to one place."""
    found: dict[str, Path] = {}
    for source in sources:
        if source.stem in found:
            raise InputError(
                f"{found[source.stem]} and {source} would both become {source.stem}; rename one"
            )
        found[source.stem] = source


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the list {path} cannot be read: {error}") from None


def digest(options: argparse.Namespace, models: Iterable[Path], **more: str) -> str:
    """Return what stands for the settings, `more` of them, and the models.

    A model's bundle.json names every byte of it. A setting that is a file counts with its size and time.
    """
    given = {key: value for key, value in vars(options).items() if key not in PASSED_OVER} | more
    facts = {
        key: [str(value), _stamp(Path(value)) if isinstance(value, str) else None]
        for key, value in sorted(given.items())
    }
    sums = [zlib.crc32((model / "bundle.json").read_bytes()) for model in models]
    return f"{zlib.crc32(json.dumps([__version__, facts, sums]).encode()):08x}"


class Journal:
    """The marks of a folder."""

    def __init__(self, out: Path, settings: str, file: TextIO):
        self.out, self.settings, self._file = out, settings, file
        rows = [row for path in sorted(out.glob(".dimaging-done-*.jsonl")) for row in _rows(path)]
        self._marks = {row["source"]: row for row in rows}

        self._stamps: dict[Path, list[int] | None] = {}

    def left(self, sources: Sequence[Path]) -> list[Path]:
        """Return the sources whose results are not there, or not of these settings; tell of the others."""
        self._stamps = {source: _stamp(source) for source in sources}
        found = [source for source in sources if not self._done(source)]
        if len(found) < len(sources):
            tell(f"note: {len(sources) - len(found)} of {len(sources)} files are done already")
        return found

    def _done(self, source: Path) -> bool:
        mark = self._marks.get(str(source))
        if mark is None or (mark["of"], mark["settings"]) != (self._stamps[source], self.settings):
            return False
        return all(_size(self.out / name) == size for name, size in mark["made"].items())

    def mark(self, source: Path, made: Iterable[Path]) -> None:
        """Write that `made` are the results of a source as it was when `left` returned it."""
        row = {
            "source": str(source),
            "of": self._stamps[source],
            "settings": self.settings,
            "made": {str(path.relative_to(self.out)): _size(path) for path in made},
        }
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()


@contextmanager
def journal(out: Path, settings: str, share: tuple[int, int]) -> Iterator[Journal]:
    """Open the marks of a folder for this share; InputError for a folder of other files than such results."""
    out.mkdir(parents=True, exist_ok=True)
    name = f".dimaging-done-{share[0]}-of-{share[1]}"
    if any(out.iterdir()) and not list(out.glob(".dimaging-done-*")):
        raise InputError(
            f"{out} holds files and no marks of an earlier --resume; choose an empty folder, or leave it out"
        )
    with (
        sole_writer(out, out / f"{name}.lock"),
        (out / f"{name}.jsonl").open("a", encoding="utf-8") as file,
    ):
        file.write("\n" if file.tell() else "")  # the last line of a killed run may be a half
        yield Journal(out, settings, file)


def each(
    options: argparse.Namespace, sources: Sequence[Path], settings: str,
    work: Callable[[Path, Path], list[Path]],
) -> int:  # fmt: skip
    """Do work(source, out) -> files on each source, into the folder options.out; return 1 if any failed."""
    out, failed = Path(options.out), 0
    with journal(out, settings, options.shard) if options.resume else nullcontext() as marks:
        for source in marks.left(sources) if marks else sources:
            try:
                made = work(source, out)
            except (DimagingError, OSError) as error:
                print(f"error: {source}: {error}", file=sys.stderr)
                failed = 1
                continue
            if marks:
                marks.mark(source, made)
    return failed


def _rows(path: Path) -> list[dict[str, Any]]:
    """Return the marks of a file; a half line, left by a kill, is none."""
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with suppress(ValueError):
            rows.append(json.loads(line))
    return rows


def _stamp(path: Path) -> list[int] | None:
    """Return size and time of a file; None where there is none."""
    if not path.is_file():
        return None
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None
