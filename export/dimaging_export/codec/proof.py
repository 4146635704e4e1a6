"""Proof that a codec's files compute what Keras and numpy compute, and the runs that it needs."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
from dimaging_edge.photo.prior import NumpyPrior

from dimaging_export.errors import ParityError
from dimaging_export.prove import parity
from dimaging_export.prove.runners import Arrays, Graph
from dimaging_tf.compression.base import PARTS, RUNGS

_SESSIONS = [(threads, level) for threads in (1, 2) for level in (
    "ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"
)]  # fmt: skip
"""Numbers of threads and levels of optimisation at which the prior must give the same integers."""


def _session(file: onnx.ModelProto, threads: int = 0, level: str = "ORT_ENABLE_ALL"):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    return onnxruntime.InferenceSession(
        file.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def runner(file: onnx.ModelProto, **options: Any) -> Graph:
    """Return a run of the file, image by image, that converts its inputs to the types of the file."""
    session = _session(file, **options)
    kinds = {x.name: x.type for x in session.get_inputs()}
    outputs = [x.name for x in session.get_outputs()]

    def one(arrays: Arrays) -> list[Any]:
        return session.run(outputs, {k: as_type(kinds[k], v) for k, v in arrays.items()})

    def run(arrays: Arrays) -> Arrays:
        count = len(next(iter(arrays.values())))
        parts = [one({k: v[i : i + 1] for k, v in arrays.items()}) for i in range(count)]
        return {name: np.concatenate(x) for name, *x in zip(outputs, *parts, strict=True)}

    return run


def as_type(kind: str, array: np.ndarray) -> np.ndarray:
    """Convert an array to the ONNX type `kind`: float images in [0, 1] become levels, integers stay."""
    name = kind.removeprefix("tensor(").removesuffix(")")
    if array.dtype == np.float32 and name in ("uint8", "uint16"):
        array = np.rint(array * np.iinfo(name).max)
    return np.ascontiguousarray(array.astype(name))


def carried(run: Graph) -> Graph:
    """Let Keras take a file's arrays: integers carried in float32, an image of bytes scaled to [0, 1]."""

    def floats(name: str, x: np.ndarray) -> np.ndarray:
        top = np.iinfo(x.dtype).max if name == "image" and x.dtype.kind == "u" else 1
        return x.astype(np.float32) / np.float32(top)

    return lambda arrays: run({name: floats(name, x) for name, x in arrays.items()})


def in_floats(run: Graph) -> Graph:
    """Let a file's run give float32 for the figure of merit: images in [0, 1], other numbers as they are."""

    def floats(x: np.ndarray) -> np.ndarray:
        top = np.iinfo(x.dtype).max if x.dtype.kind == "u" else 1
        return x.astype(np.float32) / np.float32(top)

    return lambda arrays: {name: floats(x) for name, x in run(arrays).items()}


def prove_encoder(run: Graph, reference: Graph, feed: Arrays) -> parity.Report:
    """Prove that symbols equal those of Keras but for 0.1 % near ties, and y is within 1/32 of a step.

    Returns the largest differences; ParityError where they are larger than allowed.
    """
    worst = {"z": 0.0, "y": 0.0}
    for quality in RUNGS:
        told = {**feed, "quality": np.array([quality], np.int64)}
        found, wanted = run(told), reference(told)
        for name in worst:
            apart = np.abs(found[name] - wanted[name])
            worst[name] = max(worst[name], float(apart.max()))
            whole = [np.rint(x[name] / (PARTS if name == "y" else 1)) for x in (found, wanted)]
            wrong = float((whole[0] != whole[1]).mean())
            if worst[name] > (8 if name == "y" else 1) or wrong > 1e-3:
                raise ParityError(
                    f"graph 'encoder': {name} differs from Keras by up to {worst[name]:g} and "
                    f"{wrong:.2%} of the symbols, allowed {8 if name == 'y' else 1} and 0.1 %. "
                    "Nothing was written"
                )
    return {
        name: {"max_abs": x, "allowed": 8.0 if name == "y" else 1.0} for name, x in worst.items()
    }


def prove_decoder(run: Graph, reference: Graph, feed: Arrays) -> parity.Report:
    """Prove that the image is within one level of Keras' (16 of 65536 levels); ParityError otherwise."""
    found = run(feed)["image"]
    levels = float(np.iinfo(found.dtype).max)
    wanted = np.floor(reference(feed)["image"] * np.float32(levels) + np.float32(0.5))
    worst = float(np.abs(found.astype(np.float64) - wanted).max())
    allowed = 1.0 if levels < 256 else 16.0
    if worst > allowed:
        raise ParityError(
            f"graph 'decoder': the image differs from Keras by {worst:g} levels, allowed {allowed:g}. "
            "Nothing was written"
        )
    return {"image": {"max_abs": worst, "allowed": allowed}}


def prove_prior(
    file: onnx.ModelProto, stored: bytes, feed: Arrays, only: int | None = None
) -> parity.Report:
    """Prove that onnxruntime gives the integers of numpy in every one of `_SESSIONS`; ParityError otherwise.

    stored: the content of prior.npz. only: the pass that the file is for; by default both.
    """
    in_numpy = NumpyPrior(stored)
    inputs = {info.name for info in file.graph.input}
    for quality, number in ((0, 0), (32, 1), (63, 1)):
        number = number if only is None else only
        asked = {
            **feed,
            "quality": np.array([quality], np.int64),
            "pass": np.array([number], np.int64),
        }
        wanted = in_numpy(asked)
        for threads, level in _SESSIONS:
            given = {name: array for name, array in asked.items() if name in inputs}
            found = runner(file, threads=threads, level=level)(given)
            for name, array in wanted.items():
                if wrong := int((found[name] != array).sum()):
                    raise ParityError(
                        f"graph 'prior': {wrong} of {array.size} values of {name} differ between numpy and "
                        f"onnxruntime ({threads} threads, {level}). Nothing was written"
                    )
    return {name: {"max_abs": 0.0, "allowed": 0.0} for name in ("index", "mean")}
