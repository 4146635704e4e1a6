"""The demo's figures of each model, made by its bundle in a process that cannot import TensorFlow.

A function `show_*` takes (out, seed), runs bundles of out/bundle, and returns pairs of caption and picture
file.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from dimaging_edge.common.files import read_json_lines

from dimaging_tf.data.dataset import to_float
from dimaging_tf.errors import UserError
from dimaging_tf.evaluation import plots
from dimaging_tf.training import runs

Figure = tuple[str, Path]
"""A caption, and a picture file or a text file."""


def show_denoiser(out: Path, seed: int) -> list[Figure]:
    """Restore a photograph that was not trained on."""
    clean = photograph()
    noisy = runs.load_model(out / "runs" / "denoiser").noisy(clean[None], seed)
    files = (out / "bundle" / f"denoiser-{precision}" for precision in ("fp32", "int8"))
    found = [answer(file, "denoiser", noisy=noisy)["image"] for file in files]
    cells = np.concatenate([clean[None], noisy, *found]).reshape(2, 2, *clean.shape)
    words = ("clean", "noise of 25 levels of 255", "restored in fp32", "restored in int8")
    picture = out / "pictures" / "denoised.png"
    plots.save_grid(cells.clip(0, 1), picture, sentences=words)
    return [("A photograph that was not trained on", picture)]


def show_pixelcnn(out: Path, seed: int) -> list[Figure]:
    """Complete half a digit, and draw whole ones."""
    digit = (to_float(_digits().x[0]) > 0.5).astype(np.float32)
    half = _drawn("complete", out, "pixelcnn-fp32", seed, 7, "--keep", "upper", image=digit)
    drawn = _drawn("sample", out, "pixelcnn-integer", seed, 24)
    caption = (
        "PixelCNN: a digit whose lower half is occluded and completed 7 times, and 24 samples of the "
        "integer-valued variant, the same on every device. "
    )
    cells = np.concatenate([half, drawn]).reshape(4, 8, 28, 28, 1)
    return [grid_figure(caption, cells, out, "pixelcnn", ("completed", "drawn", "drawn", "drawn"))]


def show_dcgan(out: Path, seed: int) -> list[Figure]:
    """Draw each digit four times; the caption says how the two players stand."""
    drawn = _drawn("sample", out, "dcgan-int8", seed, 40)
    last = read_json_lines(out / "runs" / "dcgan" / "metrics.jsonl")[-1]
    caption = (
        "Drawn in int8, a column a digit. The discriminator takes real digits that it never saw for real "
        f"with a probability of {last['val_d_real']:.0%}, drawn ones with {last['val_d_fake']:.0%}; drawn "
        f"digits differ from each other by {last['diversity']:.2f} of what real ones do"
    )
    cells = drawn.reshape(4, 10, 28, 28, 1)
    return [grid_figure(caption, cells, out, "dcgan", ["drawn"] * 4)]


def show_glasses(out: Path, seed: int) -> list[Figure]:
    """Put glasses on faces and take them off, by the mean difference of codes."""
    from dimaging_tf.commands.latent_pictures import edit_attribute
    from dimaging_tf.latent.space import Space

    bundle = out / "bundle" / "vae_faces-int8"
    settings = runs.read_settings(out / "runs" / "vae_faces")
    space = Space(
        0,
        decode=lambda z: answer(bundle, "decoder", z=z)["image"],
        encode=lambda image: answer(bundle, "encoder", image=image)["mean"],
        has_encoder=True,
    )
    cells, rows = edit_attribute(space, runs.load_data(settings), "glasses", 1.0, seed)
    caption = (
        "Latent arithmetic in int8. Faces never trained on, their reconstructions, and with glasses: the "
        "mean difference of codes with and without them is added. Below, it is taken away: what is darker "
        "or paler than the mean pair leaves a trace"
    )
    return [grid_figure(caption, cells, out, "glasses", rows)]


def show_vae(out: Path, seed: int) -> list[Figure]:
    """Draw samples, and plot the codes of digits on a plane."""
    drawn = plots.tile(_drawn("sample", out, "vae-int8", seed, 64))
    digits, picture = _digits(), out / "pictures" / "latent.png"
    mean = answer(out / "bundle" / "vae-fp32", "encoder", image=to_float(digits.x))["mean"]
    plane = plots.latent_plane(mean, digits.label, "codes of digits never trained on")
    plots.save_figure(plane, picture)
    return [
        grid_figure(
            "64 digits drawn in int8, their codes by the fitted sampler", drawn, out, "samples"
        ),
        ("Codes of digits, on the plane in which they differ most", picture),
    ]


SHOWN: dict[str, Callable[[Path, int], list[Figure]]] = {
    "denoiser": show_denoiser,
    "pixelcnn": show_pixelcnn,
    "dcgan": show_dcgan,
    "vae_faces": show_glasses,
    "vae": show_vae,
}
"""Model of images -> the function that makes its figures."""


def show_codec(pictures: Path) -> Figure:
    """Compress a photograph with the shipped codec and restore it, beside a JPEG of the same size."""
    from PIL import Image
    from skimage import data as photos

    from dimaging_tf.evaluation.codecs import rivals
    from dimaging_tf.evaluation.metrics import psnr

    pictures.mkdir(parents=True, exist_ok=True)
    photo, file, again = (pictures / name for name in ("photo.png", "photo.dimg", "again.png"))
    image = photos.astronaut()
    Image.fromarray(image).save(photo)
    run_edge("compress", photo, "-q", 30, "-o", file)
    run_edge("decompress", file, "-o", again)
    jpeg = rivals()[0]
    sizes = (jpeg.encode(image, quality) for quality in range(1, 96))
    small = next(data for data in sizes if len(data) >= file.stat().st_size)
    with Image.open(again) as picture:
        cells = np.stack([image, np.asarray(picture), jpeg.decode(small)]) / np.float32(255)
    ours, theirs = (psnr(x[None], cells[:1]) for x in cells[1:])
    half = cells.reshape(3, 256, 2, 256, 2, 3).mean((2, 4))
    detail = cells[:, 40:168, 160:288].repeat(2, 1).repeat(2, 2)
    words = (
        f"original, {photo.stat().st_size:,} bytes as PNG",
        f".dimg, {file.stat().st_size:,} bytes, {ours:.1f} dB",
        f"JPEG, {len(small):,} bytes, {theirs:.1f} dB",
    )
    plots.save_grid(np.stack([half, detail]), pictures / "compressed.png", sentences=words)
    photo.unlink()
    again.unlink()
    return (
        "A photograph that was not trained on, and a part of it enlarged",
        pictures / "compressed.png",
    )


def show_iguana(out: Path, seed: int) -> list[Figure]:
    """Make a photograph of a cat an iguana for a network of ImageNet, by the gradient in its bundle."""
    from dimaging_export import export
    from PIL import Image
    from skimage import data as photos

    pictures = out / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        bundle = export("efficientnet_lite0", Path(folder) / "lite0", gradient=True)
        cat = Path(folder) / "cat.png"
        Image.fromarray(photos.chelsea()).save(cat)
        words = ["--target", "common iguana", "--eps", "4/255", "--steps", 16, "--confident"]
        made = pictures / "iguana.png"
        said = run_edge(
            "attack", bundle, cat, *words, "--seed", seed, "--threads", 1, "--out", made
        )
    before, after = re.findall(r"^(?:before|after) +class \d+ (.+?%\))", said, re.MULTILINE)
    caption = (
        f"EfficientNet-Lite0 sees {before}; of the same photograph, in which no value moved by more than 4 "
        f"of 255, {after}. Right: the difference"
    )
    return [(caption, pictures / "iguana-compare.png")]


def photograph() -> np.ndarray:
    """Return 256x256 grey pixels of a photograph that `photos` keeps for validation, float32 in [0, 1]."""
    from skimage import data as photos

    return (photos.camera()[90:346, 140:396, None] / np.float32(255)).astype(np.float32)


def run_edge(*arguments: Any) -> str:
    """Run dimaging-edge in a process that cannot import TensorFlow or Keras, and return what it prints."""
    code = (
        "import sys; sys.modules.update(tensorflow=None, keras=None); "
        "from dimaging_edge.commands.main import main; sys.exit(main(sys.argv[1:]))"
    )
    words: Sequence[str] = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"dimaging-edge {' '.join(words[3:])} failed:\n{done.stderr.strip()}")
    return done.stdout.rstrip()


def answer(bundle: Path, graph: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Run a graph of a bundle, and return its outputs by name."""
    with tempfile.TemporaryDirectory() as folder:
        words = []
        for name, value in inputs.items():
            np.save(Path(folder) / f"{name}.npy", value)
            words += ["--input", f"{name}={folder}/{name}.npy"]
        answers = Path(folder) / "answers"
        run_edge("run", bundle, graph, *words, "--out", answers)
        return {file.stem: np.load(file) for file in answers.glob("*.npy")}


def _drawn(verb: str, out: Path, bundle: str, seed: int, n: int, *words: Any, **given: Any) -> Any:
    """Return [n, h, w, C] of `dimaging-edge sample`, or of `complete` for the image given."""
    with tempfile.TemporaryDirectory() as folder:
        for name, value in given.items():
            np.save(Path(folder) / f"{name}.npy", value)
        files = [f"{folder}/{name}.npy" for name in given]
        more = ["--n", n, "--seed", seed, "--out", f"{folder}/drawn.npy"]
        run_edge(verb, out / "bundle" / bundle, *files, *words, *more)
        return np.load(f"{folder}/drawn.npy")


def _digits() -> Any:
    from dimaging_tf import data

    return data.load("mnist5k").valid


def grid_figure(
    caption: str, cells: np.ndarray, out: Path, name: str, rows: Sequence[str] = ()
) -> Figure:
    """Write cells [rows, columns, h, w, C] as a picture, and return it with its caption."""
    picture = out / "pictures" / f"{name}.png"
    plots.save_grid(cells.clip(0, 1), picture, rows)
    return caption, picture
