"""Processor time of an export, today's code against that of an earlier commit.

    python benchmarks/export_time.py --base 7b3d6cc

Each run is a process of its own: it loads everything, builds the model of `dimaging train MODEL` with seeded
random weights, and exports it with 300 seeded random images as data. Counted is the processor time (user and
system, all threads) of the call of `export` alone. The two versions take turns; judged is the ratio of the
medians, because other programs share the machine. The code of the commit is taken out of git's history into a
temporary folder. Both versions must give the same model_id.
"""

import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from parts import figures

ROOT = Path(__file__).resolve().parent.parent
BASE = "7b3d6cc"
"""The last commit before the modules were moved to their rooms."""
GOAL = "<= 0.8"
EXPORTS = (
    ("vae", "fp32", GOAL),
    ("pixelcnn", "fp32", GOAL),
    ("vae", "int8", ""),
    ("pixelcnn", "integer", ""),
)
"""(model, precision, goal of the ratio)."""
CHILD = """
import json, os, sys
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
import dimaging_export.exporting
from dimaging_export import export
from dimaging_tf import registry
name, precision, out = sys.argv[1:]
keras.utils.set_random_seed(0)
model = registry.find(name).model_class()()
image = np.random.default_rng(0).integers(0, 256, (300, 28, 28, 1)).astype(np.uint8)
start = os.times()
export(model, out, precision=precision, data=image)
end = os.times()
manifest = json.load(open(os.path.join(out, "bundle.json")))
seconds = sum(end[:4]) - sum(start[:4])  # user and system, of children too
print(json.dumps({"seconds": seconds, "model_id": manifest["model_id"]}))
"""


def main() -> int:
    """Take turns, judge the ratios."""
    p = figures.parser("export_time", __doc__)
    p.add_argument("--base", default=BASE, help=f"commit to compare with  [default: {BASE}]")
    p.add_argument("--rounds", type=int, default=7, help="runs of each version  [default: 7]")
    args = p.parse_args()
    rounds, exports = (1, EXPORTS[:1]) if args.quick else (args.rounds, EXPORTS)
    out = figures.Figures("export_time", args.quick, args.json, facts={"rounds": rounds})
    with code_of(args.base) as (base, commit):
        out.facts["base"] = commit
        for name, precision, goal in exports:
            seconds: dict[Path, list[float]] = {base: [], ROOT: []}
            for _ in range(rounds):
                ids = {}
                for root, times in seconds.items():
                    found = run(root, name, precision)
                    times.append(found["seconds"])
                    ids[root] = found["model_id"]
                if ids[base] != ids[ROOT]:
                    raise SystemExit(
                        f"{name}, {precision}: model_id is {ids[ROOT]} today and was {ids[base]} in {commit}; "
                        "expected the same"
                    )
            before, today = (statistics.median(times) for times in seconds.values())
            out.add(f"export of {name}, {precision}, before", before, "", "s")
            out.add(f"export of {name}, {precision}, today", today, "", "s")
            out.add(f"export of {name}, {precision}, today / before", today / before, goal)
    return out.finish()


@contextmanager
def code_of(commit: str) -> Iterator[tuple[Path, str]]:
    """Yield a temporary folder with the code of a commit, and the commit's short name."""
    git = ["git", "-C", str(ROOT)]
    try:
        name = [*git, "rev-parse", "--short", f"{commit}^{{commit}}"]
        short = subprocess.run(name, check=True, capture_output=True, text=True).stdout.strip()
        packed = subprocess.run([*git, "archive", short], check=True, capture_output=True).stdout
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        raise SystemExit(
            f"--base {commit}: git knows no such commit in {ROOT.name}; expected a commit of this repository, "
            "in a checkout with its history"
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(packed)) as files:
            files.extractall(folder, filter="data")
        yield Path(folder), short


def run(root: Path, name: str, precision: str) -> dict:
    """Export in a new process with the code below `root`; returns its seconds and model_id."""
    paths = os.pathsep.join(str(root / part) for part in (".", "export", "edge"))
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", CHILD, name, precision, str(Path(folder, "bundle"))],
            env={**os.environ, "PYTHONPATH": paths},
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"export of {name} in {precision} fails in {root}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    sys.exit(main())
