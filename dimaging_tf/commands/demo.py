"""The demo: train, export, run without TensorFlow, time and report, all on real data and in minutes.

photographs -> denoiser -------------+
digits      -> PixelCNN, DCGAN, VAE -+--> bundles --> onnxruntime alone --> demo/report.html
drawn faces -> VAE ------------------+
text, shapes, movies -> char_lm,     +
  captioning, frame_selection -------+
photograph  -> .dimg -> photograph    with the shipped weights of the codec
photograph  -> iguana                 where the weights of EfficientNet-Lite0 are installed
drawn signs -> misread signs          with the shipped classifier, photographed from 16 places

Two models train at a time, each in a process of its own with half of the cores, because steps as small as
these leave a second core idle half of the time. Latencies are measured at the end, when nothing else runs.
"""

import json
import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

from dimaging_edge.common.stopping import begin_worker

from dimaging_tf.commands import demo_pictures, demo_sequences
from dimaging_tf.commands.demo_page import latency, write_demo_page
from dimaging_tf.commands.demo_pictures import Figure, run_edge, show_codec, show_iguana
from dimaging_tf.commands.sign_map import draw_sign_maps
from dimaging_tf.errors import DataError, UserError
from dimaging_tf.training import runs

PRECISIONS = {
    "denoiser": ("fp32", "int8"),
    "pixelcnn": ("fp32", "integer"),
    "dcgan": ("fp32", "int8"),
    "vae_faces": ("fp32", "int8"),
    "vae": ("fp32", "int8"),
    "captioning": ("fp32",),
    "frame_selection": ("fp32",),
    "char_lm": ("integer",),
}
"""Model -> the precisions in which the demo exports it."""
SHOWN = demo_pictures.SHOWN | {
    "captioning": demo_sequences.show_captions,
    "frame_selection": demo_sequences.show_frames,
    "char_lm": demo_sequences.show_text,
}
"""Model -> the function that makes its figures."""
TIMED = {
    # loops of small products run best on one core
    "pixelcnn": ("--threads", 1, "--graph", "density", "--graph", "sampler_rows"),
    "captioning": ("--threads", 1, "--graph", "encoder", "--graph", "captioner"),
    "char_lm": ("--threads", 1, "--graph", "writer"),
}
"""Model -> how it is timed; by default all of its graphs, on all cores."""
SIZES = {"denoiser": 256}
"""Model of any size -> the size in pixels at which it is proven and timed."""


def run_demo(out: Path, *, seed: int = 0, quick: bool = False) -> Path:
    """Make everything in `out`, print each step, and return report.html; UserError if a demo is there."""
    start = time.monotonic()
    if (out / "runs").exists():
        raise UserError(f"{out} holds a demo already. Choose another --out, or remove that folder.")
    made = recipes(quick)
    from dimaging_tf.data import avatars

    try:
        avatars.check_installed()
    except DataError as error:
        del made["vae_faces"]
        _say(
            f"vae_faces is left out: {error}", markup=False
        )  # the error has 'dimaging[avatars]' in it
    figures = _make_all(made, out, seed)
    bundles = [out / "bundle" / f"{name}-{p}" for name in made for p in PRECISIONS[name]]
    _say("[bold]time[/] in another process, where TensorFlow cannot be imported")
    for bundle in bundles:
        words = ["--json", bundle / "latency.json", "--seconds", 0.5]
        words += TIMED.get(bundle.name.rpartition("-")[0], ())
        _say(run_edge("bench", bundle, *words), markup=False)
    caption, picture = figures["pixelcnn"][0]
    figures["pixelcnn"] = [(caption + _speed_up(out / "bundle" / "pixelcnn-fp32"), picture)]
    seconds = time.monotonic() - start
    page = write_demo_page(out, figures, made, seconds)
    _say(f"[bold]report[/] {page}  ({seconds:.0f} s in all)")
    return page


def recipes(quick: bool) -> dict[str, dict[str, Any]]:
    """Return model -> arguments of `runs.default_settings`, for half of the cores; the longest first."""
    found = {
        # In so short a time the number of steps matters most: small batches, noise near the shown level.
        "denoiser": {"minutes": 1.1, "batch": 4, "changes": {"noise": "gaussian:15-35"}},
        "pixelcnn": {"minutes": 0.6},
        # Half the default width, the digit as condition and larger steps: clear digits in half a minute.
        "dcgan": {
            "minutes": 0.5,
            "learning_rate": 2e-3,
            "changes": {"width": 32, "classes": 10},
        },
        # Drawn faces need no augmentation: there are as many as one wants.
        "vae_faces": {"minutes": 0.3, "augment": "none"},
        "vae": {"minutes": 0.25, "batch": 50, "changes": {"kl_warmup": 300}},
        "frame_selection": {"epochs": 3, "batch": 32, "changes": {"search_epochs": 2}},
        # What takes minutes to learn goes on from weights that came along.
        "captioning": {
            "minutes": 0.06,
            "batch": 32,
            "learning_rate": 3e-4,
            "data_options": {"size": 32},
            "changes": demo_sequences.SPEAKER,
            "init": demo_sequences.start_of("captioning"),
        },
        "char_lm": {"batch": 32, "changes": demo_sequences.WRITER} | _text_recipe(),
    }
    if quick:
        # On a busy machine a PixelCNN learns too little in that time to be rounded to integers.
        found = {name: {**recipe, "minutes": 0.05} for name, recipe in found.items()}
        found["pixelcnn"] = {"epochs": 2}
    return found


def _text_recipe() -> dict[str, Any]:
    """Return how the text is learned: on from weights, where they know its characters, or longer."""
    if start := demo_sequences.start_of("char_lm"):
        return {"minutes": 0.06, "learning_rate": 1e-3, "init": start}
    return {"minutes": 0.3, "learning_rate": 1e-2}


def _make_all(made: dict[str, dict[str, Any]], out: Path, seed: int) -> dict[str, list[Figure]]:
    """Make every model, two at a time, and run the codec: name -> its figures. The first error ends all."""
    pool = ProcessPoolExecutor(min(2, os.cpu_count() or 1), get_context("spawn"), use_half_of_cores)
    try:
        tasks = {name: pool.submit(make, name, recipe, out, seed) for name, recipe in made.items()}
        if _iguana_is_possible():
            tasks["iguana"] = pool.submit(show_iguana, out, seed)
        shown = {"codec": [show_codec(out / "pictures")]}
        shown["signs"] = [draw_sign_maps(out / "pictures" / "views.png", seed)]
        for task in as_completed(tasks.values()):
            task.result()
        pool.shutdown()
        return shown | {name: task.result() for name, task in tasks.items()}
    except BaseException:
        for child in active_children():  # otherwise the person waits for trainings of no more use
            child.terminate()
        raise


def use_half_of_cores() -> None:
    """Begin a worker: it ends with its parent, and TensorFlow takes half of the cores, because two run."""
    begin_worker()
    threads = max(1, (os.cpu_count() or 1) // 2)
    with suppress(ImportError):  # `make` raises it again, where the person sees it
        from dimaging_tf.quiet import load_tensorflow

        load_tensorflow()
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)


def make(name: str, recipe: dict[str, Any], out: Path, seed: int) -> list[Figure]:
    """Train and export a model, and return the figures that its bundles make."""
    run = out / "runs" / name
    _train(name, recipe, run, seed)
    for precision in PRECISIONS[name]:
        _export(run, out / "bundle" / f"{name}-{precision}", precision)
    return SHOWN[name](out, seed)


def _iguana_is_possible() -> bool:
    """Return whether the weights are installed, and say so where they are not."""
    from dimaging_tf.data import imagenet

    try:
        imagenet.weights_file()
    except DataError as error:
        _say(f"the iguana is left out: {error}", markup=False)
        return False
    return True


def _train(name: str, recipe: dict[str, Any], folder: Path, seed: int) -> None:
    """Train a model into a run folder, and print how long that takes."""
    from dimaging_tf.training.progress import Progress

    settings = runs.default_settings(name, seed=seed, **recipe)
    length = f"{60 * settings.minutes:.0f} s" if settings.minutes else f"{settings.epochs} epoch(s)"
    _say(f"[bold]train[/] {name} for {length}")
    with Progress(name, bars=False) as progress:
        runs.train(settings, folder, callbacks=[progress])


def _export(run: Path, bundle: Path, precision: str) -> None:
    """Export a run, and print the parity and the figure of merit."""
    from dimaging_export import export

    export(run, bundle, precision=precision, size=SIZES.get(run.name))
    manifest = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    worst = max(p["max_abs"] for g in manifest["graphs"].values() for p in g["parity"].values())
    words = f"[bold]export[/] {bundle.name}: largest difference to Keras {worst:.1e}"
    if q := manifest["quality"]:
        words += f", {q['name']} {q['keras']:.2f} -> {q['onnx']:.2f} {q['unit']}"
    _say(words)


def _speed_up(bundle: Path) -> str:
    """Return a sentence: how much faster a digit is drawn than by a pass of the network for each pixel."""
    ms = latency(bundle)
    draw = ms["sampler_rows"]
    times = 28 * 28 * ms["density"] / draw
    return (
        f"One takes {draw:.1f} ms on one core, {times:.0f} times faster than a pass for each pixel."
    )


def _say(words: str, **more: Any) -> None:
    from rich.console import Console

    Console(highlight=False).print(words, **more)
