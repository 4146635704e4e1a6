"""How long `dimaging demo` takes, from its start to its report.

    python benchmarks/demo.py

In a process of its own, with everything that a person would wait for: imports, training, export, timing.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from parts import figures


def main() -> int:
    """Run it once, judge the time."""
    args = figures.parser("demo", __doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "demo"
        command = [sys.executable, "-m", "dimaging_tf", "demo", "--out", str(out)]
        start = perf_counter()
        subprocess.run(
            command + ["--quick"] * args.quick, check=True, cwd=Path(__file__).parents[1]
        )
        seconds = perf_counter() - start
        size = (out / "report.html").stat().st_size
    found = figures.Figures("demo", args.quick, args.json)
    found.add("dimaging demo, everything", seconds, "<= 180", "s")
    found.add("its processor time", sum(os.times()[2:4]), "", "s")
    found.add("its report", size / 1e6, "", "MB")
    return found.finish()


if __name__ == "__main__":
    sys.exit(main())
