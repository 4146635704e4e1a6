"""Do all engines find the same symbols? Compress with each, decompress with each other, compare every bit.

    python benchmarks/codec_engines.py --data DIR         DIR holds photographs (default: DIMAGING_DATA/photos)

Native: 1 and 2 threads at four levels of optimisation; they compress the pictures in turn, every tenth
picture all of them, and each file is decompressed by all. Emulated (qemu-user): the same files, and every tenth
picture is also compressed there and decompressed here. Pictures are crops of photographs and every fifth is synthetic. The
encoder is a float network, so engines may write different files; each must read all of them the same.
With --work the emulated processors go on where they were stopped.
"""

import base64
import json
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from dimaging_edge.photo.bundle_model import SHIPPED
from dimaging_edge.photo.picture import SUFFIXES, read_picture
from parts import engines, figures

LARGE = 512


def main() -> int:
    """Natives, then what is emulated."""
    p = figures.parser("codec_engines", __doc__, "photographs", "photos")
    p.add_argument(
        "--model", type=Path, default=SHIPPED / "unet_codec", help="bundle of colour pictures"
    )
    p.add_argument("--images", type=int, default=1000)
    p.add_argument("--emulated", type=int, nargs="*", default=[200, 30, 30, 30, 30],
                   help="pictures for each emulated processor")  # fmt: skip
    p.add_argument("--work", type=Path, help="folder of what the emulated ones did (default: none)")
    args = p.parse_args()
    images, emulated = (10, [2, 0, 0, 0, 0]) if args.quick else (args.images, args.emulated)

    out = figures.Figures("codec_engines", args.quick, args.json)
    with tempfile.TemporaryDirectory() as temporary:
        work = args.work or Path(temporary)
        natives(out, args.model, pictures(args.data, images), work / "files")
        for name, count in zip(engines.EMULATED, emulated, strict=True):
            why = engines.missing(name)
            if count and why:
                print(f"{name}: {why}", file=sys.stderr)
            elif count:
                other(out, name, args.model, work, count)
    return out.finish()


def pictures(folder: Path, count: int) -> Iterator[tuple[np.ndarray, int, int]]:
    """(image, quality, edge of a tile); 1 to 96 pixels a side, one in 100 of 512 x 512."""
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    rng = np.random.default_rng(0)
    for number in range(count):
        large = number % 100 == 50
        height, width = (LARGE, LARGE) if large else (int(x) for x in rng.integers(1, 97, 2))
        quality, tile = int(rng.integers(64)), int(rng.choice([64, 768]))
        if number % 5 == 4:
            yield synthetic(rng, height, width), quality, tile
            continue
        photo = read_picture(files[int(rng.integers(len(files)))]).image
        photo = np.broadcast_to(photo, (*photo.shape[:2], 3))
        top, left = (
            int(rng.integers(max(1, x - y + 1)))
            for x, y in zip(photo.shape, (height, width), strict=False)
        )
        yield photo[top : top + height, left : left + width].copy(), quality, tile


def synthetic(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Noise, one colour, stripes, a ramp or black and white."""
    y, x = np.mgrid[:height, :width]
    value = [
        rng.integers(0, 256, (height, width)),
        np.full((height, width), rng.integers(256)),
        np.where((x + y) // int(rng.integers(1, 20)) % 2, 255, 0),
        x * 255 // max(1, width - 1),
        rng.integers(0, 2, (height, width)) * 255,
    ][int(rng.integers(5))]
    return np.stack([value, np.roll(value, 3, 0), value[::-1]], -1).astype(np.uint8)


def natives(
    out: figures.Figures, bundle: Path, some: Iterator[tuple[np.ndarray, int, int]], files: Path
) -> None:
    """Every engine reads what each of them wrote. Keeps the first one's files for the others."""
    models = engines.native(bundle)
    found, levels = Counter[str](), 0
    files.mkdir(parents=True, exist_ok=True)
    for number, (image, quality, tile) in enumerate(some):
        turn = list(models.values())[number % len(models)]
        first = turn.file(image, quality, tile)
        written = {first}
        if number % 10 == 0:
            written |= {model.file(image, quality, tile) for model in models.values()}
        found["images"] += 1
        for data in written:
            found["files"] += 1
            wanted = turn.answer(data)
            found["symbols"] += turn.symbols
            for model in models.values():
                if model is not turn:
                    levels = max(levels, compare(found, wanted, model.answer(data)))
        stem = files / f"{number:04}_{quality}_{tile}"
        np.save(stem.with_suffix(".npy"), image)
        stem.with_suffix(".dimg").write_bytes(first)
    said = f"native, {len(models)} engines, {found['images']} images"
    out.facts["native"] = {"engines": list(models), **found}
    out.add(f"{said}: files they wrote", found["files"])
    out.add(f"{said}: symbols decoded by each", found["symbols"] / 1e6, "", "M")
    judge(out, said, found)
    out.add(f"{said}: largest difference of a pixel", levels, "", "levels")


def compare(found: Counter[str], wanted: dict, answer: dict) -> int:
    """Count what differs; the largest difference of a pixel."""
    found["decodings"] += 1
    found["refused"] += "refused" in answer
    for part in ("prior", "latents"):
        found[part] += answer.get(part) != wanted.get(part)
    if "refused" in answer or "refused" in wanted:
        return 0
    return int(np.abs(answer["image"].astype(int) - wanted["image"]).max())


def judge(out: figures.Figures, said: str, found: Counter[str]) -> None:
    """What must be 0."""
    for part, words in (
        ("refused", "refused"),
        ("prior", "another scale index or mean"),
        ("latents", "other latents"),
    ):
        out.add(f"{said}: {words}, of {found['decodings']} decodings", found[part], "<= 0")


def other(out: figures.Figures, name: str, bundle: Path, work: Path, count: int) -> None:
    """The first files on an emulated processor, and its own files here."""
    folder = work / name.split(" (")[0].replace(" ", "_")
    folder.mkdir(exist_ok=True)
    chosen = [path for path in sorted((work / "files").glob("*.npy")) if np.load(path, mmap_mode="r").size < 3 * LARGE**2][:count]  # fmt: skip
    for path in chosen:
        for one in (path, path.with_suffix(".dimg")):
            if not (folder / one.name).exists():
                (folder / one.name).write_bytes(one.read_bytes())
    code = engines.emulate(name, folder, bundle, 3600.0 * 24)
    here = next(iter(engines.native(bundle).values()))
    found, levels = Counter[str](), 0
    for path in chosen:
        done = folder / f"{path.stem}.json"
        if not done.exists():
            break
        answer, wanted = (
            json.loads(done.read_text()),
            here.answer(path.with_suffix(".dimg").read_bytes()),
        )
        found["images"] += 1
        pixels = np.frombuffer(zlib.decompress(base64.b64decode(answer["image"])), np.uint8)
        answer["image"] = pixels.reshape(wanted["image"].shape)
        levels = max(levels, compare(found, wanted, answer))
        if "file" in answer:
            found["written"] += 1
            back = here.answer(bytes.fromhex(answer["file"]))
            found["refused"] += "refused" in back
            found["same file"] += (
                bytes.fromhex(answer["file"]) == path.with_suffix(".dimg").read_bytes()
            )
    out.facts[name] = {**found, "asked": count, "exit code": code}
    if not found["images"]:
        print(f"{name}: nothing was done, exit code {code}", file=sys.stderr)
        return
    if code:
        print(f"{name}: stopped by {code} after {found['images']} of {count}", file=sys.stderr)
    said = f"{name}, {found['images']} of {count} images"
    out.add(f"{said}: written there, read here", found["written"])
    judge(out, said, found)
    out.add(f"{said}: largest difference of a pixel", levels, "", "levels")


if __name__ == "__main__":
    sys.exit(main())
