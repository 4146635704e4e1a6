"""The golden streams on an emulated ARM processor: do they decode to the same bits as here?

    sh benchmarks/parts/arm_root.sh DIR && DIMAGING_ARM_ROOT=DIR python benchmarks/arm.py

Photos of the three shipped codecs, exact pixels, images packed and drawn by a PixelCNN of whole numbers, a packed
text, and the integer generator (tests/golden). Emulated by qemu-user with Debian's Python and the wheels of numpy and
onnxruntime for Linux on ARM. A thousand pictures: benchmarks/codec_engines.py.
"""

import json
import resource
import subprocess
import sys
from pathlib import Path

from dimaging_edge.photo.bundle_model import SHIPPED
from parts import engines, figures, golden_streams

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
CPUS = ("ARM Cortex-A76", "ARM Cortex-A53")


def main() -> int:
    """Here first, then on each processor."""
    p = figures.parser("arm", __doc__)
    p.add_argument("--cpus", nargs="+", default=list(CPUS), choices=list(engines.EMULATED))
    args = p.parse_args()
    out = figures.Figures("arm", args.quick, args.json)
    here = golden_streams.answers(GOLDEN, SHIPPED)
    out.add("streams", len(here))
    other = sum(one["hash"] != one["golden"] for one in here.values() if one["golden"])
    out.add("here: other bits than those stored", other, "<= 0")
    for cpu in () if args.quick else args.cpus:
        why = engines.missing(cpu)
        if why:
            print(f"{cpu}: {why}", file=sys.stderr)
            continue
        command, environment = engines.python_of(cpu)
        command += [str(golden_streams.__file__), str(GOLDEN), str(SHIPPED)]
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
        there = json.loads(done.stdout)
        out.facts[cpu] = there["machine"]
        wrong = [
            name for name, one in here.items() if there["answers"][name]["hash"] != one["hash"]
        ]
        out.add(f"{cpu}: streams that decode to other bits", len(wrong), "<= 0")
        pixels = [one["pixels"] for one in there["answers"].values() if "pixels" in one]
        out.add(f"{cpu}: largest difference of a photo's pixel", max(pixels), "<= 1", "levels")
        out.facts[f"{cpu}: other bits"] = wrong
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    out.add("processor time, emulated", (used.ru_utime + used.ru_stime) / 60, "", "minutes")
    return out.finish()


if __name__ == "__main__":
    sys.exit(main())
