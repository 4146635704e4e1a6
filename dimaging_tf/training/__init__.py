"""Training: callbacks for `fit` scripts, the runs of `dimaging train`, and what a `train_step` needs."""

from typing import TYPE_CHECKING

from dimaging_edge.common.lazy import lazy_names

if TYPE_CHECKING:
    from dimaging_tf.training.callbacks import (
        Animation,
        Checkpoint,
        RunRecord,
        SampleGrid,
        StopOnInterrupt,
        StopOnNaN,
        TimeBudget,
    )

__all__ = [
    "Animation",
    "Checkpoint",
    "RunRecord",
    "SampleGrid",
    "StopOnInterrupt",
    "StopOnNaN",
    "TimeBudget",
]

__getattr__ = lazy_names(__name__, dict.fromkeys(__all__, "callbacks"))
