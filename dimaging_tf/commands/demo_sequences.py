"""The demo's figures over time: a paragraph that is written, captions of drawn pictures, and learned frames.

Each function takes (out, seed) and runs bundles of out/bundle, as those of `demo_pictures` do.
"""

import json
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from dimaging_edge.common.files import write_bytes, write_text

from dimaging_tf.commands.demo_pictures import Figure, answer, run_edge
from dimaging_tf.evaluation import plots
from dimaging_tf.training import runs

WEIGHTS = Path(__file__).with_name("weights")
"""Weights from which the demo goes on; README.md beside them says how they were trained."""
SPEAKER = {"filters": (16, 32, 48), "features": 64, "embedding": 32, "units": 64, "dropout": 0.15}
WRITER = {"units": 128, "dropout": 0.05}
"""Sizes of both networks, as their weights have them."""
PRIME = "The value of "
SHOWN_CAPTIONS = 4


def show_text(out: Path, seed: int) -> list[Figure]:
    """Write a paragraph, the same on every device."""
    bundle = out / "bundle" / "char_lm-integer"
    words = ["--prime", PRIME, "--n", 600, "--temperature", 0.5, "--seed", seed]
    said = run_edge("write", bundle, *words)
    text = out / "pictures" / "text.txt"
    write_text(text, said.rpartition(" ")[0] + " ...\n")
    bits = _quality(bundle)
    caption = (
        f"Written by a character language model that read the reference of Python ({bits:.2f} bits a "
        f"character): it went on from {PRIME.strip()!r}, one character after another, in whole "
        "numbers alone, so that a seed gives this text on every device"
    )
    return [(caption, text)]


def show_captions(out: Path, seed: int) -> list[Figure]:
    """Say what drawn pictures show, of combinations that were never shown in training."""
    from dimaging_tf.data.shapes import CAPTIONED

    bundle = out / "bundle" / "captioning-fp32"
    drawn = runs.load_data(runs.read_settings(out / "runs" / "captioning")).valid
    chosen = np.linspace(0, len(drawn) - 1, SHOWN_CAPTIONS).astype(int)
    images, said = drawn.inputs(chosen), []
    with tempfile.TemporaryDirectory() as folder:
        for image in images:
            np.save(Path(folder) / "image.npy", image)
            said.append(run_edge("caption", bundle, Path(folder) / "image.npy", "--beam", 3))
    right = int(CAPTIONED.exact(said, drawn.label[chosen]).sum())
    picture = out / "pictures" / "captions.png"
    cells = images.reshape(2, -1, *images.shape[1:])
    plots.save_grid(cells, picture, sentences=said)
    caption = (
        "Captions by a network that looks and an LSTM that speaks, found by a beam search inside one file. "
        "Such combinations of shape, colour, size and place were never shown in training; "
        f"{right} of {len(said)} are exact"
    )
    return [(caption, picture)]


def show_frames(out: Path, seed: int) -> list[Figure]:
    """Show the frames that were learned, and what they are worth."""
    bundle = out / "bundle" / "frame_selection-fp32"
    run = out / "runs" / "frame_selection"
    data = runs.load_data(runs.read_settings(run))
    valid, names = data.valid, [name.replace("_", " ") for name in data.classes or ()]
    taken = json.loads((bundle / "frames.json").read_text(encoding="utf-8"))
    frames, of, movies = taken["frames"], taken["of"], valid.inputs()
    logits = answer(bundle, "classifier", frames=movies[:, frames])["logits"]
    right = float((logits.argmax(-1) == valid.label).mean())
    each = [int(np.flatnonzero(valid.label == kind)[0]) for kind in range(logits.shape[-1])]
    shown = 0.15 * movies[each] + 0.85
    shown[:, frames] = movies[each][:, frames]
    picture = out / "pictures" / "frames.png"
    plots.save_grid(shown, picture, names, scale=56 // shown.shape[-2] or 1)
    caption = (
        "Movies of four kinds of cells, a row each. A microscope takes frames "
        f"{', '.join(str(frame + 1) for frame in frames)} of {of} alone, which the network chose: "
        f"it tells the kind of {right:.0%} of movies never seen. The frames left out are pale"
    )
    strip = out / "pictures" / "mask.png"
    write_bytes(strip, (bundle / "frames.png").read_bytes())
    return [
        (caption, picture),
        ("What the microscope is told: the frames to take are black", strip),
    ]


def start_of(name: str) -> str | None:
    """Return the weights that the demo goes on from, or None: those of a text need its very characters.

    Every version of Python has a reference of its own, and it may have a character that ours had not.
    """
    file = WEIGHTS / f"{name}.keras"
    if name == "char_lm":
        from dimaging_tf.data.python_docs import load_python_docs

        with zipfile.ZipFile(file) as content:
            known = json.loads(content.read("config.json"))["config"]["config"]["vocabulary"]
        if tuple(known) != load_python_docs().vocabulary:
            return None
    return str(file)


def _quality(bundle: Path) -> float:
    """Return the figure of merit of a bundle."""
    manifest = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    return float(manifest["quality"]["onnx"])
