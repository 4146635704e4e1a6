"""Simulated cells that go round their cycle, one noisy measurement a frame, and the phase of every frame.

    phase     G1 -> S -> G2 -> M -> G1 ...     stays as it is from frame to frame with a chance of its own
    measured  0, 1, 2, 3 for the four phases, plus Gaussian noise

What is simulated is a hidden Markov model, so the best that any model can do is known exactly: see
`dimaging_tf.data.markov`.

x float32 [N, 60, 1]; label int32 [N, 60]: one of four phases a frame.
"""

import numpy as np

from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.data.markov import Chain

PHASES = ("G1", "S", "G2", "M")
STAY = (0.92, 0.90, 0.85, 0.70)
"""The chance that a phase goes on for another frame."""
STEPS = 60
"""Frames of a sequence."""
TRAIN, VALID = 8000, 1000


def cell_cycle(noise: float = 1.0) -> Chain:
    """Return the process that is simulated; noise: standard deviation, where phases are 1 apart."""
    count = len(PHASES)
    change = np.diag(STAY) + np.roll(np.diag(1 - np.array(STAY)), 1, axis=1)
    return Chain(np.full(count, 1 / count), change, np.arange(count, dtype=float), noise)


def load_cell_phases(seed: int = 0) -> Dataset:
    """Draw 8,000 sequences to learn from and 1,000 to judge by, at noise 1."""
    parts = []
    for stream, count in enumerate((TRAIN, VALID)):
        x, label = cell_cycle().draw(count, STEPS, np.random.default_rng([seed, stream]))
        parts.append(Split(x[..., None].astype(np.float32), label.astype(np.int32), "series"))
    return Dataset(
        "cell_phases", *parts, licence="Apache-2.0, simulated here", source="dimaging_tf.data.cell_phases",
        summary="simulated cells in four phases of their cycle, 60 noisy frames", classes=PHASES,
    )  # fmt: skip
