"""Train the shipped codec's model on a GPU with Keras on JAX, for minutes at a time; TensorFlow is not needed.

    python benchmarks/parts/codec_tiles.py --data DIR --out TILES                 prepares the pictures
    python benchmarks/codec_gpu.py --tiles TILES/train --valid TILES/valid --out RUN --minutes 7
    python benchmarks/codec_gpu.py ... --out RUN --resume RUN                     goes on after a cut

RUN gets, about every minute and at the end: `codec.keras` (the mean of recent weights, without an optimizer;
`dimaging export RUN/codec.keras` takes it), `state_*.npz` (everything that resuming needs, in files of at
most 12 MB) and `codec_gpu.jsonl`, a line each time. The learning rate rises, then falls to nothing along
half a cosine that ends with the minutes, however many steps they hold; a resumed run goes on where the
cosine was. Everything random follows from --seed and the count of steps. What is needed where the GPU is:
this file, parts/figures.py, dimaging_tf, and the wheels of keras, namex and optree beside JAX and Pillow.
"""

import argparse
import json
import math
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax  # pyright: ignore[reportMissingImports]
import jax.numpy as jnp  # pyright: ignore[reportMissingImports]
import keras
import numpy as np
from parts import figures

from dimaging_tf.compression.base import RUNGS
from dimaging_tf.models.unet_codec import Config, UNetCodec

QUICK = {"skip": 24, "bottleneck": 4, "blocks": (1, 1), "width": 8, "prior": 8}
"""A network that a test can train."""
RECORD = "codec_gpu.jsonl"
WARM_UP = 500
"""Steps in which the learning rate rises."""
DECAY = 0.9995
"""Of the running mean of the weights, a step."""
FILE = 12e6
"""Largest state file, bytes."""


def main() -> int:
    """Train, and write down what was learned as it comes."""
    args = _arguments()
    if keras.backend.backend() != "jax":
        print("codec_gpu trains on JAX; received KERAS_BACKEND=" + keras.backend.backend())
        return 2
    if args.cache:
        jax.config.update("jax_compilation_cache_dir", str(args.cache))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    args.out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    config = Config(tradeoff=tuple(args.tradeoff), compute=args.compute, seed=args.seed)
    if args.quick:
        config, args.batch, args.size, args.chunk = replace(config, **QUICK), 2, 64, 2
        args.steps = min(args.steps, 4)
    run = Run(config, read_tiles(args.tiles), read_tiles(args.valid), args)
    device = jax.devices()[0].device_kind
    print(f"{device}: {len(run.tiles)} tiles, {len(run.held)} held; ", end="")
    print(f"{run.model.count_params():,} weights; ready after {time.monotonic() - began:.0f} s")
    run.train()
    print(f"all in all {time.monotonic() - began:.0f} s")
    out = figures.Figures("codec_gpu", args.quick, args.json)
    out.facts |= {"device": device, "tiles": len(run.tiles), "held": len(run.held)}
    return report(out, [json.loads(x) for x in (args.out / RECORD).read_text().splitlines()])


def report(out: figures.Figures, lines: list[dict[str, float]]) -> int:
    """The figures of a record: what the training took, and what its last weights do on the held tiles."""
    last = lines[-1]
    out.add("training, after compiling", last["seconds"] / 60, "", "minutes")
    out.add("steps", last["steps"])
    out.add("steps a second", last["steps_a_second"])
    out.add("held tiles, loss after a tenth of the time", lines[0]["val_loss"], "", "bits/pixel")
    out.add("held tiles, loss at the end", last["val_loss"], "", "bits/pixel")
    for q in RUNGS:
        out.add(f"held tiles, quality {q}: rate", last[f"val_bpp_{q}"], "", "bits/pixel")
        out.add(f"held tiles, quality {q}: PSNR", last[f"val_psnr_{q}"], "", "dB")
    return out.finish()


def read_tiles(folders: list[Path] | None) -> np.ndarray:
    """All pictures of folders, by name: uint8 [N, 512, 512, 3]; all have one size. None: three of noise."""
    from PIL import Image

    if folders is None:
        noise = np.random.default_rng(0).integers(0, 256, (3, 128, 128, 3), np.uint8)
        return noise.repeat(4, 1).repeat(4, 2)

    def read(path: Path) -> np.ndarray:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))

    files = sorted((f for folder in folders for f in folder.glob("*.webp")), key=lambda f: f.name)
    with ThreadPoolExecutor() as pool:
        return np.stack(list(pool.map(read, files)))


class Run:
    """One training: the state on the device, the compiled chunk of steps, and the files."""

    def __init__(self, config: Config, tiles: np.ndarray, held: np.ndarray, args: Any):
        keras.utils.set_random_seed(args.seed)
        self.args = args
        self.model, self.kept = UNetCodec(config), UNetCodec(config)
        self.optimizer = keras.optimizers.Adam(args.learning_rate, global_clipnorm=1.0)
        self.model.compile(self.optimizer)
        self.optimizer.build(self.model.trainable_variables)
        self.tiles = jnp.asarray(tiles)
        middle = slice((tiles.shape[1] - args.size) // 2, (tiles.shape[1] + args.size) // 2)
        self.held = jnp.asarray(held[:, middle, middle]) / jnp.float32(255)
        self.rate = next(
            k for k, v in enumerate(self.optimizer.variables) if v.name == "learning_rate"
        )
        first = self._pictures(jax.random.key(args.seed + 1), 64)
        self.model.adapt(np.asarray(first, np.float32) / 255)
        self.model.adapted.assign(1.0)
        self.done, self.progress, self.seconds = 0, 0.0, 0.0
        state = self._state_of_model()
        self.carry = (state, [jnp.array(x) for x in state[0]])
        if args.resume:
            self._resume(args.resume)
        self.crop = jax.jit(self._pictures, static_argnums=1)
        self.chunk = jax.jit(self._chunk, donate_argnums=0)
        self.measure = jax.jit(self._measure)

    def train(self) -> None:
        """Chunks of steps until the minutes are over; the first one, which compiles, is not counted."""
        args, limit, from_, first = self.args, 60 * self.args.minutes, self.progress, self.done
        begun = saved = time.monotonic()
        while True:
            key = jax.random.fold_in(jax.random.key(args.seed), self.done)
            images = self.crop(key, args.chunk * args.batch)
            images = images.reshape(args.chunk, args.batch, *images.shape[1:])
            self.carry, logs = self.chunk(self.carry, images, self._learning_rate())
            logs = {name: float(value) for name, value in logs.items()}
            self.done += args.chunk
            now = time.monotonic()
            if self.done == first + args.chunk:
                print(f"first {args.chunk} steps, compiled: {now - begun:.1f} s", flush=True)
                begun = saved = now
            self.progress = from_ + (1 - from_) * min(1.0, (now - begun) / limit)
            last = self.progress >= 1 or self.done - first >= args.steps
            if last or now - saved > args.every:
                steps = self.done - first - args.chunk
                self.seconds = now - begun
                self.save({**logs, "steps_a_second": steps / max(1e-9, now - begun)})
                saved = time.monotonic()
            if last:
                return

    def _learning_rate(self) -> Any:
        up = min(1.0, (self.done + 1) / WARM_UP)
        return jnp.float32(
            self.args.learning_rate * up * (0.5 + 0.5 * math.cos(math.pi * self.progress))
        )

    def _pictures(self, key: Any, count: int) -> Any:
        """Random squares of the tiles, uint8 [count, size, size, 3]: turned, mirrored; some halved."""
        size, side = self.args.size, self.tiles.shape[1]
        keys = jax.random.split(key, 4)
        which = jax.random.randint(keys[0], (count,), 0, len(self.tiles))
        corner = jax.random.randint(keys[1], (count, 2), 0, side - size + 1)
        turns = jax.random.bernoulli(keys[2], 0.5, (count, 3))
        halved = jax.random.bernoulli(keys[3], 0.25, (count,)) & (side >= 2 * size)

        def one(which, corner, turns, halved):
            tile = self.tiles[which]
            whole = jax.lax.dynamic_slice(tile, (corner[0], corner[1], 0), (size, size, 3))
            if side >= 2 * size:
                square = jnp.asarray(tile[: 2 * size, : 2 * size], jnp.float32)
                square = square.reshape(size, 2, size, 2, 3).mean((1, 3))
                whole = jnp.where(halved, jnp.uint8(jnp.round(square)), whole)
            whole = jnp.where(turns[0], whole[::-1], whole)
            whole = jnp.where(turns[1], whole[:, ::-1], whole)
            return jnp.where(turns[2], whole.transpose(1, 0, 2), whole)

        return jax.vmap(one)(which, corner, turns, halved)

    def _chunk(self, carry: Any, images: Any, rate: Any) -> Any:
        """Steps on uint8 [steps, batch, size, size, 3]: carry, mean figures of the chunk."""
        (trainable, other, optimizer, metrics), mean = carry
        optimizer = [rate if k == self.rate else x for k, x in enumerate(optimizer)]
        state = (trainable, other, optimizer, [jnp.zeros_like(x) for x in metrics])

        def step(carry, batch):
            state, mean, count = carry
            logs, after = self.model.train_step(state, batch / jnp.float32(255))
            # A step that would end the training, because a number overflowed, is left out.
            sound = jnp.isfinite(sum(jnp.sum(x) for x in after[0]))
            after = jax.tree.map(lambda a, b: jnp.where(sound, a, b), after, state)
            decay = jnp.minimum(DECAY, (1 + count) / (10 + count))
            mean = [decay * m + (1 - decay) * x for m, x in zip(mean, after[0], strict=True)]
            return (after, mean, count + 1), logs

        start = (state, mean, optimizer[0].astype(jnp.float32))
        (state, mean, _), logs = jax.lax.scan(step, start, images)
        return (state, mean), {name: value[-1] for name, value in logs.items()}

    def _measure(self, trainable: Any, other: Any, metrics: Any, images: Any) -> Any:
        return self.model.test_step((trainable, other, metrics), images)[0]

    def save(self, logs: dict[str, float]) -> None:
        """Judge the mean weights on the held tiles, then write weights, state and a line."""
        (_, other, _, metrics), mean = self.carry
        zeros = [jnp.zeros_like(x) for x in metrics]
        held = self.measure(mean, other, zeros, self.held)
        names = ("loss", "bpp_", "psnr_")
        found = {f"val_{k}": round(float(v), 4) for k, v in held.items() if k.startswith(names)}
        for variables, values in (
            (self.kept.trainable_variables, mean),
            (self.kept.non_trainable_variables, other),
        ):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        _whole(self.args.out / "codec.keras", self.kept.save)
        for number, arrays in enumerate(_files(jax.tree.leaves(self.carry))):
            _whole(self.args.out / f"state_{number}.npz", lambda p, a=arrays: np.savez(p, **a))
        line = {
            "steps": self.done, "progress": round(self.progress, 4), "seconds": round(self.seconds, 1),
            **{k: round(v, 4) for k, v in logs.items()}, **found,
        }  # fmt: skip
        with (self.args.out / RECORD).open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)

    def _resume(self, folder: Path) -> None:
        """Everything as it was when `folder` was last written."""
        stored: dict[str, np.ndarray] = {}
        for file in sorted(folder.glob("state_*.npz")):
            stored.update(np.load(file))
        leaves, tree = jax.tree.flatten(self.carry)
        if len(stored) != len(leaves):
            raise SystemExit(
                f"{folder} holds {len(stored)} arrays, expected the {len(leaves)} of this training"
            )
        found = [jnp.asarray(stored[str(k)], x.dtype) for k, x in enumerate(leaves)]
        self.carry = jax.tree.unflatten(tree, found)
        line = json.loads((folder / RECORD).read_text().splitlines()[-1])
        self.done, self.progress = line["steps"], line["progress"]

    def _state_of_model(self) -> tuple[list[Any], ...]:
        model = self.model
        groups = (
            model.trainable_variables, model.non_trainable_variables, self.optimizer.variables,
            model.metrics_variables,
        )  # fmt: skip
        return tuple([jnp.array(v.value) for v in group] for group in groups)


def _files(leaves: list[Any]) -> list[dict[str, np.ndarray]]:
    """Arrays by number, in as few files of at most FILE bytes as their order gives."""
    files, size = [{}], 0
    for number, leaf in enumerate(map(np.asarray, leaves)):
        if files[-1] and size + leaf.nbytes > FILE:
            files.append({})
            size = 0
        files[-1][str(number)] = leaf
        size += leaf.nbytes
    return files


def _whole(path: Path, write: Any) -> None:
    """Write a file under another name first, so that a cut leaves the last whole one."""
    part = path.with_name(f"part_{path.name}")
    write(part)
    part.replace(path)


def _arguments() -> argparse.Namespace:
    p = figures.parser("codec_gpu", __doc__)
    p.add_argument("--tiles", type=Path, nargs="+", help="folders of WebP tiles to learn from")
    p.add_argument("--valid", type=Path, nargs="+", help="folders of tiles to judge by")
    p.add_argument("--out", type=Path, default=Path("codec_gpu"), help="for weights and record")
    p.add_argument("--resume", type=Path, help="folder that an earlier call wrote")
    p.add_argument("--minutes", type=float, default=7.0)
    p.add_argument("--steps", type=int, default=10**9, help="steps at most")
    p.add_argument("--every", type=float, default=50.0, help="seconds between two savings")
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--size", type=int, default=256, help="side of a square, a multiple of 64")
    p.add_argument("--chunk", type=int, default=50, help="steps in a call of the device")
    p.add_argument("--learning-rate", type=float, default=1e-3)
    p.add_argument("--tradeoff", type=float, nargs=2, default=(0.0008, 0.08), help="lambdas")
    p.add_argument("--compute", default="mixed_bfloat16", choices=("float32", "mixed_bfloat16"))
    p.add_argument("--cache", type=Path, help="folder that keeps compiled steps between calls")
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args()
    if not args.quick and not (args.tiles and args.valid):
        p.error("--tiles and --valid are needed, unless --quick draws pictures of noise")
    return args


if __name__ == "__main__":
    sys.exit(main())
