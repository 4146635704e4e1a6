"""Which loader reads a path of your own, and which options it takes.

file    .npz             arrays      images, movies, series or tokens, as the arrays are
.csv .tsv        recordings  series
.tif .webp .gif  movies      one long movie
any other        text_file   tokens
folder  of images        folder      images; with kind="movie" (and for models of movies) movies
of GIFs          movies      movies
with captions.csv    captioned_folder    images with captions
of CSV files     recordings  series
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from dimaging_tf.data.kinds import FORMS, Kind
from dimaging_tf.errors import DataError, near

if TYPE_CHECKING:
    from dimaging_tf.data.dataset import Dataset

Loader = Literal["arrays", "recordings", "movies", "text_file", "folder", "captioned_folder"]
OPTIONS: dict[Loader, tuple[str, ...]] = {
    "arrays": ("kind", "length", "seed"),
    "recordings": ("length", "seed"),
    "movies": ("length", "size", "channels", "white", "seed"),
    "text_file": ("length", "vocabulary"),
    "folder": ("size", "channels", "seed", "skip_bad", "skip_small", "cut", "white"),
    "captioned_folder": ("size", "channels", "seed", "skip_bad"),
}
"""Loader -> the options of `dimaging_tf.data.load` that it takes."""
_HOLDS: dict[Loader, tuple[Kind, ...]] = {
    "arrays": get_args(Kind), "recordings": ("series",), "movies": ("movie",),
    "text_file": ("tokens",), "folder": ("image",), "captioned_folder": ("image",),
}  # fmt: skip
_WHAT: dict[Loader, str] = {
    "arrays": "an .npz file", "recordings": "CSV files", "movies": "movies",
    "text_file": "a text file", "folder": "a folder of images",
    "captioned_folder": "a folder of images with captions",
}  # fmt: skip
_ELSEWHERE = {
    (".mp4", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv"):
        "video, which is read as frames: ffmpeg -i VIDEO FOLDER/VIDEO/%04d.png, a folder for each",
    (".npy",): "a single array, which is read from an .npz: np.savez('data.npz', x=np.load(FILE))",
    (".h5", ".hdf5", ".mat", ".pkl", ".pickle", ".pt", ".pth", ".parquet"):
        "of a kind that is not read. Save its arrays: numpy.savez_compressed('data.npz', x=x, y=y)",
    (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"):
        "an archive, which is not read. Unpack it, and give the folder",
    (".txt", ".md"): "texts; a text to learn from is one file: cat FOLDER/*.txt > all.txt",
}  # fmt: skip
"""Suffixes of files that are not read as they are -> what they are, and what mends it."""
DEFAULTS: Mapping[str, Any] = {"skip_bad": False, "skip_small": False, "cut": "patches", "seed": 0}
"""The values of options, None where not named here, with which nothing was asked for."""


def check_path(path: Path, options: Mapping[str, Any]) -> Loader:
    """Return the loader of a path. DataError for an option, or a kind, that it does not have.

    Nothing is opened.
    """
    kind = options.get("kind")
    _check_kind_name(kind)
    if path.is_dir() and not any(path.iterdir()):
        raise DataError(f"{path} is an empty folder; expected images, movies, or CSV files in it")
    _check_form(path)
    loader = loader_of(path, kind)
    if kind is not None and kind not in _HOLDS[loader]:
        held = " or ".join(str(FORMS[one]) for one in _HOLDS[loader])
        raise DataError(
            f"{path} is {_WHAT[loader]} and holds {held}; it cannot be read as {FORMS[kind]}"
        )
    known = (*OPTIONS[loader], "seed", "kind")
    given = {name for name, value in options.items() if value != DEFAULTS.get(name)}
    if strange := sorted(given - set(known)):
        named = ", ".join(f"{name}= (--{name.replace('_', '-')})" for name in strange)
        raise DataError(
            f"{path} is {_WHAT[loader]}, which has no {named}; it takes {', '.join(OPTIONS[loader])}"
        )
    if options.get("cut", "patches") not in ("patches", "resize"):
        raise DataError(f"cut is 'patches' or 'resize'; received {options['cut']!r}")
    return loader


def load_path(path: Path, options: Mapping[str, Any]) -> "Dataset":
    """Load the data of a file or folder. DataError as for `check_path`, and for damaged data."""
    loader = check_path(path, options)
    chosen = {name: options[name] for name in OPTIONS[loader] if name in options}
    match loader:
        case "arrays":
            from dimaging_tf.data.arrays import load_arrays as load
        case "recordings":
            from dimaging_tf.data.recordings import load_recordings as load
        case "movies":
            from dimaging_tf.data.movies import load_movies as load
        case "text_file":
            from dimaging_tf.data.text_file import load_text as load
        case "folder":
            from dimaging_tf.data.folder import load_folder as load
        case "captioned_folder":
            from dimaging_tf.data.captioned_folder import load_captioned_folder as load
    return load(path, **chosen)


def _check_form(path: Path) -> None:
    """DataError for files that are never read, with what is read instead; in a folder of nothing else too."""
    if path.is_file() and path.name == "captions.csv":
        raise DataError(f"{path} says what photographs show; give the folder: {path.parent}")
    files = [path] if path.is_file() else path.rglob("*")
    found = Counter(file.suffix.lower() for file in files if not file.name.startswith("."))
    del found[""]
    for strange, mend in _ELSEWHERE.items():
        texts = strange == (".txt", ".md")  # one is read as it is; beside nothing else it is a note
        if found and set(found) <= set(strange) and (not texts or found.total() > 1):
            raise DataError(f"{path} {'is' if path.is_file() else 'holds'} {mend}")


def _check_kind_name(kind: str | None) -> None:
    if kind is not None and kind not in FORMS:
        raise DataError(f"unknown kind {kind!r}; {near(kind, FORMS)}")


def kinds_of(path: Path, kind: Kind | None = None) -> tuple[Kind, ...]:
    """Return the kinds that the data of a path may be of, from its name; nothing is opened.

    DataError for a kind of another name, and for files that are never read, such as video.
    """
    _check_kind_name(kind)
    _check_form(path)
    held = _HOLDS[loader_of(path, kind)]
    return held if kind is None or kind not in held else (kind,)


def loader_of(path: Path, kind: Kind | None = None) -> Loader:
    """Return the loader of a path by its suffix, or by the suffixes of the files in a folder."""
    suffix = path.suffix.lower()
    if path.is_file():
        by_suffix: dict[str, Loader] = {
            ".npz": "arrays", ".csv": "recordings", ".tsv": "recordings", ".tif": "movies",
            ".tiff": "movies", ".webp": "movies", ".gif": "movies",
        }  # fmt: skip
        if suffix in _STILLS:
            return "folder"  # which says that it expects a folder
        return by_suffix.get(suffix, "text_file")
    if kind == "movie":
        return "movies"
    if (path / "captions.csv").is_file():
        return "captioned_folder"
    found = {file.suffix.lower() for file in path.rglob("*") if not file.name.startswith(".")}
    if found & {*_STILLS, ".tif", ".tiff", ".webp"}:
        return "folder"
    if ".gif" in found:
        return "movies"
    return "recordings" if found & {".csv", ".tsv"} else "folder"


_STILLS = (".png", ".jpg", ".jpeg", ".bmp")
