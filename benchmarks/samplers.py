"""Drawing from explicit densities on one core: one ONNX file with cached activations against a pass a pixel.

    python benchmarks/samplers.py [--run RUN]

Naive sampling runs the whole network for every pixel, in onnxruntime too; it is timed over some passes and
scaled to all 784. Times are processor time of one thread, interleaved, medians. Every image drawn here is
checked: each of its pixels is what Keras draws from the pixels before it and the same noise. The networks are
trained for a short while, for the fixed point needs fewer rounds the surer the network is.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from parts import figures
from parts.draws import differing, drawing, interleaved, session, trained

PIXELS = 28 * 28
NETS: dict[str, tuple[str, dict[str, Any]]] = {
    "small net": ("pixelcnn", {}),
    "keras-io size": ("pixelcnn", {"filters": 128, "middle": 96, "head": 128}),
    "Row LSTM": ("pixelrnn", {}),
    "FVBN": ("fvbn", {}),
}
GOALS = {("keras-io size", 64): ">= 300", ("keras-io size", 1): ">= 100",
         ("Row LSTM", 64): ">= 400", ("Row LSTM", 1): ">= 200"}  # fmt: skip


def main() -> int:
    """Every net at batch 1 and 64; then the same bits from the integer variant."""
    p = figures.parser("samplers", __doc__)
    p.add_argument(
        "--run", type=Path, help="a run of pixelcnn for the integer part (default: none)"
    )
    p.add_argument("--rounds", type=int, default=7, help="of timing, interleaved")
    args = p.parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    out = figures.Figures("samplers", args.quick, args.json)
    for name in ("small net", "FVBN") if args.quick else NETS:
        model_name, changes = NETS[name]
        model = trained(model_name, changes, 0.05 if args.quick else 1.0)
        measure(out, name, model, 2 if args.quick else args.rounds, (1,) if args.quick else (1, 64))
    if args.run:
        same_bits(out, args.run, 500 if args.quick else 12_800)
    return out.finish()


def measure(out: Any, name: str, model: Any, rounds: int, batches: tuple[int, ...]) -> None:
    """Speed-up over naive sampling, and how many passes one image costs."""
    from dimaging_export.convert.to_onnx import convert
    from dimaging_export.samplers.build import LOOPS, sampler_files

    from dimaging_tf.density.base import uniform

    files = sampler_files(model)
    full = session(convert(model.network, None, "direct"))
    for batch in batches:
        rng = np.random.default_rng(batch)
        noise = uniform(rng, (batch, 28, 28, 1))
        zeros = np.zeros_like(noise)
        feed = {"noise": noise, "canvas": zeros, "mask": zeros}
        draws = {}
        for kind in LOOPS:
            if kind in files:
                draws[kind] = drawing(session(files[kind]), feed)
        image = next(iter(draws.values()))()
        for kind, draw in draws.items():
            wrong = differing(model, draw(), noise)
            out.add(f"{name}, batch {batch}, {kind}: pixels that differ", wrong, "<= 0")
        a_pass = lambda f={"image": image}: full.run(None, f)  # noqa: E731
        times = interleaved({"pass": a_pass, **draws}, rounds)
        best = min(draws, key=lambda kind: times[kind])
        ratio = times["pass"] * PIXELS / times[best]
        goal = GOALS.get((name, batch), "")
        out.add(f"{name}, batch {batch}: {best} over naive", ratio, goal, "x")
        passes = "<= 12" if (name, batch) == ("small net", 1) else ""
        out.add(
            f"{name}, batch {batch}: passes' time for a draw", times[best] / times["pass"], passes
        )
        out.add(f"{name}, batch {batch}: images", batch / times[best], "", "/s")


def same_bits(out: Any, run: Path, images: int) -> None:
    """The integer variant at 1 and 2 threads and every optimisation level."""
    from dimaging_export.integer.twin import integer_twin
    from dimaging_export.samplers.build import sampler_files

    from dimaging_tf.data.dataset import to_float
    from dimaging_tf.density.base import uniform
    from dimaging_tf.training import runs

    model = runs.load_model(run)
    real = to_float(runs.load_data(runs.read_settings(run)).train.x[:64])
    twin = integer_twin(model, model.prepared(real)[0], None)
    file = sampler_files(twin)["sampler"]
    levels = ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")
    sessions = [session(file, threads, level) for threads in (1, 2) for level in levels]
    differ, rng = 0, np.random.default_rng(0)
    zeros = np.zeros((200, 28, 28, 1), np.float32)
    for _ in range(images // 200):
        noise = uniform(rng, zeros.shape)
        feed = {"noise": noise, "canvas": zeros, "mask": zeros}
        first, *others = (s.run(["image"], feed)[0] for s in sessions)
        differ += sum(int((first != other).sum()) for other in others)
    figure = f"integer variant, {images * PIXELS:,} pixels, 8 ways to compute: pixels that differ"
    out.add(figure, differ, "<= 0")


if __name__ == "__main__":
    sys.exit(main())
