"""Which devices a run trains on: one, all GPUs of this machine, or those of several machines.

single        one device
mirrored      every GPU of this machine
multiworker   every machine that the environment variable TF_CONFIG names, as TensorFlow reads it:
              {"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]},
               "task": {"type": "worker", "index": 0}}
              The same command starts each of them, with its own index. Worker 0 writes the run folder, which
              all of them must see to resume; worker K writes what it has, for itself, into workers/K of it.
"""

import json
import os
from pathlib import Path
from typing import Any

from dimaging_tf.errors import UserError

NAMES = ("single", "mirrored", "multiworker")
"""The values of --strategy."""
EXAMPLE = (
    """TF_CONFIG='{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", """
    """"index": 0}}'"""
)


def check_strategy(name: str, minutes: float | None = None) -> None:
    """Raise UserError for a name that is no strategy, and for workers without TF_CONFIG; needs no TensorFlow.

    minutes: those of a run by the clock, by which workers would not end at the same step.
    """
    if name not in NAMES:
        raise UserError(
            f"--strategy must be {', '.join(NAMES[:-1])} or {NAMES[-1]}. Received: {name!r}"
        )
    if name == "multiworker":
        worker_index()
        if minutes is not None:
            raise UserError(
                "workers end at the same step: give --epochs with --strategy multiworker. Received: "
                f"--minutes {minutes:g}"
            )


def worker_index() -> int:
    """Return the number of this worker of TF_CONFIG; UserError where that is missing or says none."""
    text = os.environ.get("TF_CONFIG", "")
    try:
        config = json.loads(text)
        workers, task = config["cluster"]["worker"], config["task"]
        index = int(task["index"]) if task["type"] == "worker" else -1
    except (ValueError, KeyError, TypeError):
        workers, index = [], -1
    if not 0 <= index < len(workers):
        raise UserError(
            f"--strategy multiworker reads the workers from the environment, such as {EXAMPLE}. Received: "
            f"TF_CONFIG={text!r}"
        )
    return index


def place_of(name: str, out: Path) -> Path:
    """Return the folder that this process writes: the run's, or of any worker but the first its own in it."""
    index = worker_index() if name == "multiworker" else 0
    return out / "workers" / str(index) if index else out


def strategy(name: str, batch: int) -> Any:
    """Return TensorFlow's strategy of one of NAMES; UserError where the batch is no multiple of the devices.

    That of several workers has to be made before TensorFlow computes anything.
    """
    import tensorflow as tf

    if name == "single":
        return tf.distribute.get_strategy()
    if name == "multiworker":
        made = _workers()
        _check_batch(batch, made.num_replicas_in_sync)
        return made
    gpus = tf.config.list_logical_devices("GPU")
    devices = gpus or tf.config.list_logical_devices("CPU")
    _check_batch(batch, len(devices))
    # TensorFlow's collectives for CPUs mix up two strategies of one process; GPUs reduce by NCCL.
    reduction = None if gpus else tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy([device.name for device in devices], reduction)


def _check_batch(batch: int, devices: int) -> None:
    if batch % devices:  # shares of unequal size would weigh their images unequally
        raise UserError(f"--batch must be a multiple of the {devices} devices. Received: {batch}")


def _workers() -> Any:
    """Return the strategy of TF_CONFIG."""
    import tensorflow as tf

    class Workers(tf.distribute.MultiWorkerMirroredStrategy):
        def reduce(self, reduce_op: Any, value: Any, axis: Any = None) -> Any:
            """Reduce as TensorFlow does; Keras asks for means of scalars along an axis that they lack."""
            (one, *_) = self.experimental_local_results(value)
            return super().reduce(reduce_op, value, axis=None if one.shape.rank == 0 else axis)

    return Workers()
