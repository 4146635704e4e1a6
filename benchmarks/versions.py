"""Do the tests pass with the oldest and with the newest packages that the metadata allows?

    python benchmarks/versions.py oldest        a new environment, then pytest; needs uv (pip install uv)
    python benchmarks/versions.py newest --python 3.13 tests/edge tests/export
    python benchmarks/versions.py newest --python 3.14 --edge       for Pythons that TensorFlow has no wheels for

"oldest" resolves what pyproject.toml names to its lower bounds, "newest" everything to the last release. The result
is benchmarks/results/versions_oldest.json, versions_newest_3.13.json, ...: versions, and how many tests passed.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from parts import figures

ROOT = Path(__file__).parents[1]
RESOLUTIONS = {"oldest": "lowest-direct", "newest": "highest"}
SHOWN = (
    "tensorflow",
    "keras",
    "numpy",
    "onnx",
    "onnxruntime",
    "tf2onnx",
    "pillow",
    "typer",
    "scikit-learn",
)
TESTS = ["tests/edge", "tests/export"]
QUICK = ["tests/edge/common"]
EDGE = [
    "tests/edge",
    "--ignore",
    "tests/edge/attacks",
    "--ignore",
    "tests/edge/robustness/test_robustness.py",
]
"""Tests of the edge that need no Keras to make what they run."""
ALONE = (
    "pytest>=8.3",
    "pytest-xdist>=3.8",
    "hypothesis>=6.120",
    "onnx>=1.17",
    "pillow>=12.3",
    "tifffile>=2024.8",
)
"""What those tests need besides the extra `cpu`."""


def main() -> int:
    """Make the environment, run the tests, write the result."""
    p = figures.parser("versions", __doc__)
    p.add_argument("which", nargs="?", choices=RESOLUTIONS, default="newest")
    p.add_argument("tests", nargs="*", help=f"what pytest runs (default: {' '.join(TESTS)})")
    p.add_argument(
        "--python", default="", help="a version, or a path (default: the one that runs this)"
    )
    p.add_argument(
        "--edge", action="store_true", help="dimaging_edge alone: the extra cpu, without TensorFlow"
    )
    args = p.parse_intermixed_args()
    with tempfile.TemporaryDirectory(prefix="dimaging-versions-") as folder:
        python = make_environment(
            Path(folder), RESOLUTIONS[args.which], args.python or sys.executable, args.edge
        )
        resolved = versions_of(python)
        minor = resolved["python"].rpartition(".")[0]
        name = f"versions_{args.which}" + (f"_{minor}" if args.python else "")
        path = args.json or (None if args.quick else figures.RESULTS / f"{name}.json")
        out = figures.Figures("versions", args.quick, path)
        tests = QUICK if args.quick else args.tests or (EDGE if args.edge else TESTS)
        passed, failed, last = run_tests(python, tests)
        out.facts |= {"tests": tests, "resolved": resolved, "failed": failed, "last line": last}
    out.add("tests that passed", passed)
    out.add("tests that failed", len(failed), "<= 0")
    return out.finish()


def make_environment(folder: Path, resolution: str, interpreter: str, edge: bool) -> Path:
    """Return the python of a new environment with the extra `dev`, or `cpu`; dimaging itself is the checkout."""
    uv = shutil.which("uv") or sys.exit("this needs uv: pip install uv")
    place = folder / "env"
    subprocess.run([uv, "venv", "-q", "--seed", "--python", interpreter, place], check=True)
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "tests.in").write_text("\n".join(ALONE if edge else ()), encoding="utf-8")
    wanted = folder / "wanted.txt"
    command = [
        uv,
        "pip",
        "compile",
        "-q",
        "--no-header",
        "--no-annotate",
        "--resolution",
        resolution,
    ]
    command += [
        "--python",
        place / "bin" / "python",
        "--extra",
        "cpu" if edge else "dev",
        "-o",
        wanted,
        folder / "pyproject.toml",
        folder / "tests.in",
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    env = {**os.environ, "VIRTUAL_ENV": str(place)}
    subprocess.run([uv, "pip", "install", "-q", "--no-deps", "-r", wanted], env=env, check=True)
    return place / "bin" / "python"


def run_tests(python: Path, tests: list[str]) -> tuple[int, list[str], str]:
    """Return how many tests passed, which failed or could not run, and the last line of pytest."""
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "export", ROOT / "edge"))),
    }
    # One worker of xdist: where a package crashes the process, that test alone has failed.
    command = [python, "-m", "pytest", "-q", "-n", "1", "-rfE", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    print(done.stdout[-3000:], done.stderr[-1000:], file=sys.stderr)
    last = next((x for x in reversed(done.stdout.splitlines()) if " in " in x), "no test ran")
    passed = re.search(r"(\d+) passed", last)
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    if done.returncode not in (0, 1):  # 1: tests failed; else pytest itself did
        failed.append(f"pytest ended with exit code {done.returncode}")
    return int(passed[1]) if passed else 0, failed, re.sub(r" in .*", "", last)


def versions_of(python: Path) -> dict[str, str]:
    """Return the versions of Python and of those packages of SHOWN that are installed."""
    code = (
        "import sys, json, importlib.metadata as m; "
        "there = {n for d in m.distributions() if (n := d.name.lower()) in sys.argv}; "
        "print(json.dumps({'python': sys.version.split()[0]} | {n: m.version(n) for n in sorted(there)}))"
    )
    found = subprocess.run([python, "-c", code, *SHOWN], check=True, capture_output=True, text=True)
    return json.loads(found.stdout)


if __name__ == "__main__":
    sys.exit(main())
