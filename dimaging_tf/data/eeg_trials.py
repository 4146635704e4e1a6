"""Simulated EEG of a person who is about to press a key with the left or the right hand.

    readiness potential   a slow negative shift that grows until the key is pressed, strongest over the
                          motor cortex of the other side of the head (Kornhuber and Deecke 1965)
    background            36 sources all over the head, whose activity is a slow random walk with a decay
    rhythm                10 Hz from the back of the head, of random strength and phase
    sensor                white noise of each electrode

Every source reaches all electrodes, the nearer the stronger, so the noise of neighbouring channels is alike:
whoever weighs channels has to know its covariance. Half a second at 100 steps a second before each press.

x float32 [N, 50, 28] in microvolts; label int32 [N]: 0 left, 1 right.
"""

import numpy as np

from dimaging_tf.data.dataset import Dataset, Split

HANDS = ("left", "right")
STEPS, RATE = 50, 100.0
"""Steps of a trial, and steps a second."""
TRAIN, VALID = 400, 200
PLACES = np.stack(np.meshgrid(np.linspace(-1, 1, 7), np.linspace(-0.75, 0.75, 4)), -1).reshape(
    -1, 2
)
"""Electrodes [28, 2]: from left to right and from back to front, in radii of the head."""
_MOTOR = np.array([[0.5, 0.1], [-0.5, 0.1]])
"""The motor cortex that moves each hand: the right one for the left hand."""
_SPREAD = 0.45
"""How far a source is seen, in radii of the head."""


def draw_trials(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw trials float32 [count, 50, 28] and their hands int32 [count], in random order."""
    label = rng.permutation(np.arange(count) % 2).astype(np.int32)
    x = _background(count, rng) + _rhythm(count, rng)
    growth = (np.arange(STEPS) / (STEPS - 1)) ** 2
    strength = rng.uniform(1.0, 2.0, (count, 1, 1))
    # Half of the shift is common to both hands.
    seen = np.stack([_seen(place) for place in _MOTOR])
    pattern = 0.5 * seen.mean(0) + 0.5 * seen[label]
    x -= 5.0 * strength * growth[:, None] * pattern[:, None]
    x += rng.normal(scale=1.0, size=x.shape)
    return x.astype(np.float32), label


def load_eeg_trials(seed: int = 0) -> Dataset:
    """Draw 400 trials to learn from and 200 to judge by."""
    parts = []
    for stream, count in enumerate((TRAIN, VALID)):
        x, label = draw_trials(count, np.random.default_rng([seed, stream]))
        parts.append(Split(x, label, "series"))
    return Dataset(
        "eeg_trials", *parts, licence="Apache-2.0, simulated here", source="dimaging_tf.data.eeg_trials",
        summary="simulated EEG before a key press of the left or right hand, 28 channels", classes=HANDS,
        rate=RATE,
    )  # fmt: skip


def _seen(place: np.ndarray) -> np.ndarray:
    """Return how strongly every electrode sees a source, [28]."""
    return np.exp(-((PLACES - place) ** 2).sum(-1) / (2 * _SPREAD**2))


def _background(count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the activity of sources at fixed places, as the electrodes see it, [count, 50, 28]."""
    places = np.random.default_rng(28).uniform(-1, 1, (36, 2))
    pushes = rng.normal(scale=0.4, size=(STEPS, count, len(places)))
    activity = np.zeros_like(pushes)
    activity[0] = pushes[0] * 3.2  # about its spread in the long run
    for t in range(1, STEPS):
        activity[t] = 0.95 * activity[t - 1] + pushes[t]
    return np.einsum("tns,sc->ntc", activity, np.stack([_seen(place) for place in places]))


def _rhythm(count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw alpha waves from the back of the head, [count, 50, 28]."""
    phase = rng.uniform(0, 2 * np.pi, (count, 1)) + 2 * np.pi * 10 * np.arange(STEPS) / RATE
    strength = rng.exponential(3.0, (count, 1))
    return (strength * np.sin(phase))[..., None] * _seen(np.array([0.0, -0.9]))
