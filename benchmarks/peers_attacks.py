"""The attacks of foolbox, ART and onnx-ad beside ours: right steps, the scale of the logits, strength and cost.

    pip install 'dimaging[benchmarks]' && python benchmarks/peers_attacks.py

Three classifiers of mnist5k, trained here for seconds: the one of the other benchmarks, a small dense one, and one
that learnt from attacks. Everything on one thread. A FGSM image is wrong where a pixel whose gradient is more than
1/10,000 of the image's largest, by Keras in float64, went the other way than it says. The ensemble is APGD on the
cross-entropy, APGD on the difference of logits ratio and Square, in both libraries with the same steps and queries,
each on the images that are left.
"""

# The rivals are of an extra.
# pyright: reportMissingImports=false

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from parts import one_thread  # noqa: F401

# isort: split
import numpy as np
from parts import figures

EPS, DECIDED = 0.1, 1e-4
SCALES = (1, 2, 4, 8, 30, 100)
NETS: dict[str, tuple[str, dict[str, Any], float, float]] = {
    "convolutional": ("classifier", {}, 15, 0.1),
    "dense": ("classifier", {"channels": (4,), "units": 64}, 15, 0.1),
    "trained on attacks": ("adversarial_training", {"eps": 0.2, "steps": 3, "step": 0.5}, 6, 0.2),
}
"""Name -> (model, settings, epochs, eps)."""

Attack = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""images, labels -> images."""


def main() -> int:
    """Train three networks, attack them with every library."""
    args = figures.parser("peers_attacks", __doc__).parse_args()
    out = figures.Figures("peers_attacks", args.quick, args.json, facts={"eps": EPS})
    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    from dimaging_edge import attacks, open_bundle
    from dimaging_export import export

    from dimaging_tf.attacks.oracle import KerasOracle
    from dimaging_tf.data.dataset import to_float
    from dimaging_tf.training import runs

    count = 20 if args.quick else 200
    for number, (name, (model_name, changes, epochs, eps)) in enumerate(NETS.items()):
        settings = runs.default_settings(
            model_name, data="mnist5k", epochs=1 if args.quick else int(epochs), changes=changes
        )
        with tempfile.TemporaryDirectory() as folder:
            model = runs.train(settings, Path(folder) / "run")
            bundle = open_bundle(export(model, Path(folder, "b"), gradient=True), threads=1)
            onnx = attacks.of_bundle(bundle)
            zero = np.zeros((1, 28, 28, 1), np.float32)
            onnx.score(zero)
            onnx(zero, np.zeros(1, np.int64))
            valid = runs.load_data(settings).valid
            chosen = np.random.default_rng(0).permutation(len(valid))[:count]
            x, y = to_float(valid.x[chosen]), np.asarray(valid.label, np.int64)[chosen]
            if not number:
                # Attacks of ours leave an image alone that is misread already, so these are left out.
                first = np.flatnonzero(onnx.score(x).argmax(1) == y)[:100]
                oracles = {"ONNX": onnx, "Keras": KerasOracle(model.network)}
                steps(out, model, oracles, x[first], y[first])
                scales(out, model, x, y, 5 if args.quick else 20)
                costs(out, model, onnx, x[first], y[first])
                gradients(out, Path(folder, "b"), model, x[:50], y[:50])
        ensemble(out, name, model, onnx, x, y, eps, args.quick)
    return out.finish()


def foolbox_attack(network: Any, kind: str, eps: float, **settings: Any) -> Attack:
    """An attack of foolbox on a Keras network."""
    import eagerpy
    import foolbox
    import tensorflow as tf

    wrapped = foolbox.TensorFlowModel(network, bounds=(0, 1))
    attack = getattr(foolbox.attacks, kind)(**settings)

    def run(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        images, labels = (eagerpy.astensor(tf.constant(a)) for a in (x, y))
        _, clipped, _ = attack(wrapped, images, labels, epsilons=eps)
        return clipped.numpy()

    return run


def art_classifier(network: Any) -> Any:
    """A Keras network as ART takes it."""
    import tensorflow as tf
    from art.estimators.classification import TensorFlowV2Classifier

    return TensorFlowV2Classifier(
        model=network, nb_classes=10, input_shape=(28, 28, 1), clip_values=(0, 1),
        loss_object=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )  # fmt: skip


def art_attack(network: Any, kind: str, **settings: Any) -> Attack:
    """An attack of ART on a Keras network."""
    import art.attacks.evasion

    attack = getattr(art.attacks.evasion, kind)(art_classifier(network), **settings)
    return lambda x, y: attack.generate(x, y)


def bare(model: Any) -> Any:
    """The network as the libraries want it: images -> logits."""
    import keras

    return keras.Model(model.network.inputs, model.network.outputs[0])


def steps(out: figures.Figures, model: Any, oracles: dict, x: np.ndarray, y: np.ndarray) -> None:
    """Images in which FGSM moves a decided pixel the wrong way."""
    from dimaging_edge import attacks
    from dimaging_export.gradient.proof import keras_gradient

    truth = keras_gradient(model.network)(x, y)["gradient"]
    largest = np.abs(truth).reshape(len(x), -1).max(1)[:, None, None, None]
    decided = np.abs(truth) > DECIDED * largest
    expected = np.clip(x + np.float32(EPS) * np.sign(truth), 0, 1)
    network, threat = bare(model), attacks.Threat("linf", EPS)
    runs: dict[str, tuple[Attack, str]] = {
        f"ours, {name} oracle": (lambda x, y, o=oracle: attacks.fgsm(o, x, y, threat).x, "<= 0")
        for name, oracle in oracles.items()
    }
    runs["foolbox"] = foolbox_attack(network, "LinfFastGradientAttack", EPS, random_start=False), ""
    runs["ART"] = art_attack(network, "FastGradientMethod", eps=EPS), ""
    for name, (run, goal) in runs.items():
        moved = run(x, y)
        wrong = (np.abs(moved - expected) > EPS / 2) & decided
        count = int(wrong.reshape(len(x), -1).any(1).sum())
        out.add(f"FGSM: images with a wrong decided pixel, of {len(x)}, {name}", count, goal)


def scales(out: figures.Figures, model: Any, x: np.ndarray, y: np.ndarray, many: int) -> None:
    """Robust accuracy of one model whose logits are multiplied by 1 to 100: it decides alike."""
    from dimaging_edge import attacks

    from dimaging_tf.attacks.oracle import KerasOracle

    last = model.network.layers[-1]
    weights = last.get_weights()
    found: dict[str, list[float]] = {"ours": [], "foolbox": [], "ART": []}
    threat = attacks.Threat("linf", EPS)
    given = {"abs_stepsize": EPS / many * 2.5, "steps": many, "random_start": True}
    for scale in SCALES:
        last.set_weights([w * scale for w in weights])
        network, oracle = bare(model), KerasOracle(model.network)
        for name, run in {
            "ours": lambda x, y, o=oracle: attacks.pgd(o, x, y, threat, steps=many).x,
            "foolbox": foolbox_attack(network, "LinfPGD", EPS, **given),
            "ART": art_attack(
                network, "ProjectedGradientDescent", eps=EPS, eps_step=EPS / many * 2.5, max_iter=many,
                num_random_init=1, verbose=False, batch_size=100,
            ),
        }.items():  # fmt: skip
            found[name].append(float((oracle.score(run(x, y)).argmax(1) == y).mean()))
    last.set_weights(weights)
    out.facts["right under PGD by scale of the logits"] = {"scales": SCALES, "steps": many, **found}
    for name, values in found.items():
        goal = "<= 1" if name == "ours" else ""
        out.add(f"PGD-{many}, logits x1 to x100: right moves by, {name}", 100 * (max(values) - min(values)), goal, "points")  # fmt: skip


def costs(out: figures.Figures, model: Any, onnx: Any, x: np.ndarray, y: np.ndarray) -> None:
    """Processor time of 40 steps of PGD; none may leave the loop early: all are read rightly, and eps is tiny."""
    from dimaging_edge import attacks

    tiny, network = 1e-6, bare(model)
    threat = attacks.Threat("linf", tiny)
    given = {"abs_stepsize": tiny / 16, "steps": 40, "random_start": True}
    best: dict[str, float] = {}
    for name, run in {
        "ours, onnxruntime": lambda x, y: attacks.pgd(onnx, x, y, threat, steps=40).x,
        "foolbox": foolbox_attack(network, "LinfPGD", tiny, **given),
        "ART": art_attack(
            network, "ProjectedGradientDescent", eps=tiny, eps_step=tiny / 16, max_iter=40,
            num_random_init=1, verbose=False, batch_size=100,
        ),
    }.items():  # fmt: skip
        for _ in range(3):  # the first one traces
            start = time.process_time()
            run(x, y)
            best[name] = min(best.get(name, np.inf), time.process_time() - start)
        goal = "<= 0.5" if name.startswith("ours") else ""
        out.add(f"PGD-40 of {len(x)} images, {name}", best[name], goal, "CPU s")


def gradients(out: figures.Figures, folder: Path, model: Any, x: np.ndarray, y: np.ndarray) -> None:
    """The cosine of the gradient that onnx-ad writes to Keras in float64; ours has to be 1."""
    import onnx
    import onnxruntime
    from dimaging_edge import attacks, open_bundle
    from dimaging_export.gradient.proof import keras_gradient

    truth = keras_gradient(model.network)(x, y)["gradient"].reshape(len(x), -1)
    ours = attacks.of_bundle(open_bundle(folder, threads=1))(x, y)[0].reshape(len(x), -1)

    def cosine(found: np.ndarray) -> float:
        lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(truth, axis=1)
        return float(np.median((found * truth).sum(1) / np.maximum(lengths, 1e-30)))

    out.add("gradient of the file: cosine to float64, ours", cosine(ours), ">= 0.9999")
    try:
        from onnx_ad import reverse

        file = onnx.load(folder / "classifier.onnx")
        adjoint = reverse(file, layout="onnx")
        session = onnxruntime.InferenceSession(adjoint.SerializeToString())
        logits = open_bundle(folder, threads=1).run("classifier", image=x)["logits"].astype(float)
        rest = logits.copy()
        rest[np.arange(len(y)), y] = -np.inf
        slope = np.exp(rest - rest.max(1, keepdims=True))
        slope /= slope.sum(1, keepdims=True)
        slope[np.arange(len(y)), y] = -1
        feed = {"image": x, session.get_inputs()[1].name: slope[..., None].astype(np.float32)}
        wanted = session.get_outputs()[-1].name
        theirs = np.asarray(session.run([wanted], feed)[0]).reshape(len(x), -1)
        out.add("gradient of the file: cosine to float64, onnx-ad", cosine(theirs))
    except Exception as error:  # an alpha: whatever it does with this file is its result
        out.facts["onnx-ad"] = f"{type(error).__name__}: {str(error)[:200]}"


def ensemble(
    out: figures.Figures, name: str, model: Any, onnx: Any, x: np.ndarray, y: np.ndarray, eps: float,
    quick: bool,
) -> None:  # fmt: skip
    """APGD-CE, APGD-DLR and Square of both, on the images that are left; accuracy and processor time."""
    from dimaging_edge import attacks
    from dimaging_edge.robustness import Step
    from dimaging_edge.robustness.ensemble import run_plan

    many, queries = (5, 20) if quick else (50, 500)
    plan = (
        Step("CE", "apgd", {"steps": many}),
        Step("DLR", "apgd", {"steps": many, "loss": "dlr"}),
        Step("Square", "square", {"queries": queries}),
    )
    start = time.process_time()
    left = 100 * float(run_plan(onnx, x, y, attacks.Threat("linf", eps), plan, 0).right.mean())
    ours = time.process_time() - start
    network = bare(model)
    common = {"norm": np.inf, "eps": eps, "max_iter": many, "batch_size": 100, "verbose": False}
    theirs: list[Attack] = [
        art_attack(network, "AutoProjectedGradientDescent", nb_random_init=1, eps_step=2 * eps, loss_type=loss, **common)
        for loss in ("cross_entropy", "difference_logits_ratio")
    ]  # fmt: skip
    theirs.append(
        art_attack(network, "SquareAttack", **{**common, "max_iter": queries, "nb_restarts": 1})
    )
    for run in theirs:
        run(x[:2], y[:2])  # the first images trace the network; ours is warm since it was opened
    start = time.process_time()
    right = onnx.score(x).argmax(1) == y
    for run in theirs:
        todo = np.flatnonzero(right)
        if len(todo):
            moved = np.clip(run(x[todo], y[todo]), 0, 1).astype(np.float32)
            right[todo] = onnx.score(moved).argmax(1) == y[todo]
    spent = time.process_time() - start
    out.add(f"{name}: right under the ensemble, ours", left, "", "%")
    out.add(f"{name}: right under the ensemble, ART", 100 * right.mean(), "", "%")
    out.add(f"{name}: ours over ART's", left - 100 * right.mean(), "<= 1", "points")
    out.add(f"{name}: processor time, ours / ART", ours / spent, "<= 1")
    out.facts[f"{name}, CPU s"] = {"ours": round(ours, 2), "ART": round(spent, 2)}


if __name__ == "__main__":
    sys.exit(main())
