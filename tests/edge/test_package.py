"""The edge stays small, starts fast and needs nothing but numpy and onnxruntime."""

import statistics
import subprocess
import sys
import zlib
from pathlib import Path

import dimaging_edge

PACKAGE = Path(dimaging_edge.__file__).parent
HEAVY = ("tensorflow", "keras", "onnx", "PIL", "matplotlib", "dimaging_tf", "dimaging_export")


def _python(code: str) -> str:
    code = f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r}); {code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_imports_nothing_heavy() -> None:
    found = _python(
        "import dimaging_edge, dimaging_edge.commands.main, dimaging_edge.benchmark, dimaging_edge.commands.array_files; "
        "dimaging_edge.open_bundle; print(*{name.partition('.')[0] for name in sys.modules})"
    ).split()
    assert "dimaging_edge" in found
    assert set(HEAVY).isdisjoint(found)


def test_the_command_starts_without_numpy() -> None:
    found = _python("import dimaging_edge.commands.main; print(*sys.modules)").split()
    assert {"numpy", "onnxruntime"}.isdisjoint(found)


def test_import_costs_little_over_numpy_and_onnxruntime() -> None:
    """CPU time, which other programs do not lengthen; the median of interleaved pairs."""
    base = "import time, numpy, onnxruntime; t = time.process_time(); "
    code = base + "import dimaging_edge; dimaging_edge.open_bundle; print(time.process_time() - t)"
    cost = statistics.median(float(_python(code)) for _ in range(5))
    assert cost < 0.150


def test_size() -> None:
    files = [
        path
        for path in PACKAGE.rglob("*")
        if path.is_file()
        and path.suffix != ".pyc"
        and path.relative_to(PACKAGE).parts[0] not in ("shipped", "web")
    ]
    in_a_wheel = sum(len(zlib.compress(path.read_bytes())) for path in files)
    assert (
        in_a_wheel < 270_000
    )  # compressed, the text of a package for boards; words are not cut for bytes
    # 2 MB of it is the codec before, without its encoder: files that it wrote are read for ever.
    weights = [path for path in (PACKAGE / "shipped").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in weights) <= 11_000_000
    longest = max(len(path.read_text().splitlines()) for path in files if path.suffix == ".py")
    assert longest <= 340


def test_the_wheel_stays_below_14_megabytes() -> None:
    """All files of the three roots, compressed one by one as in a wheel."""
    root = PACKAGE.parents[1]
    roots = (root / "dimaging_tf", root / "export" / "dimaging_export", PACKAGE)
    files = [path for one in roots for path in one.rglob("*") if path.is_file()]
    sizes = [len(zlib.compress(path.read_bytes())) for path in files if path.suffix != ".pyc"]
    # 200: a name and its entry in the archive's directory. What is left to 14 MB is metadata and licences.
    assert sum(sizes) + 200 * len(sizes) <= 13.95e6


def test_version_is_the_distributions() -> None:
    import tomllib

    pyproject = PACKAGE.parents[1] / "pyproject.toml"
    assert tomllib.loads(pyproject.read_text())["project"]["version"] == dimaging_edge.__version__
