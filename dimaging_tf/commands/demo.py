"""The whole way on real data, in minutes: train, export, run without TensorFlow, time, report.

photographs -> denoiser -------------+
digits      -> PixelCNN, DCGAN, VAE -+--> bundles --> onnxruntime alone --> demo/report.html
drawn faces -> VAE ------------------+
photograph  -> .dimg -> photograph    with the codec's weights that come along

Two models at a time, each in a process of its own with half of the cores: steps as small as these leave
a second core idle half of the time. Latencies are taken at the end, when nothing else runs.
"""

import json
import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

from dimaging_tf.commands import report
from dimaging_tf.commands.demo_pictures import SHOWN, Figure, compressed, edge
from dimaging_tf.errors import DataError, UserError
from dimaging_tf.training import runs

PRECISIONS = {
    "denoiser": ("fp32", "int8"),
    "pixelcnn": ("fp32", "integer"),
    "dcgan": ("fp32", "int8"),
    "vae_faces": ("fp32", "int8"),
    "vae": ("fp32", "int8"),
}
SIZES = {"denoiser": 256}  # pixels that the free-size model is proven and timed at


def tell(out: Path, *, seed: int = 0, quick: bool = False) -> Path:
    """Make everything in `out`, print each step with its seconds, and return report.html.

    Raises UserError where `out` holds an earlier demo's runs.
    """
    start = time.monotonic()
    if (out / "runs").exists():
        raise UserError(f"{out} holds a demo already. Choose another --out, or remove that folder.")
    made = recipes(quick)
    from dimaging_tf.data import avatars

    try:
        avatars.check_installed()
    except DataError as error:
        del made["vae_faces"]
        _say(f"vae_faces is left out: {error}", markup=False)  # it says 'dimaging[avatars]'
    figures = _all(made, out, seed)
    bundles = [out / "bundle" / f"{name}-{p}" for name in made for p in PRECISIONS[name]]
    _say("[bold]time[/] in another process, where TensorFlow cannot be imported")
    for bundle in bundles:
        words = ["--json", bundle / "latency.json", "--seconds", 0.5]
        if bundle.name.startswith("pixelcnn"):  # loops of small products: one core
            words += ["--threads", 1, "--graph", "density", "--graph", "sampler_rows"]
        _say(edge("bench", bundle, *words), markup=False)
    caption, picture = figures["pixelcnn"][0]
    figures["pixelcnn"] = [(caption + _speed_up(out / "bundle" / "pixelcnn-fp32"), picture)]
    page = report.write(
        [*(out / "runs" / name for name in made), *bundles],
        out / "report.html",
        [figure for shown in figures.values() for figure in shown],
    )
    _say(f"[bold]report[/] {page}  ({time.monotonic() - start:.0f} s in all)")
    return page


def recipes(quick: bool) -> dict[str, dict[str, Any]]:
    """Model -> settings of `runs.default_settings`, minutes on half of the cores; the longest first."""
    found = {
        # In so short a time the number of steps counts: small batches, noise levels near the shown one.
        "denoiser": {"minutes": 1.3, "batch": 4, "changes": {"noise": "gaussian:15-35"}},
        "pixelcnn": {"minutes": 0.6},
        # Half as wide as by default, told the digit, in larger steps: clear ones in half a minute.
        "dcgan": {
            "minutes": 0.5,
            "learning_rate": 2e-3,
            "changes": {"width": 32, "classes": 10},
        },
        # The drawn faces need no variations: there are as many as one wants.
        "vae_faces": {"minutes": 0.3, "augment": "none"},
        "vae": {"minutes": 0.25, "batch": 50, "changes": {"kl_warmup": 300}},
    }
    if quick:
        # A PixelCNN that learned too little, on a busy machine, cannot be rounded.
        found = {name: {**recipe, "minutes": 0.05} for name, recipe in found.items()}
        found["pixelcnn"] = {"epochs": 2}
    return found


def _all(made: dict[str, dict[str, Any]], out: Path, seed: int) -> dict[str, list[Figure]]:
    """Every model and the codec, two at a time -> name -> what it shows; the first error ends it all."""
    pool = ProcessPoolExecutor(min(2, os.cpu_count() or 1), get_context("spawn"), take_half)
    try:
        tasks = {name: pool.submit(make, name, recipe, out, seed) for name, recipe in made.items()}
        shown = {"codec": [compressed(out / "pictures")]}
        for task in as_completed(tasks.values()):
            task.result()
        pool.shutdown()
        return shown | {name: task.result() for name, task in tasks.items()}
    except BaseException:
        for child in active_children():  # or the person waits for trainings that nobody needs
            child.terminate()
        raise


def take_half() -> None:
    """Begin a process that shares the machine with another such."""
    threads = max(1, (os.cpu_count() or 1) // 2)
    with suppress(ImportError):  # `make` says it to the person
        from dimaging_tf.quiet import load_tensorflow

        load_tensorflow()
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)


def make(name: str, recipe: dict[str, Any], out: Path, seed: int) -> list[Figure]:
    """Train and export one model, and return what its files show."""
    run = out / "runs" / name
    _train(name, recipe, run, seed)
    for precision in PRECISIONS[name]:
        _export(run, out / "bundle" / f"{name}-{precision}", precision)
    return SHOWN[name](out, seed)


def _train(name: str, recipe: dict[str, Any], folder: Path, seed: int) -> None:
    from dimaging_tf.training.progress import Progress

    settings = runs.default_settings(name, seed=seed, **recipe)
    length = f"{60 * settings.minutes:.0f} s" if settings.minutes else f"{settings.epochs} epoch(s)"
    _say(f"[bold]train[/] {name} for {length}")
    with Progress(name, bars=False) as progress:
        runs.train(settings, folder, callbacks=[progress])


def _export(run: Path, bundle: Path, precision: str) -> None:
    from dimaging_export import export

    export(run, bundle, precision=precision, size=SIZES.get(run.name))
    manifest = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    worst = max(p["max_abs"] for g in manifest["graphs"].values() for p in g["parity"].values())
    words = f"[bold]export[/] {bundle.name}: largest difference to Keras {worst:.1e}"
    if q := manifest["quality"]:
        words += f", {q['name']} {q['keras']:.2f} -> {q['onnx']:.2f} {q['unit']}"
    _say(words)


def _speed_up(bundle: Path) -> str:
    """How much faster a digit is drawn than by a pass of the network for each pixel."""
    record = json.loads((bundle / "latency.json").read_text(encoding="utf-8"))
    ms = {graph["graph"]: graph["latency_ms"]["p50"] for graph in record["graphs"]}
    draw = ms["sampler_rows"]
    times = 28 * 28 * ms["density"] / draw
    return (
        f"One takes {draw:.1f} ms on one core, {times:.0f} times faster than a pass for each pixel."
    )


def _say(words: str, **more: Any) -> None:
    from rich.console import Console

    Console(highlight=False).print(words, **more)
