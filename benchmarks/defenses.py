"""Training on attacks, judged by an ensemble of attacks: MNIST in linf .3.

    python benchmarks/defenses.py --data DIR [--minutes 5] [--seeds 5] [--models adversarial_training,trades]

DIR holds mnist.npz (or set DIMAGING_DATA). Each model is trained so many minutes of processor time on one
thread. The figure is the share of 1,000 test digits that stay right under APGD-CE, APGD-DLR and Square-5000 in
a row, each on those that are left; a run has collapsed where less than half of them stay. Anchors: Wong et al.
98.5 % clean and 82.9 % under AutoAttack, Madry et al. 88.4 %.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from parts import one_thread  # noqa: F401

# isort: split
import numpy as np
from parts import figures

EPS, COLLAPSED = 0.3, 0.5
RECIPES: dict[str, dict[str, Any]] = {
    "adversarial_training": {"steps": 2, "step": 0.75, "ramp": 3000},
    "one_step": {"steps": 1, "step": 1.25},  # FGSM-RS, with the guard
    "pgd": {"steps": 7},
    "trades": {"steps": 5, "pull": 6.0},
    "logit_pairing": {"steps": 1, "step": 1.25},
}
"""Name -> settings; "one_step" and "pgd" are adversarial training with one and seven steps."""


def main() -> int:
    """Train each model with each seed, and attack it."""
    p = figures.parser("defenses", __doc__, "mnist.npz")
    p.add_argument("--minutes", type=float, default=5, help="processor time of each training")
    p.add_argument("--seeds", type=int, default=5, help="trainings of the first model")
    p.add_argument(
        "--models", default="adversarial_training", help=f"of {', '.join(RECIPES)}; by commas"
    )
    args = p.parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    names = args.models.split(",")
    out = figures.Figures("defenses", args.quick, args.json, facts={"eps": EPS})
    minutes, count = (0.05, 20) if args.quick else (args.minutes, 1000)
    out.facts |= {"minutes": minutes, "images": count}
    for name in names:
        seeds = range(1 if args.quick or name != names[0] else args.seeds)
        found = [robust(name, seed, minutes, args.data, count, args.quick) for seed in seeds]
        clean, left = (np.array(values) for values in zip(*found, strict=True))
        out.facts[name] = {"clean": clean.tolist(), "left": left.tolist()}
        goals = (">= 98.5", ">= 84", "<= 0") if name == names[0] else ("", "", "")
        out.add(f"{name}: right as they are, mean", 100 * clean.mean(), goals[0], "%")
        out.add(f"{name}: right under the ensemble, mean", 100 * left.mean(), goals[1], "%")
        out.add(f"{name}: the worst seed", 100 * left.min(), "", "%")
        out.add(
            f"{name}: collapsed, of {len(found)}", int((left < COLLAPSED * clean).sum()), goals[2]
        )
    return out.finish()


def robust(
    name: str, seed: int, minutes: float, data: Path, count: int, quick: bool
) -> tuple[float, float]:
    """Train, and return the shares that are right as they are and under the ensemble."""
    from dimaging_edge import attacks
    from dimaging_edge.robustness import PLANS
    from dimaging_edge.robustness.ensemble import run_plan

    from dimaging_tf.attacks.oracle import KerasOracle
    from dimaging_tf.data.dataset import to_float
    from dimaging_tf.training import runs

    model_name = "adversarial_training" if name in ("one_step", "pgd") else name
    settings = runs.default_settings(
        model_name, data="mnist", data_options={"data_dir": str(data)}, minutes=minutes, batch=128, seed=seed,
        learning_rate=2e-3, changes={"eps": EPS, "test_steps": 1 if quick else 4, **RECIPES[name]},
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        runs.train(settings, Path(folder) / "run", clock=time.process_time)
        model = runs.load_model(Path(folder) / "run")
    valid = runs.load_data(settings).valid
    chosen = np.random.default_rng(0).permutation(len(valid))[:count]
    x, y = to_float(valid.x[chosen]), np.asarray(valid.label, np.int64)[chosen]
    plan = PLANS["quick" if quick else "thorough"]
    outcome = run_plan(
        KerasOracle(model.network), x, y, attacks.Threat("linf", EPS), plan, seed=0
    )  # fmt: skip
    print(f"  {name}, seed {seed}: {outcome.rows}", file=sys.stderr, flush=True)
    return outcome.rows[0][1], float(outcome.right.mean())


if __name__ == "__main__":
    sys.exit(main())
