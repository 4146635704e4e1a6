"""Makes the pictures at the top of README.md from what ships and from two short trainings.

python docs/gallery.py                    # all, in 4 minutes; '.[train,export,cpu,avatars,imagenet]'
python docs/gallery.py compressed text    # some
python docs/gallery.py --check            # names pictures that are older than what they show; exit code 1

docs/gallery/sources.json holds, for each picture, a SHA-256 of what it was made from: weights, the code of a
model that is trained for it, and the function that draws it. Words in docstrings and comments do not count.
"""

import argparse
import ast
import hashlib
import inspect
import io
import json
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "gallery"
WIDTH, HEIGHT = 480, 320
"""Pixels of a picture."""
GAP, LINE, FONT = 6, 34, 23
"""Pixels between pictures, of a line of words, and of its letters."""
SHIPPED, WEIGHTS = "edge/dimaging_edge/shipped", "dimaging_tf/commands/weights"
LONG = "benchmarks/weights/pixelcnn_long.keras"
PRIME = "The value of "
"""What the written text begins with."""
RECIPES: dict[str, dict[str, Any]] = {
    "vae_faces": {"epochs": 20, "augment": "none"},
    "frame_selection": {"epochs": 3, "batch": 32, "changes": {"search_epochs": 2}},
}
"""Model that is trained for a picture -> arguments of `runs.default_settings`."""


def compressed(runs: Path) -> np.ndarray:
    """A part of a photograph three times: as it is, from a `.dimg`, and from a JPEG of no fewer bytes."""
    import dimaging_edge as edge
    from skimage import data as photos

    from dimaging_tf.evaluation.codecs import rivals

    image: Any = photos.astronaut()
    model = edge.open_model("unet_codec")
    data = edge.compress(model, edge.Photo(image), quality=12)
    again, _ = edge.decompress(model, data)
    jpeg = rivals()[0]
    small = next(x for q in range(1, 96) if len(x := jpeg.encode(image, q)) >= len(data))
    cells = np.stack([image, again.image, jpeg.decode(small)])[:, 16:156, 150:255]
    words = ("original", f"{len(data):,} bytes: .dimg", f"{len(small):,} bytes: JPEG")
    return columns(list(cells), words)


def denoised(runs: Path) -> np.ndarray:
    """A part of a photograph that was not trained on: with noise of 25 levels, and restored."""
    import dimaging_edge as edge
    from skimage import data as photos

    clean = photos.coffee()[60:250, 180:340].astype(np.float32)
    noisy = clean + np.random.default_rng(0).normal(0, 25, clean.shape)
    noisy = np.rint(noisy.clip(0, 255)).astype(np.uint8)
    bundle = edge.open_bundle(ROOT / SHIPPED / "denoiser_photos")
    restored = bundle.run("denoiser", noisy=noisy[None])["image"][0]
    return columns([noisy, restored], ["noise of 25 levels", "restored"])


def digits(runs: Path) -> np.ndarray:
    """Digits that nobody wrote, drawn pixel by pixel by the PixelCNN of `benchmarks/pixelcnn_long.py`."""
    import dimaging_edge as edge
    from dimaging_edge.generate.density import sample
    from dimaging_export import export

    with tempfile.TemporaryDirectory() as folder:
        bundle = export(ROOT / LONG, Path(folder) / "digits")
        drawn = sample(edge.open_bundle(bundle), 24, seed=0)
    return tiles(drawn.reshape(4, 6, *drawn.shape[1:]))


def glasses(runs: Path) -> np.ndarray:
    """Faces that were not trained on: as they are, decoded from their codes, and with glasses put on."""
    from dimaging_tf.commands.latent_pictures import edit_attribute
    from dimaging_tf.latent.space import open_space

    model, data = trained("vae_faces", runs)
    cells, _ = edit_attribute(open_space(model), data, "glasses", 1.0, 0)
    return tiles(cells[:3, [0, 2, 4, 6]], ("face", "decoded", "+ glasses"))


def iguana(runs: Path) -> np.ndarray:
    """A cat, and the same cat moved by 4 levels of 255, as EfficientNet-Lite0 sees both."""
    from dimaging_edge.commands.main import main
    from dimaging_export import export
    from PIL import Image
    from skimage import data as photos

    with tempfile.TemporaryDirectory() as folder:
        bundle = export("efficientnet_lite0", Path(folder) / "lite0", gradient=True)
        cat, out = Path(folder) / "cat.png", Path(folder) / "iguana.png"
        Image.fromarray(photos.chelsea()).save(cat)
        words = ["--target", "common iguana", "--eps", "4/255", "--steps", "16", "--confident"]
        words += ["--seed", "0", "--threads", "1", "--out", str(out)]
        said, stdout = io.StringIO(), sys.stdout
        sys.stdout = said
        try:
            main(["attack", str(bundle), str(cat), *words])
        finally:
            sys.stdout = stdout
        compared = np.asarray(Image.open(Path(folder) / "iguana-compare.png").convert("RGB"))
    found = re.findall(r"^(?:before|after) +class \d+ (.+? \(\S+?%\))", said.getvalue(), re.M)
    side = 224
    return columns([compared[:side, :side], compared[:side, side + 2 : 2 * side + 2]], found)


def text(runs: Path) -> np.ndarray:
    """Words that a network of the reference of Python goes on with, one character after another."""
    import dimaging_edge as edge
    from dimaging_edge.generate.text import write
    from dimaging_export import export

    with tempfile.TemporaryDirectory() as folder:
        bundle = export(ROOT / WEIGHTS / "char_lm.keras", Path(folder) / "writer")
        said = write(edge.open_bundle(bundle), PRIME, 500, temperature=0.5, seed=0)
        words = PRIME + "".join(said)
    return paragraph(" ".join(words.split()))


def frames(runs: Path) -> np.ndarray:
    """Movies of two cells, two rows each: the frames that a network chose, and, pale, the others."""
    model, data = trained("frame_selection", runs)
    taken, label = list(model.mask), np.asarray(data.valid.label)
    movies = data.valid.inputs(
        np.array([int(np.flatnonzero(label == k)[0]) for k in np.unique(label)])
    )
    shown = 0.15 * movies + 0.85
    shown[:, taken] = movies[:, taken]
    return tiles(shown[[0, -1]].reshape(4, -1, *shown.shape[2:]))


def signs(runs: Path) -> np.ndarray:
    """How often signs are misread, by distance (down) and angle: attacked in one view, and over views."""
    from matplotlib import colormaps

    from dimaging_tf.commands.sign_map import sign_maps

    maps = sign_maps()
    pair = [maps["attacked in one view"], maps["attacked over views"]]
    size = (HEIGHT - LINE) // 4, (WIDTH - GAP) // 8
    colours = [np.uint8(255 * colormaps["magma"](one.rates)[..., :3]) for one in pair]
    cells = [colour.repeat(size[0], 0).repeat(size[1], 1) for colour in colours]
    names = zip(("one view", "many views"), pair, strict=True)
    return columns(cells, [f"{name}: {one.mean:.0%} misread" for name, one in names])


Draw = Callable[[Path], np.ndarray]
"""A function of a folder with runs that returns a picture, uint8 [HEIGHT, WIDTH, 3]."""
MADE_OF: dict[Draw, Sequence[str]] = {
    compressed: [f"{SHIPPED}/unet_codec/bundle.json"],
    denoised: [f"{SHIPPED}/denoiser_photos/bundle.json"],
    digits: [LONG],
    glasses: ["dimaging_tf/models/vae_faces.py", "dimaging_tf/models/vae.py"],
    iguana: ["dimaging_tf/data/imagenet.py", "dimaging_tf/models/efficientnet_lite.py"],
    text: [f"{WEIGHTS}/char_lm.keras"],
    frames: ["dimaging_tf/models/frame_selection.py"],
    signs: [f"{SHIPPED}/classifier_signs/bundle.json", "dimaging_tf/commands/sign_map.py"],
}
"""What draws a picture -> the files whose content it shows. A bundle.json holds the hashes of its files."""
TRAINED = {"glasses": "vae_faces", "frames": "frame_selection"}
"""Picture -> the model that is trained for it."""
PANELS = {draw.__name__: draw for draw in MADE_OF}


def sources(name: str) -> str:
    """Return the SHA-256, in hex, of what the picture `name` is made from."""
    draw, found = PANELS[name], hashlib.sha256()
    for file in MADE_OF[draw]:
        path = ROOT / file
        found.update(code(path.read_text("utf-8")) if path.suffix == ".py" else path.read_bytes())
    found.update(code(inspect.getsource(draw)))
    found.update(json.dumps(RECIPES.get(TRAINED.get(name, ""))).encode())
    return found.hexdigest()


def code(text: str) -> bytes:
    """Return the lines of a Python file that do something: without comments, docstrings and empty lines."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[number] = ""
    kept = (line.split("  #")[0].rstrip() for line in lines if not line.strip().startswith("#"))
    return "\n".join(line for line in kept if line).encode()


def older() -> list[str]:
    """Return the names of pictures that are older than what they show."""
    recorded = json.loads((PICTURES / "sources.json").read_text("utf-8"))
    return [name for name in PANELS if recorded.get(name) != sources(name)]


def trained(name: str, runs: Path) -> tuple[Any, Any]:
    """Return the model of a run in `runs`, which is trained where there is none, and its data."""
    from dimaging_tf.training import runs as library

    settings = library.default_settings(name, seed=0, **RECIPES[name])
    if not (runs / name / "run.json").exists():
        library.train(settings, runs / name)
    return library.load_model(runs / name), library.load_data(settings)


def columns(cells: Sequence[np.ndarray], words: Sequence[str]) -> np.ndarray:
    """Put pictures uint8 [h, w, 3] side by side, scaled to fill their columns, with words below each."""
    from PIL import Image, ImageDraw

    page = Image.new("RGB", (WIDTH, HEIGHT), "white")
    wide = (WIDTH - GAP * (len(cells) - 1)) // len(cells)
    for k, (cell, word) in enumerate(zip(cells, words, strict=True)):
        left, high = k * (wide + GAP), HEIGHT - LINE
        scale = max(wide / cell.shape[1], high / cell.shape[0])
        size = round(cell.shape[1] * scale), round(cell.shape[0] * scale)
        large = Image.fromarray(cell).resize(
            size, Image.Resampling.NEAREST if scale > 3 else Image.Resampling.BICUBIC
        )
        x, y = (size[0] - wide) // 2, (size[1] - high) // 2
        page.paste(large.crop((x, y, x + wide, y + high)), (left, 0))
        font = letters(FONT, word, wide)
        ImageDraw.Draw(page).text((left + wide / 2, HEIGHT - LINE / 2), word, "black", font, "mm")
    return np.asarray(page)


def tiles(cells: np.ndarray, rows: Sequence[str] = ()) -> np.ndarray:
    """Put cells [rows, columns, h, w, C] in [0, 1] side by side, as large as fits, words before rows."""
    from PIL import Image, ImageDraw

    count, across, height, width, _ = cells.shape
    page, margin = Image.new("RGB", (WIDTH, HEIGHT), "white"), 118 * bool(rows)
    scale = min((WIDTH - margin) / (across * width), HEIGHT / (count * height))
    side = int(width * scale) - 2, int(height * scale) - 2
    top = (HEIGHT - count * (side[1] + 2)) // 2
    left = margin + (WIDTH - margin - across * (side[0] + 2)) // 2
    for row, column in np.ndindex(count, across):
        pixels = np.uint8(np.rint(cells[row, column].clip(0, 1) * 255)).repeat(
            3 // cells.shape[-1], -1
        )
        large = Image.fromarray(pixels).resize(side, Image.Resampling.NEAREST)
        page.paste(large, (left + column * (side[0] + 2), top + row * (side[1] + 2)))
    for row, word in enumerate(rows):
        place = (margin - 8, top + (row + 0.5) * (side[1] + 2))
        ImageDraw.Draw(page).text(place, word, "black", letters(FONT, word, margin - 12), "rm")
    return np.asarray(page)


def paragraph(words: str) -> np.ndarray:
    """Write words on white, as many lines as there is room for; the last one ends in dots."""
    from PIL import Image, ImageDraw

    page, font = Image.new("RGB", (WIDTH, HEIGHT), "white"), letters(FONT)
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        lines = [*lines[:-1], longer] if font.getlength(longer) < WIDTH - 20 else [*lines, word]
    lines = lines[: (HEIGHT - 12) // LINE]
    lines[-1] = lines[-1].rpartition(" ")[0] + " ..."
    for k, line in enumerate(lines):
        ImageDraw.Draw(page).text((10, 8 + k * LINE), line, "black", font)
    return np.asarray(page)


def letters(size: int, word: str = "", room: float = np.inf) -> Any:
    """Return a font of so many pixels, or of as many as leave a word room."""
    from PIL import ImageFont

    font: Any = ImageFont.load_default(size)
    return font if font.getlength(word) <= room else letters(size - 1, word, room)


def main() -> int:
    """Make the pictures that are asked for, or say which are old."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("names", nargs="*", choices=[[], *PANELS], help="pictures (default: all)")
    p.add_argument("--check", action="store_true", help="say which pictures are old, and make none")
    p.add_argument("--out", type=Path, default=PICTURES, help="folder (default: docs/gallery)")
    p.add_argument(
        "--runs", type=Path, help="folder of the trainings; those in it are not repeated"
    )
    args = p.parse_args()
    if args.check:
        print("\n".join(found := older()))
        return int(bool(found))
    from PIL import Image

    args.out.mkdir(parents=True, exist_ok=True)
    record = args.out / "sources.json"
    made = json.loads(record.read_text("utf-8")) if record.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        for name in args.names or PANELS:
            pixels = PANELS[name](args.runs or Path(folder))
            Image.fromarray(pixels).save(args.out / f"{name}.webp", quality=90, method=6)
            made[name] = sources(name)
            print(args.out / f"{name}.webp")
    record.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
