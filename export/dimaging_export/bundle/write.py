"""Writing a bundle so that it is either whole or not there: beside its place, then moved into it."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dimaging_edge.bundle import schema
from dimaging_edge.bundle.identity import EXAMPLES, with_seal
from dimaging_edge.common.files import leftovers, temporary_folder
from dimaging_edge.common.locks import sole_writer

from dimaging_export.errors import ExportError

REPLACED = "replaced"
"""The folder in which an export keeps the bundle that it replaces, for the moment between two renames."""


def check_place(out: Path, force: bool) -> None:
    """Raise ExportError for a place that is taken, before the work rather than after it."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / "bundle.json").is_file():
        raise ExportError(f"{out} exists and is no bundle, so it stays; choose another folder")
    if not force:
        raise ExportError(
            f"{out} holds a bundle already; replace it with force=True (dimaging export --force)"
        )


@contextmanager
def new_bundle(out: Path, force: bool) -> Iterator[Path]:
    """Yield an empty folder beside `out`; it becomes `out` at the end, or is gone after an error.

    A bundle that was there stays until the new one is complete. A symbolic link stays, and the bundle that it
    points to is replaced. What a killed export of this name left is removed first. ExportError while another
    process writes this bundle, and for an OSError (read-only, disk full), with the reason.
    """
    place = Path(os.path.realpath(out)) if out.is_symlink() else out
    missing = [folder for folder in place.parents if not folder.exists()]  # the deepest first
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with sole_writer(out, place.with_name(f".{place.name}.dimaging-lock")):
            _restore(place)
            with temporary_folder(place) as work:
                bundle = work / "bundle"
                bundle.mkdir()
                yield bundle
                check_place(place, force)
                _exchange(bundle, place, work / REPLACED)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ExportError(f"cannot write the bundle {out}: {reason}. Nothing was left") from error
    finally:
        for folder in missing:
            if folder.exists() and not any(folder.iterdir()):
                folder.rmdir()


def _exchange(bundle: Path, place: Path, replaced: Path) -> None:
    """Move a bundle to its place; what was there comes back if that fails."""
    try:
        if place.exists():
            place.rename(replaced)
        bundle.rename(place)
    except BaseException:
        if replaced.exists() and not place.exists():
            replaced.rename(place)
        raise


def _restore(place: Path) -> None:
    """Bring back the bundle that an export killed between its two renames had moved away."""
    if place.exists():
        return
    for work in leftovers(place.parent, of=place):
        if (work / REPLACED).is_dir():
            (work / REPLACED).rename(place)
            return


def seal_graphs(
    folder: Path, model_id: str, graphs: Mapping[str, schema.Graph]
) -> dict[str, schema.File]:
    """Seal every graph of a bundle whose other files are written: see `dimaging_edge.bundle.identity`.

    Returns size and SHA-256 of every file, by name; each is read once, for the weights may be gigabytes.
    """
    files = {graph.file for graph in graphs.values()} | {EXAMPLES}
    entries = {p.name: file_entry(p) for p in folder.iterdir() if p.name not in files}
    tables = {name: entry.sha256 for name, entry in entries.items()}
    for name, graph in graphs.items():
        path = folder / graph.file
        path.write_bytes(with_seal(path.read_bytes(), model_id, name, tables))
    entries |= {name: file_entry(folder / name) for name in files}
    return dict(sorted(entries.items()))


def file_entry(path: Path) -> schema.File:
    """Return size and SHA-256 of a written file."""
    with path.open("rb") as file:
        return schema.File(hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)
