"""Writing a bundle so that it is either whole or not there: beside its place, then moved into it."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dimaging_edge.bundle import schema

from dimaging_export.errors import ExportError


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

    A bundle that was there stays until the new one is complete. An OSError (read-only, disk full)
    becomes an ExportError with the reason.
    """
    missing = [folder for folder in out.parents if not folder.exists()]  # the deepest first
    work = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        bundle, replaced = work / "bundle", work / "replaced"
        bundle.mkdir()
        yield bundle
        check_place(out, force)
        if out.exists():
            out.rename(replaced)
        try:
            bundle.rename(out)
        except OSError:
            if replaced.exists():
                replaced.rename(out)
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise ExportError(f"cannot write the bundle {out}: {reason}. Nothing was left") from error
    finally:
        if work is not None:
            shutil.rmtree(work, ignore_errors=True)
        for folder in missing:
            if folder.exists() and not any(folder.iterdir()):
                folder.rmdir()


def file_entry(path: Path) -> schema.File:
    """Return size and SHA-256 of a written file."""
    return schema.File(hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)
