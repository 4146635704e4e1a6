"""Ways to compute the codec's networks, and what a way makes of a file; by itself a child of codec_engines.

    python engines.py FOLDER BUNDLE     reads NUMBER.npy and NUMBER.dimg, writes NUMBER.json, skips what is done

The child needs numpy, onnxruntime and dimaging_edge, so it also runs on an emulated processor: `EMULATED`
names them; the folder that `arm_root.sh` makes (in DIMAGING_ARM_ROOT) holds the ARM programs.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from dimaging_edge.bundle.contents import Contents
from dimaging_edge.bundle.open import Bundle, open_bundle
from dimaging_edge.common.errors import CodecError
from dimaging_edge.photo.bundle_model import BundleModel
from dimaging_edge.photo.codec import compress, decompress
from dimaging_edge.photo.symbol_model import Photo

LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")
EMULATED = {  # name -> (program, its -cpu)
    "ARM Cortex-A76": ("qemu-aarch64-static", "cortex-a76"),
    "ARM Cortex-A53": ("qemu-aarch64-static", "cortex-a53"),
    "ARM A64FX (SVE)": ("qemu-aarch64-static", "a64fx"),
    "x86 Sandy Bridge (AVX)": ("qemu-x86_64-static", "SandyBridge"),
    "x86 Haswell (AVX2)": ("qemu-x86_64-static", "Haswell"),
}
ENCODED = 10
"""Every so many pictures are also compressed by an emulated processor, which takes as long again."""


class Watched(BundleModel):
    """Keeps hashes of what the prior answered and of the latents that were decoded."""

    def start(self) -> None:
        """Forget all."""
        self.symbols = 0
        self._priors, self._latents = hashlib.sha256(), hashlib.sha256()

    def prior(self, z, y, pass_, quality):
        """See `SymbolModel`."""
        index, mean = super().prior(z, y, pass_, quality)
        self._priors.update(index.astype("<i4").tobytes() + mean.astype("<i4").tobytes())
        self.symbols += index.size // 2
        return index, mean

    def decode(self, z, y, quality):
        """See `SymbolModel`."""
        self._latents.update(z.astype("<i4").tobytes() + y.astype("<i4").tobytes())
        return super().decode(z, y, quality)

    def answer(self, data: bytes) -> dict[str, Any]:
        """{"prior", "latents": SHA-256, "image"}, or {"refused": why}."""
        self.start()
        try:
            image = decompress(self, data)[0].image
        except CodecError as error:
            return {"refused": str(error)}
        return {
            "prior": self._priors.hexdigest(),
            "latents": self._latents.hexdigest(),
            "image": image,
        }

    def file(self, image: np.ndarray, quality: int, tile: int) -> bytes:
        """The compressed picture."""
        self.start()
        return compress(self, Photo(image), quality, tile=tile)


class _Leveled(Bundle):
    """A bundle at a level of optimisation."""

    level = LEVELS[-1]

    def session(self, name: str) -> "onnxruntime.InferenceSession":
        if name not in self._sessions:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self.threads
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            options.graph_optimization_level = getattr(
                onnxruntime.GraphOptimizationLevel, self.level
            )
            self._sessions[name] = onnxruntime.InferenceSession(
                str(self.file(name)), options, providers=["CPUExecutionProvider"]
            )
        return self._sessions[name]


def native(path: Path) -> dict[str, Watched]:
    """1 and 2 threads at every level of optimisation."""
    found = {}
    for threads in (1, 2):
        for level in LEVELS:
            bundle = open_bundle(path, threads=threads)
            contents = Contents(bundle.path, bundle.manifest)
            leveled = _Leveled(bundle.path, bundle.manifest, contents, "cpu", threads, False)
            leveled.level = level
            found[f"{threads} {level}"] = Watched(leveled)
    return found


def missing(name: str) -> str:
    """Why an emulated processor cannot be used, or ""."""
    program, _ = EMULATED[name]
    if not shutil.which(program):
        return f"{program} is not installed: apt-get install qemu-user-static"
    if program.startswith("qemu-aarch64") and not _arm_root().is_dir():
        return "no ARM programs: sh benchmarks/parts/arm_root.sh DIR, then DIMAGING_ARM_ROOT=DIR"
    return ""


def _arm_root() -> Path:
    return Path(os.environ.get("DIMAGING_ARM_ROOT") or "/nowhere")


def emulate(name: str, folder: Path, bundle: Path, seconds: float) -> int:
    """Run the child on an emulated processor; its exit code."""
    command, environment = python_of(name)
    command += [__file__, str(folder), str(bundle)]
    return subprocess.run(command, env=environment, timeout=seconds, check=False).returncode


def python_of(name: str) -> tuple[list[str], dict[str, str]]:
    """Return the command of Python on an emulated processor, and its environment: numpy, onnxruntime and the edge."""
    program, cpu = EMULATED[name]
    edge = str(Path(__file__).parents[2] / "edge")
    root = _arm_root()
    python, more = [sys.executable], [edge]
    if program.startswith("qemu-aarch64"):
        python, more = (
            ["-L", str(root), str(root / "usr/bin/python3.11")],
            [str(root / "site"), edge],
        )
    return [program, "-cpu", cpu, *python], {**os.environ, "PYTHONPATH": os.pathsep.join(more)}


def child(folder: Path, bundle: Path) -> None:
    """See the top."""
    model = Watched(open_bundle(bundle, threads=1))
    for number, path in enumerate(sorted(folder.glob("*.npy"))):
        done = path.with_suffix(".json")
        if done.exists():
            continue
        answer = model.answer(path.with_suffix(".dimg").read_bytes())
        image = answer.pop("image", np.zeros(0, np.uint8))
        answer["image"] = base64.b64encode(zlib.compress(image.tobytes())).decode()
        if number % ENCODED == 0:
            quality, tile = (int(x) for x in path.stem.split("_")[1:])
            answer["file"] = model.file(np.load(path), quality, tile).hex()
        done.with_suffix(".tmp").write_text(json.dumps(answer))
        os.replace(done.with_suffix(".tmp"), done)


if __name__ == "__main__":
    child(Path(sys.argv[1]), Path(sys.argv[2]))
