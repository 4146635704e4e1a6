"""The whole way on real data, in minutes: train, export, run without TensorFlow, time, report.

photographs -> denoiser --+--> fp32, int8 bundles --> onnxruntime alone --> demo/report.html
digits      -> VAE -------+
digits      -> PixelCNN --+    (fp32, integer)
photograph  -> .dimg -> photograph    with the codec's weights that come along
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dimaging_tf import plots, report, runs
from dimaging_tf.errors import UserError

PRECISIONS = {
    "denoiser": ("fp32", "int8"),
    "vae": ("fp32", "int8"),
    "pixelcnn": ("fp32", "integer"),
}
SIZES = {"denoiser": 256}  # pixels that the free-size model is proven and timed at


def tell(out: Path, *, seed: int = 0, quick: bool = False) -> Path:
    """Make everything in `out`, print each step with its seconds, and return report.html.

    Raises UserError where `out` holds an earlier demo's runs.
    """
    from rich.console import Console

    say = Console(highlight=False).print
    start = time.monotonic()
    if (out / "runs").exists():
        raise UserError(f"{out} holds a demo already. Choose another --out, or remove that folder.")
    bundles = []
    for name, recipe in recipes(quick).items():
        _train(name, recipe, out / "runs" / name, seed, say)
        run = out / "runs" / name
        bundles += [_export(run, out / "bundle" / f"{name}-{p}", p, say) for p in PRECISIONS[name]]
    say("[bold]run[/] in another process, where TensorFlow cannot be imported")
    figures = _pictures(out, seed)
    for bundle in bundles:
        words = ["--json", bundle / "latency.json", "--seconds", 0.5 if quick else 1]
        if bundle.name.startswith("pixelcnn"):  # loops of small products: one core
            words += ["--threads", 1, "--graph", "density", "--graph", "sampler_rows"]
        _edge("bench", bundle, *words, say=say)
    figures[-1] = (figures[-1][0] + _speed_up(out / "bundle" / "pixelcnn-fp32"), figures[-1][1])
    page = report.write(
        [*(out / "runs" / name for name in recipes(quick)), *bundles], out / "report.html", figures
    )
    say(f"[bold]report[/] {page}  ({time.monotonic() - start:.0f} s in all)")
    return page


def recipes(quick: bool) -> dict[str, dict[str, Any]]:
    """Model -> settings of `runs.default_settings`."""
    return {
        # In one minute the number of steps counts: small batches, and noise levels near the shown one.
        "denoiser": {
            "minutes": 0.05 if quick else 1.0,
            "batch": 4,
            "changes": {"noise": "gaussian:15-35"},
        },
        "vae": {"minutes": 0.05 if quick else 0.25},
        "pixelcnn": {"minutes": 0.2 if quick else 0.4},
    }


def _train(name: str, recipe: dict[str, Any], folder: Path, seed: int, say: Any) -> None:
    from dimaging_tf.progress import Progress

    say(f"[bold]train[/] {name} for {60 * recipe['minutes']:.0f} s")
    settings = runs.default_settings(name, seed=seed, **recipe)
    with Progress(name) as bar:
        runs.train(settings, folder, callbacks=[bar])


def _export(run: Path, bundle: Path, precision: str, say: Any) -> Path:
    from dimaging_export import export

    export(run, bundle, precision=precision, size=SIZES.get(run.name))
    manifest = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    worst = max(p["max_abs"] for g in manifest["graphs"].values() for p in g["parity"].values())
    words = f"[bold]export[/] {bundle.name}: largest difference to Keras {worst:.1e}"
    if q := manifest["quality"]:
        words += f", {q['name']} {q['keras']:.2f} -> {q['onnx']:.2f} {q['unit']}"
    say(words)
    return bundle


def _pictures(out: Path, seed: int) -> list[tuple[str, Path]]:
    """Before and after, samples and the latent plane; all networks run outside this process."""
    pictures, bundles = out / "pictures", out / "bundle"
    pictures.mkdir(parents=True, exist_ok=True)
    model = runs.load_model(out / "runs" / "denoiser")
    clean = photograph()
    noisy = model.noisy(clean[None], seed)
    np.save(pictures / "noisy.npy", noisy)
    cells = [clean, noisy[0]]
    for precision in PRECISIONS["denoiser"]:
        folder = pictures / precision
        words = ["denoiser", "--input", f"noisy={pictures / 'noisy.npy'}", "--out", folder]
        _edge("run", bundles / f"denoiser-{precision}", *words)
        cells.append(np.load(folder / "image.npy")[0])
    plots.save_grid(np.stack(cells)[None], pictures / "denoised.png")

    words = ["decoder", "--input", "z=normal", "--n", 64, "--seed", seed, "--out", pictures]
    _edge("run", bundles / "vae-int8", *words)
    plots.save_grid(
        plots.tile(np.load(pictures / "image.npy").clip(0, 1)), pictures / "samples.png"
    )

    from dimaging_tf import data
    from dimaging_tf.data.dataset import to_float

    digits = data.load("mnist5k").valid
    np.save(pictures / "digits.npy", to_float(digits.image))
    words = ["encoder", "--input", f"image={pictures / 'digits.npy'}", "--out", pictures]
    _edge("run", bundles / "vae-fp32", *words)
    plane = plots.latent_plane(
        np.load(pictures / "mean.npy"), digits.label, "codes of digits never trained on"
    )
    plots.save_figure(plane, pictures / "latent.png")
    np.save(pictures / "digit.npy", (to_float(digits.image[0]) > 0.5).astype(np.float32))
    words = ["--keep", "upper", "--n", 7, "--seed", seed, "--out", pictures / "completed.npy"]
    _edge("complete", bundles / "pixelcnn-fp32", pictures / "digit.npy", *words)
    words = ["--n", 24, "--seed", seed, "--out", pictures / "drawn.npy"]
    _edge("sample", bundles / "pixelcnn-integer", *words)
    drawn = np.concatenate([np.load(pictures / f"{n}.npy") for n in ("completed", "drawn")])
    plots.save_grid(drawn.reshape(4, 8, 28, 28, 1), pictures / "pixelcnn.png")
    for scratch in pictures.rglob("*.npy"):
        scratch.unlink()
    return [
        _compressed(pictures),
        (
            "Another one: clean, noisy (sigma 25 of 255), restored in fp32, in int8",
            pictures / "denoised.png",
        ),
        ("64 digits drawn by the int8 decoder", pictures / "samples.png"),
        ("The encoder's latent plane", pictures / "latent.png"),
        (
            "PixelCNN: a digit whose lower half is occluded and completed 7 times, and 24 samples of the "
            "integer-valued variant, the same on every device. ",
            pictures / "pixelcnn.png",
        ),
    ]


def _compressed(pictures: Path) -> tuple[str, Path]:
    """A photograph to a file and back by the codec whose weights come along, beside a JPEG of such size."""
    from PIL import Image
    from skimage import data as photos

    from dimaging_tf.metrics import psnr
    from dimaging_tf.rate_distortion import rivals

    photo, file, again = (pictures / name for name in ("photo.png", "photo.dimg", "again.png"))
    image = photos.astronaut()
    Image.fromarray(image).save(photo)
    _edge("compress", photo, "-q", 30, "-o", file)
    _edge("decompress", file, "-o", again)
    jpeg = rivals()[0]
    sizes = (jpeg.encode(image, quality) for quality in range(1, 96))
    small = next(data for data in sizes if len(data) >= file.stat().st_size)
    with Image.open(again) as picture:
        cells = np.stack([image, np.asarray(picture), jpeg.decode(small)]) / np.float32(255)
    ours, theirs = (psnr(x[None], cells[:1]) for x in cells[1:])
    plots.save_grid(cells[None], pictures / "compressed.png")
    words = (
        f"A photograph not trained on: the original, back from a .dimg of {file.stat().st_size} bytes "
        f"({ours:.1f} dB), and from a JPEG of {len(small)} ({theirs:.1f} dB)"
    )
    photo.unlink()
    again.unlink()
    return words, pictures / "compressed.png"


def _speed_up(bundle: Path) -> str:
    """How much faster a digit is drawn than by a pass of the network for each pixel."""
    record = json.loads((bundle / "latency.json").read_text(encoding="utf-8"))
    ms = {graph["graph"]: graph["latency_ms"]["p50"] for graph in record["graphs"]}
    draw = ms["sampler_rows"]
    times = 28 * 28 * ms["density"] / draw
    return (
        f"One takes {draw:.1f} ms on one core, {times:.0f} times faster than a pass for each pixel."
    )


def photograph() -> np.ndarray:
    """256x256 grey pixels of a photograph that `photos` keeps for validation, float32 in [0, 1]."""
    from skimage import data as photos

    return (photos.camera()[90:346, 140:396, None] / np.float32(255)).astype(np.float32)


def _edge(*arguments: Any, say: Any = None) -> None:
    """dimaging-edge in a process of its own that cannot import TensorFlow or Keras."""
    code = (
        "import sys; sys.modules.update(tensorflow=None, keras=None); "
        "from dimaging_edge.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    words: Sequence[str] = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"dimaging-edge {' '.join(words[3:])} failed:\n{done.stderr.strip()}")
    if say:
        say(done.stdout.rstrip(), markup=False)
