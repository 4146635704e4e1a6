"""Peak memory of compressing and decompressing a photograph of 12 megapixels, over numpy and onnxruntime alone.

    python benchmarks/codec_memory.py --data DIR          DIR holds photographs (default: DIMAGING_DATA/photos)

With --hundred also 100 megapixels, as PNG files, with the command itself at both ends. Each task is a process of its own; what counts is its largest resident set (VmHWM) less that of a process
which imports numpy and onnxruntime and does nothing. The picture, 4000 x 3000, is laid out of photographs and
read from a .npy file; it counts, 36 MB, as does what comes back. Networks run on one thread.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from parts import figures

HEIGHT, WIDTH = 3000, 4000
QUALITY = 30
CHILD = """
import json, sys, time
import numpy as np, onnxruntime
task, path, model, workers = sys.argv[1:]
def peak():
    status = open("/proc/self/status").read()  # ru_maxrss begins with the peak of the process before exec
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
found = {"start": peak()}
if task.startswith("png"):
    from dimaging_edge.commands.main import main
    _, verb, *half = task.split()
    options = ["--model", model, "--threads", "1", "--force", *half]
    started = time.process_time()
    out = {"compress": path + ".dimg", "decompress": path + ".png"}[verb]
    assert main([verb, path, "-o", out, *options]) == 0
    found["seconds"] = time.process_time() - started
elif task != "nothing":
    from dimaging_edge.photo.bundle_model import open_model
    from dimaging_edge.photo.codec import compress, decompress
    from dimaging_edge.photo.symbol_model import Photo
    net = open_model(model, threads=1)
    found["model"] = peak()
    if task == "compress":
        photo = Photo(np.load(path))
        started = time.process_time()
        data = compress(net, photo, QUALITY, workers=int(workers))
        open(path + ".dimg", "wb").write(data)
        found["bytes"] = len(data)
    else:
        data = open(path + ".dimg", "rb").read()
        started = time.process_time()
        photo, damage = decompress(net, data, workers=int(workers))
        assert not damage
        np.save(path + ".again.npy", photo.image)
    found["seconds"] = time.process_time() - started
found["peak"] = peak()
print(json.dumps(found))
""".replace("QUALITY", str(QUALITY))


def main() -> int:
    """12 megapixels with one and two workers, one pixel, and the arithmetic of 100 megapixels."""
    p = figures.parser("codec_memory", __doc__, "photographs", "photos")
    p.add_argument(
        "--model", type=Path, help="bundle (default: the shipped one of colour pictures)"
    )
    p.add_argument("--hundred", action="store_true", help="measure 100 megapixels, too (minutes)")
    args = p.parse_args()

    from dimaging_edge.photo.bundle_model import find_bundle
    from dimaging_edge.photo.picture import write_picture
    from dimaging_edge.photo.search import psnr
    from dimaging_edge.photo.symbol_model import Photo

    model = str(args.model or find_bundle(None))
    height, width = (600, 800) if args.quick else (HEIGHT, WIDTH)
    out = figures.Figures("codec_memory", args.quick, args.json)
    with tempfile.TemporaryDirectory() as folder:
        large, dot = f"{folder}/large.npy", f"{folder}/dot.npy"
        picture = mosaic(args.data, height, width)
        np.save(large, picture)
        np.save(dot, np.full((1, 1, 3), 90, np.uint8))
        base = child("nothing", large, model, 1)["peak"]
        out.add("numpy and onnxruntime alone", base, "", "MB")
        for workers in (1, 2):
            for task in ("compress", "decompress"):
                found = child(task, large, model, workers)
                said = f"{task} {width} x {height}, {workers} at once"
                out.facts[said] = found
                out.add(said, found["peak"] - base, "<= 400", "MB")
                if workers == 1:
                    out.add(f"{said}: processor time", found["seconds"], "", "s")
                    out.add(f"{said}: of which the open model", found["model"] - base, "", "MB")
        out.add("that file", Path(large + ".dimg").stat().st_size / 1e6, "", "MB")
        out.add("PSNR of what came back", psnr(np.load(large + ".again.npy"), picture), "", "dB")
        for task in ("compress", "decompress"):
            found = child(task, dot, model, 1)
            out.add(f"{task} 1 x 1", found["peak"] - base, "<= 400", "MB")
        out.add("a file of 1 x 1", Path(dot + ".dimg").stat().st_size, "", "bytes")
        if args.hundred:
            side = 1000 if args.quick else 10_000
            rows = mosaic(args.data, side // 4, side)
            write_picture(Photo(np.concatenate([rows] * 4)), Path(folder, "hundred.png"))
            for task, name, size in (
                ("png compress", "hundred.png", ""),
                ("png decompress", "hundred.png.dimg", ""),
                ("png compress --half", "hundred.png", ""),
                ("png decompress", "hundred.png.dimg", ", of half size"),
            ):
                found = child(task, f"{folder}/{name}", model, 1)
                said = f"{task} {side} x {side}{size}"
                out.facts[said] = found
                out.add(said, found["peak"] - base, "<= 600", "MB")
                out.add(f"{said}: processor time", found["seconds"], "", "s")
    hundred(out)
    return out.finish()


def mosaic(folder: Path, height: int, width: int) -> np.ndarray:
    """Photographs side by side until the picture is full."""
    from dimaging_edge.photo.picture import SUFFIXES, read_picture

    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    rng = np.random.default_rng(0)
    picture = np.zeros((height, width, 3), np.uint8)
    for top in range(0, height, 400):
        left = 0
        while left < width:
            part = read_picture(files[int(rng.integers(len(files)))]).image
            if part.shape[0] < 400:
                continue
            room = picture[top : top + 400, left : left + part.shape[1]]
            room[...] = part[: room.shape[0], : room.shape[1]]
            left += part.shape[1]
    return picture


def child(task: str, path: str, model: str, workers: int) -> dict[str, Any]:
    """Peak memory in MB at some moments."""
    command = [sys.executable, "-c", CHILD, task, path, model, str(workers)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return json.loads(lines[-1])


def hundred(out: figures.Figures) -> None:
    """10,000 x 10,000: within the reader's limit; what its directory and the rows of latents take."""
    from dimaging_edge.photo.codec import TILE
    from dimaging_edge.photo.container import ENTRY, MOST_PIXELS, Header, area
    from dimaging_edge.photo.tiles import padded, tiles

    side = 10_000
    header = Header(3, 8, side, side, TILE, QUALITY, bytes(16))
    grid = tiles(side, side, TILE, 64)
    covered = sum((part.bottom - part.top) * (part.right - part.left) for part in grid)
    wrong = len(grid) != header.rows * header.columns or covered != padded(side) ** 2
    out.add(
        "100 megapixels: pixels over the reader's limit",
        max(0, area(side, side) - MOST_PIXELS),
        "<= 0",
    )
    out.add("100 megapixels: tiles that do not fit the header", int(wrong), "<= 0")
    out.add("100 megapixels: the directory", len(grid) * ENTRY.size, "", "bytes")
    # three rows of tiles: y int16 with 128 channels at 1/8, z int8 with 48 at 1/32
    latents = 3 * TILE * padded(side) * (2 * 128 / 64 + 48 / 1024)
    out.add("100 megapixels: latents kept while decompressing", latents / 1e6, "", "MB")


if __name__ == "__main__":
    sys.exit(main())
