"""What the edge package costs to install and to start.

    python benchmarks/size.py

* `import dimaging_edge` over numpy and onnxruntime: two fresh processes in turns, with it and
  without, the median of the differences.
* Its part of the wheel, without the models and the page that come along: the wheel is built here, from a copy of the
  source; compressed bytes.
* `dimaging --help`: a fresh process, from start to end; Python that does nothing beside it.

Times are taken on the wall clock, as a person waits; processor time beside them says whether the
machine was busy with something else.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from time import perf_counter
from typing import NamedTuple

from parts import figures

ROOT = Path(__file__).parents[1]
PATHS = [ROOT, ROOT / "export", ROOT / "edge"]
RUNTIME = "import numpy, onnxruntime"
EDGE = f"{RUNTIME}, dimaging_edge; dimaging_edge.open_bundle"
HELP = "import sys; sys.argv[1:] = ['--help']; from dimaging_tf.commands.app import main; main()"
SOURCE = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "dimaging_tf", "export", "edge")


class Cost(NamedTuple):
    """Of one process, in seconds."""

    wall: float
    cpu: float


def main() -> int:
    """Three figures with goals, and what they stand on."""
    args = figures.parser("size", __doc__).parse_args()
    rounds = 3 if args.quick else 25
    out = figures.Figures("size", args.quick, args.json, facts={"rounds": rounds})

    base, edge = in_turns([RUNTIME, EDGE], rounds)
    out.add("import numpy and onnxruntime", median(c.wall for c in base) * 1e3, "", "ms")
    pairs = list(zip(edge, base, strict=True))
    wall, cpu = (median(getattr(e, k) - getattr(b, k) for e, b in pairs) for k in Cost._fields)
    out.add("import dimaging_edge over them", wall * 1e3, "<= 150", "ms")
    out.add("import dimaging_edge over them, processor time", cpu * 1e3, "", "ms")

    with tempfile.TemporaryDirectory() as folder:
        wheel = build_wheel(Path(folder))
        out.add("wheel", wheel.stat().st_size / 1e3, "", "kB")
        out.add(
            "edge part of the wheel, without models and page",
            edge_bytes(wheel) / 1e3,
            "<= 270",
            "kB",
        )

    nothing, helped = in_turns(["pass", HELP], rounds)
    out.add("python -c pass", median(c.wall for c in nothing), "", "s")
    out.add("dimaging --help", median(c.wall for c in helped), "<= 0.5", "s")
    out.add("dimaging --help, processor time", median(c.cpu for c in helped), "", "s")
    return out.finish()


def in_turns(programs: list[str], rounds: int) -> list[list[Cost]]:
    """Run each program `rounds` times, one after the other; the first round fills the disk cache."""
    costs: list[list[Cost]] = [[] for _ in programs]
    for number in range(rounds + 1):
        for program, kept in zip(programs, costs, strict=True):
            cost = fresh(program)
            if number:
                kept.append(cost)
    return costs


def fresh(program: str) -> Cost:
    """Run `program` in a new interpreter; CalledProcessError if it fails."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, PATHS))}
    cpu, start = children_cpu(), perf_counter()
    subprocess.run([sys.executable, "-c", program], env=env, check=True, stdout=subprocess.DEVNULL)
    return Cost(perf_counter() - start, children_cpu() - cpu)


def children_cpu() -> float:
    """Processor seconds of all processes that were waited for."""
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def build_wheel(folder: Path) -> Path:
    """Build from a copy, for setuptools writes into the source; pip gets the build's own requirements."""
    source = folder / "source"
    source.mkdir()
    for name in SOURCE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder]
    done = subprocess.run([*command, source], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the wheel cannot be built:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return next(folder.glob("*.whl"))


def edge_bytes(wheel: Path) -> int:
    """Compressed bytes of what belongs to dimaging_edge in the wheel, without what ships with it."""
    with zipfile.ZipFile(wheel) as archive:
        return sum(
            i.compress_size
            for i in archive.infolist()
            if i.filename.startswith("dimaging_edge/")
            and i.filename.split("/")[1] not in ("shipped", "web")
        )


if __name__ == "__main__":
    sys.exit(main())
