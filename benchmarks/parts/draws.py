"""What the two benchmarks of samplers share: a trained network, drawing, checking, timing on one thread."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime


def trained(name: str, changes: dict[str, Any], minutes: float) -> Any:
    """A network after a short training."""
    from dimaging_tf.training import runs

    settings = runs.default_settings(name, minutes=minutes, changes=changes, data="mnist5k")
    with tempfile.TemporaryDirectory() as folder:
        return runs.train(settings, Path(folder) / "run")


def drawing(one: Any, feed: dict[str, np.ndarray]) -> Callable[[], Any]:
    """A call that draws."""
    return lambda: one.run(["image"], feed)[0]


def differing(model: Any, image: np.ndarray, noise: np.ndarray) -> int:
    """Pixels that are not what Keras draws there, given the image before them."""
    drawn = model.likelihood.draw(model.parameters(image), noise).numpy()
    return int((drawn != image).sum())


def interleaved(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median processor time of each call, s."""
    for call in calls.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start, n = time.process_time(), 0
            while n == 0 or time.process_time() - start < 0.1:
                call()
                n += 1
            times[name].append((time.process_time() - start) / n)
    return {name: statistics.median(values) for name, values in times.items()}


def session(model: Any, threads: int = 1, level: str = "ORT_ENABLE_ALL") -> Any:
    """On one thread, unless told otherwise."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    return onnxruntime.InferenceSession(model.SerializeToString(), options)
