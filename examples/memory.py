"""What a recurrent network remembers: powers of its matrix, and gradients through time, as three pictures.

python examples/memory.py --out docs/memory
"""

import argparse
from pathlib import Path

import numpy as np

from dimaging_tf.evaluation import plots
from dimaging_tf.sequence import memory

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--units", type=int, default=64)
parser.add_argument("--steps", type=int, default=1500, help="of the powers of W")
parser.add_argument("--out", type=Path, default=Path("runs/example-memory"))
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
n, rng = args.units, np.random.default_rng(0)
h = rng.normal(size=n)
h /= np.linalg.norm(h)


def lengths(radius: float) -> np.ndarray:
    """|h_t| of h_t = W h_(t-1), and a check of the lecture's identity on the way."""
    w = memory.symmetric_matrix(n, radius)
    steps = memory.states_step_by_step(w, h, 200)
    found = memory.states_by_eigenvalues(w, h, 200)
    error = np.linalg.norm(steps - found, axis=1) / np.linalg.norm(steps, axis=1)
    print(f"W^t h = Q L^t Q^T h, largest eigenvalue {radius}: relative error {error.max():.1e}")
    return np.linalg.norm(steps, axis=1)[1:]


symmetric = plots.curves(
    {f"largest eigenvalue {radius}": lengths(radius) for radius in (0.9, 1.0, 1.1)},
    "A symmetric W: the largest eigenvalue decides",
    x="t, steps", y="length of W^t h", log=True,
)  # fmt: skip

matrices = {
    "symmetric": memory.symmetric_matrix(n, 0.9),
    "orthogonal times 0.9": 0.9 * memory.orthogonal_matrix(n),
    "triangular, not normal": memory.triangular_matrix(n, 0.9),
}
norms = {name: memory.power_norms(w, args.steps) for name, w in matrices.items()}
for name, norm in norms.items():
    print(
        f"|W^t|, {name}: "
        + ", ".join(f"{norm[t - 1]:.1e} at {t}" for t in (1, 10, 100, args.steps))
    )
normal = plots.curves(
    norms, "Three W, all of whose eigenvalues are 0.9 or less", x="t, steps", y="|W^t|", log=True
)

inputs = 0.3 * rng.normal(size=(100, n))
gains = {}
for scale in (0.9, 1.0, 1.5):
    w = scale * memory.orthogonal_matrix(n)
    gains[f"tanh network, orthogonal W times {scale}"] = memory.rnn_gradients(w, inputs)
w = 2 * rng.normal(size=(n, n)) / np.sqrt(n)
gains["tanh network, Gaussian W times 2"] = memory.rnn_gradients(w, inputs)
kernel, recurrent = rng.normal(size=(2, n, 4 * n)) / np.sqrt(n)
for bias in (0, 1, 3):
    biases = np.repeat([0.0, bias, 0.0, 0.0], n)
    gains[f"LSTM, forget bias {bias}"] = memory.lstm_gradients(kernel, recurrent, biases, inputs)
for name, gain in gains.items():
    print(f"{name}: " + ", ".join(f"{gain[k - 1]:.0e} after {k}" for k in (10, 50, 100)))
gradients = plots.curves(
    gains, "What a state still says about one k steps later",
    x="k, steps", y="gain of the gradient", log=True,
)  # fmt: skip

for name, figure in {"eigenvalues": symmetric, "normal": normal, "gradients": gradients}.items():
    plots.save_figure(figure, args.out / f"{name}.png")
print(f"three pictures, the last of them: {args.out / 'gradients.png'}")
