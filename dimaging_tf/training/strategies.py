"""Which devices a run trains on: one, or all GPUs of this machine."""

from typing import Any

from dimaging_tf.errors import UserError

NAMES = ("single", "mirrored")
"""The values of --strategy."""


def check_strategy(name: str) -> None:
    """Raise UserError for a name that is no strategy; this needs no TensorFlow."""
    if name not in NAMES:
        raise UserError(f"--strategy must be {' or '.join(NAMES)}. Received: {name!r}")


def strategy(name: str, batch: int) -> Any:
    """Return TensorFlow's strategy of that name; UserError where the batch is no multiple of the devices."""
    import tensorflow as tf

    check_strategy(name)
    if name == "single":
        return tf.distribute.get_strategy()
    gpus = tf.config.list_logical_devices("GPU")
    devices = gpus or tf.config.list_logical_devices("CPU")
    if batch % len(devices):  # shares of unequal size would weigh their images unequally
        raise UserError(
            f"--batch must be a multiple of the {len(devices)} devices. Received: {batch}"
        )
    # TensorFlow's collectives for CPUs mix up two strategies of one process; GPUs reduce by NCCL.
    reduction = None if gpus else tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy([device.name for device in devices], reduction)
