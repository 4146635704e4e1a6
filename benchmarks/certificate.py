"""The certificate: how many of 10,000 test digits no attack within .3 can change, proven by a file of the bundle.

    python benchmarks/certificate.py --data DIR [--minutes 5] [--run RUN]     DIR holds mnist.npz (or DIMAGING_DATA)
    python benchmarks/certificate.py --choose [--set units=200]     judged on 5,000 digits held back from training

RUN: a run folder that this command trained before; without it a run is trained, in so many minutes of
processor time on one thread, and the weights of its last step are judged, for the test digits choose nothing;
another recipe is compared with --choose, which reads none of them. The classifier is exported in whole numbers, so its bounds are exact, and in
float32, whose bounds are widened by what rounding can do; both are compared with float64. Then an ensemble of
attacks (APGD on two losses, its gradient straight through the threshold, and random squares) tries to change
images, the certified ones too. Anchors: Gowal et al. 2018 91.95 % certified, Madry et al. 88.43 % measured.
"""

import ast
import json
import shutil
import sys
import tempfile
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from parts import one_thread  # noqa: F401

# isort: split
import numpy as np
from parts import figures

EPS = 0.3
CURVE = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.31, 0.35, 0.4)
GOALS = {5: ">= 89", 20: ">= 91", 60: ">= 92"}
"""Minutes of training -> goal of the certified share, %."""
NETWORKS: dict[float, tuple[dict[str, Any], int]] = {
    0: ({}, 1900),
    20: ({"channels": (32, 64), "units": 200}, 900),
    60: ({"channels": (48, 96), "units": 256}, 420),
}
"""Least minutes of training -> the network, and its optimizer steps in a minute of one core.

Eps grows by these steps. The network of 5 minutes certifies no more of its training digits than of others, so what
it lacks is size, and more time has a wider one.
"""
HELD = 5000
"""Training digits, the last, that --choose holds back."""


def main() -> int:
    """Train if need be, export, certify, attack."""
    p = figures.parser("certificate", __doc__, "mnist.npz")
    p.add_argument("--minutes", type=float, default=5, help="processor time of training")
    p.add_argument("--run", type=Path, help="a run folder; None: train one")
    p.add_argument("--out", type=Path, help="folder for the run (default: none is kept)")
    p.add_argument("--train-only", action="store_true", help="train into --out, measure nothing")
    p.add_argument("--choose", action="store_true", help="judge on training digits held back")
    p.add_argument("--set", nargs="*", default=[], help="with --choose: NAME=NUMBER of the recipe")
    args = p.parse_args()
    minutes = 0.1 if args.quick else args.minutes

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    from dimaging_edge import open_bundle
    from dimaging_export import export

    from dimaging_tf.training import runs

    with tempfile.TemporaryDirectory() as folder:
        run = args.run or args.out or Path(folder) / "run"
        if args.choose:
            return choose(minutes, args.data, Path(folder), args.set)
        if args.run is None:
            runs.train(settings(minutes, args.data), run, clock=time.process_time)
            shutil.copy(run / "last.keras", run / "best.keras")  # best on the digits that judge
        if args.train_only:
            return 0
        path = args.json
        if path is None and minutes != 5 and not args.quick:  # each budget has a file of its own
            path = figures.RESULTS / f"certificate_{minutes:g}.json"
        facts = {
            "eps": EPS,
            "minutes": minutes,
            "chosen by": f"{HELD} digits held back from training",
            "judged by": "the 10,000 test digits",
        }
        out = figures.Figures("certificate", args.quick, path, facts=facts)
        bundles = {
            p: open_bundle(
                export(run, Path(folder, p), precision=p, certificate=True, gradient=p == "fp32"),
                threads=1,
            )
            for p in ("integer", "fp32")
        }
        model, valid = runs.load_model(run), runs.load_data(runs.read_settings(run)).valid
        out.facts["steps"] = int(model.optimizer.iterations)
        count = 500 if args.quick else len(valid)
        from dimaging_tf.data.dataset import to_float

        x, y = to_float(valid.x[:count]), np.asarray(valid.label[:count], np.int64)
        certified(out, bundles, x, y, GOALS.get(round(minutes), ""))
        rounding(out, model, bundles["fp32"], x[:1000], y[:1000])
        attacked(out, bundles, x[:1000], y[:1000], 100 if args.quick else 1000)
    return out.finish()


def settings(minutes: float, data: Path) -> Any:
    """The run: eps grows over more than half of it; then the learning rate, high so far, falls."""
    from dimaging_tf.training import runs

    network, a_minute = NETWORKS[max(least for least in NETWORKS if least <= minutes)]
    steps = round(minutes * a_minute)
    return runs.default_settings(
        "interval_training", data="mnist", data_options={"data_dir": str(data)}, minutes=minutes, batch=128,
        changes={"start": steps * 3 // 100, "ramp": max(1, steps * 55 // 100), **network},
    )  # fmt: skip


def choose(minutes: float, data: Path, folder: Path, changes: list[str]) -> int:
    """Train on all but the last of the training digits and print what is certified of those."""
    from dimaging_tf.training import runs

    with np.load(data / "mnist.npz") as file:
        x, y = file["x_train"], file["y_train"]
    np.savez(
        folder / "mnist.npz",
        x_train=x[:-HELD], y_train=y[:-HELD], x_test=x[-HELD:], y_test=y[-HELD:],
    )  # fmt: skip
    given = settings(minutes, folder)
    for name, value in (change.split("=") for change in changes):
        number = ast.literal_eval(value)
        if name in {f.name for f in fields(given)}:
            given = replace(given, **{name: number})
        else:
            given.changes[name] = number
    runs.train(given, folder / "run", clock=time.process_time)
    last = json.loads((folder / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    print(" ".join(changes), {k: round(v, 4) for k, v in last.items()}, flush=True)
    return 0


def certified(
    out: figures.Figures, bundles: dict[str, Any], x: np.ndarray, y: np.ndarray, goal: str
) -> None:
    """The share that no attack can change, by eps; and the time that the proof takes."""
    from dimaging_edge.robustness import certify

    whole = bundles["integer"]
    certify(whole, x[:100], y[:100], EPS)  # the sessions
    session = whole.session("certificate")
    begin = time.process_time()
    for i in range(0, len(x), 500):
        feed = {
            "image": x[i : i + 500],
            "label": y[i : i + 500],
            "eps": np.array([EPS], np.float32),
        }
        session.run(None, feed)
    spent = time.process_time() - begin
    found = certify(whole, x, y, EPS)
    out.add(f"right as they are, of {len(x)}", 100 * found.clean.share, ">= 96.5", "%")
    out.add("certified at .3, whole numbers", 100 * found.figure.share, goal, "%")
    out.facts["interval of it"] = [100 * found.figure.low, 100 * found.figure.high]
    floats = certify(bundles["fp32"], x, y, EPS).figure.share
    out.add("certified at .3, float32", 100 * floats, "", "%")
    out.add(f"processor time of {len(x)} certificates", spent, "<= 1", "CPU s")
    out.facts["certified by eps, %"] = {
        f"{eps:g}": round(100 * certify(whole, x, y, eps).figure.share, 2) for eps in CURVE
    }


def rounding(out: figures.Figures, model: Any, bundle: Any, x: np.ndarray, y: np.ndarray) -> None:
    """Verdicts of the float32 file that float64 does not give; a false one would be unsound."""
    from dimaging_edge.robustness import certify
    from dimaging_export.certificate.proof import keras_bound

    found = certify(bundle, x, y, EPS).certified
    bound = keras_bound(model.network)
    # Float64 decides ties at the threshold either way, so it gets an eps that is a hair larger.
    truth = bound(x, y, EPS + 1e-6) < 0 if bound else np.zeros(len(x), bool)
    out.add("certified by float32 and not by float64, of 1000", int((found & ~truth).sum()), "<= 0")
    out.add("certified by float64 and not by float32, of 1000", int((truth & ~found).sum()))


def attacked(
    out: figures.Figures, bundles: dict[str, Any], x: np.ndarray, y: np.ndarray, queries: int
) -> None:
    """Certified images that an attack changes, and how far the bound lies below the attacks' figure."""
    from dimaging_edge import attacks
    from dimaging_edge.robustness import certify

    deployed = attacks.of_bundle(bundles["integer"])
    oracle = attacks.Transfer(attacks.of_bundle(bundles["fp32"]), deployed)
    threat = attacks.Threat("linf", EPS)
    right = deployed.score(x).argmax(1) == y
    for name, given in (
        ("pgd", {"steps": 60, "restarts": 2}), ("apgd", {"steps": 50}),
        ("apgd", {"steps": 50, "loss": "dlr"}), ("square", {"queries": queries}),
    ):  # fmt: skip
        todo = np.flatnonzero(right)
        source = deployed if name == "square" else oracle
        result = attacks.ATTACKS[name].run(source, x[todo], y[todo], threat, seed=0, **given)
        right[todo[result.success]] = False
    proven = certify(bundles["integer"], x, y, EPS).certified
    out.add(f"right under all attacks, {len(x)} images", 100 * right.mean(), "", "%")
    out.add("certified of the same images", 100 * proven.mean(), "", "%")
    out.add("certified images that an attack changed", int((proven & ~right).sum()), "<= 0")


if __name__ == "__main__":
    sys.exit(main())
