"""A bundle is either whole or not there: written beside its place, then moved into it."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dimaging_edge import schema
from dimaging_export.errors import ExportError


def check_place(out: Path, force: bool) -> None:
    """Refuse a place that is taken, before an hour of work rather than after it."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / "bundle.json").exists():
        raise ExportError(
            f"{out} exists and is no bundle, so it is not replaced; choose another folder"
        )
    if not force:
        raise ExportError(
            f"{out} holds a bundle already; replace it with force=True (dimaging export --force)"
        )


@contextmanager
def new_bundle(out: Path, force: bool) -> Iterator[Path]:
    """Yield an empty folder beside `out`; it becomes `out` at the end, or is gone after an error.

    A bundle that was there stays until the new one is complete. OSError (read-only, disk full) becomes
    ExportError with the reason.
    """
    missing = [folder for folder in out.parents if not folder.exists()]  # deepest first
    work = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        bundle = work / "bundle"
        bundle.mkdir()
        yield bundle
        check_place(out, force)
        if out.exists():
            out.rename(work / "replaced")
        try:
            bundle.rename(out)
        except OSError:
            if (work / "replaced").exists():
                (work / "replaced").rename(out)
            raise
    except OSError as error:
        raise ExportError(
            f"cannot write the bundle {out}: {error.strerror or error}; nothing was left"
        ) from error
    finally:
        if work is not None:
            shutil.rmtree(work, ignore_errors=True)
        for folder in missing:
            if folder.exists() and not any(folder.iterdir()):
                folder.rmdir()


def file_entry(path: Path) -> schema.File:
    """Size and SHA-256 of a written file."""
    return schema.File(hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)
