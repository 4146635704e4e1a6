"""Seconds to decode 768 x 512: the shipped codec against CompressAI's bmshj2018-factorized in torch, one thread.

    python benchmarks/codec_rival.py --data DIR --rival PYTHON     PYTHON has torch (CPU) and compressai 1.2.8

Both decode from bytes to pixels; each runs in a process of its own, one call after the other in turn, and the
processor time of a call counts. Ours is a middle 768 x 512 of a photograph that no training saw; the rival's
weights are random (quality 4: N 128, M 192), its latents are of the same photograph and its entropy coder is
its own C++. With random weights its stream is longer or shorter than a trained one's, so its network's share is
told too. Without --rival nothing is compared.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from parts import figures
from parts.photographs import middle

OURS = """
import json, sys, time
import numpy as np
from dimaging_edge.photo.bundle_model import find_bundle, open_model
from dimaging_edge.photo.codec import compress, decompress
from dimaging_edge.photo.symbol_model import Photo
model = open_model(find_bundle(None), threads=1)
data = compress(model, Photo(np.load(sys.argv[1])), int(sys.argv[2]))
print(json.dumps({"bytes": len(data)}), flush=True)
for _ in sys.stdin:
    started = time.process_time()
    decompress(model, data)
    print(json.dumps({"seconds": time.process_time() - started}), flush=True)
"""
RIVAL = """
import json, sys, time
import numpy as np, torch
library = torch.library.Library("torchvision", "DEF")  # which compressai imports: any build will do
for name in ("nms", "qnms"):
    library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
from compressai.zoo import bmshj2018_factorized
torch.set_num_threads(1)
torch.manual_seed(0)
net = bmshj2018_factorized(int(sys.argv[2]), pretrained=False).eval()
net.update()
image = torch.from_numpy(np.load(sys.argv[1])).permute(2, 0, 1)[None] / 255
with torch.no_grad():
    coded = net.compress(image)
    print(json.dumps({"bytes": sum(len(part[0]) for part in coded["strings"])}), flush=True)
    for _ in sys.stdin:
        started = time.process_time()
        net.decompress(coded["strings"], coded["shape"])
        seconds = time.process_time() - started
        latents = net.entropy_bottleneck.decompress(coded["strings"][0], coded["shape"])
        started = time.process_time()
        net.g_s(latents)
        network = time.process_time() - started
        print(json.dumps({"seconds": seconds, "network": network}), flush=True)
"""
QUALITY = 20


def main() -> int:
    """In turn."""
    p = figures.parser("codec_rival", __doc__, "photographs", "photos")
    p.add_argument("--rival", type=Path, help="python with torch and compressai (default: none)")
    p.add_argument("--rounds", type=int, default=9)
    args = p.parse_args()
    out = figures.Figures("codec_rival", args.quick, args.json)

    from dimaging_edge.photo.picture import read_picture

    from dimaging_tf.data.wallpapers import HELD_BACK

    photo = next(path for path in sorted(args.data.iterdir()) if path.stem in HELD_BACK)
    with tempfile.TemporaryDirectory() as folder:
        image = f"{folder}/image.npy"
        np.save(image, middle(read_picture(photo).image))
        ours = Turn([sys.executable, "-c", OURS, image, str(QUALITY)])
        rival = Turn([str(args.rival), "-c", RIVAL, image, "4"]) if args.rival else None
        pairs = []
        for again in range(2 if args.quick else args.rounds + 1):
            pair = (
                ours.call(),
                rival.call() if rival else {"seconds": float("nan"), "network": float("nan")},
            )
            if again:
                pairs.append(pair)
        out.facts |= {"ours": ours.first, "rival": rival.first if rival else None, "pairs": pairs}
        for turn in (ours, rival):
            if turn:
                turn.stop()
    median = statistics.median
    out.add(f"ours, quality {QUALITY}: decode", median(a["seconds"] for a, _ in pairs), "", "s")
    out.add("ours: bytes", ours.first["bytes"])
    if rival:
        out.add(
            "bmshj2018-factorized, torch: decode", median(b["seconds"] for _, b in pairs), "", "s"
        )
        out.add("of which its network", median(b["network"] for _, b in pairs), "", "s")
        out.add("its bytes (random weights)", rival.first["bytes"])
        ratio = median(b["seconds"] / a["seconds"] for a, b in pairs)
        out.add("the rival's time over ours, median of pairs", ratio, ">= 3", "x")
        alone = median(b["network"] / a["seconds"] for a, b in pairs)
        out.add("its network alone over all of ours", alone, "", "x")
    return out.finish()


class Turn:
    """A process that does its work once for each line it gets."""

    def __init__(self, command: list[str]):
        pipe = subprocess.PIPE
        self._process: Any = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        self.first = self._read()

    def call(self) -> dict[str, Any]:
        """Once more."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._read()

    def stop(self) -> None:
        """No more lines."""
        self._process.stdin.close()
        self._process.wait()

    def _read(self) -> dict[str, Any]:
        return json.loads(self._process.stdout.readline())


if __name__ == "__main__":
    sys.exit(main())
