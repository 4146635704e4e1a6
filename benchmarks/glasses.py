"""Glasses on and off, for people that the VAE never saw.

    python benchmarks/glasses.py --data DIR      DIR holds olivetti.npz (or set DIMAGING_DATA)

Olivetti, 40 people, 32x32. Five folds by person: a convolutional VAE learns 32 people, and the other 8 are
edited with the mean difference of the 32 people's codes, their eyes aligned. A training takes
8000 steps of 32 pictures, three minutes of one core; every fold is trained from three seeds.

Judges are trained apart, on photographs only:
    glasses    photographs of the 32 people, mirrored and moved; unseen people are judged by the mean of two
               support vector machines, on histograms of oriented gradients about the eyes and on the
               gradients themselves: the best pair of six, by cross-validations among each fold's 32 people
    identity   of the 8 people, who are unknown to the VAE: linear discriminants of half of their photographs
               name the person in the other half, and the reverse

Gain over plain reconstruction: a rate counts the faces that the judge reads rightly in the plain
reconstruction, and that the vector turns; what is lost by reconstruction alone never counts as removed.
A random vector is as long as the real one and turns a face either way. Identity is kept where the judge
names the true person of an edited face.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from parts import figures

FOLDS, SCALES, DRAWS = 5, (1.0, 1.5), 100
BARE = ", bare faces whose reconstruction is bare"
KEPT = ", wearers whose plain reconstruction keeps the glasses"
"""Whom a rate counts, in its name."""


def main() -> int:
    """Train a VAE for each seed and fold, edit, judge."""
    p = figures.parser("glasses", __doc__, "olivetti.npz")
    p.add_argument("--steps", type=int, default=8000, help="of each training (default: 8000)")
    p.add_argument("--seeds", type=int, default=3, help="trainings of each fold (default: 3)")
    p.add_argument("--keep", type=Path, help="folder of the trained models, used again if there")
    args = p.parse_args()
    steps, folds, seeds = (200, 1, 1) if args.quick else (args.steps, FOLDS, args.seeds)

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    image, glasses, person = faces(args.data)
    found: dict[str, list[float]] = {}
    for fold, unseen in enumerate(split(glasses, person)[:folds]):
        test = np.isin(person, unseen)
        judges = glasses_judges(image[~test], glasses[~test])
        who = identity_judge(image[test], person[test])
        for seed in range(seeds):
            model = trained(image[~test], steps, 10 * seed + fold, args.keep)
            figure = measure(
                model, image, glasses, test, judges, who, fold, 5 if args.quick else DRAWS
            )
            for name, value in figure.items():
                found.setdefault(name, []).append(value)
            now = {name: round(value, 2) for name, value in figure.items()}
            print(f"fold {fold} seed {seed}", now, file=sys.stderr)

    out = figures.Figures("glasses", args.quick, args.json)
    people = "32 seen, 8 unseen in each fold"
    out.facts |= {"trainings": found, "steps": steps, "seeds": seeds, "people": people}
    goals = {
        f"adds, scale 1.5{BARE}": ">= 85", f"removes, scale 1.5{KEPT}": ">= 85",
        "random vector turns, scale 1.5": "<= 5", "identity kept, scale 1.5": ">= 70",
    }  # fmt: skip
    for name, values in found.items():
        unit = "dB" if "PSNR" in name else "%"
        out.add(name, float(np.nanmean(values)), goals.get(name, ""), unit)
    by_seed = np.array(found[f"adds, scale 1.5{BARE}"]).reshape(folds, seeds)
    out.add("adds, scale 1.5, worst seed", float(np.nanmean(by_seed, 0).min()), "", "%")
    return out.finish()


def faces(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Photographs float32 [400, 32, 32, 1] in [0, 1], glasses 0/1 and person 0..39, both [400]."""
    from dimaging_tf.data.dataset import to_float
    from dimaging_tf.data.npz import read_npz
    from dimaging_tf.data.olivetti import OLIVETTI, load_olivetti

    data = load_olivetti(folder)
    image = to_float(np.concatenate([data.train.x, data.valid.x]))
    person, glasses = read_npz(folder / OLIVETTI.path, ("person", "glasses")).values()
    order = np.concatenate([np.where(person < 32)[0], np.where(person >= 32)[0]])
    return image, glasses[order].astype(int), person[order].astype(int)


def split(glasses: np.ndarray, person: np.ndarray) -> list[np.ndarray]:
    """FOLDS sets of people, alike in how many wear glasses."""
    share = np.array([glasses[person == who].mean() for who in range(person.max() + 1)])
    order = np.random.default_rng(0).permutation(len(share))
    order = order[np.argsort(-share[order], kind="stable")]
    return [order[fold::FOLDS] for fold in range(FOLDS)]


def trained(image: np.ndarray, steps: int, seed: int, keep: Path | None) -> Any:
    """The VAE of these people."""
    import keras

    from dimaging_tf.data import pipeline
    from dimaging_tf.data.augment import augmentation
    from dimaging_tf.data.dataset import Split
    from dimaging_tf.models.vae_faces import Config, FaceVAE

    path = keep and keep / f"glasses-{steps}-{seed}.keras"
    if path and path.exists():
        return keras.saving.load_model(path)
    keras.utils.set_random_seed(seed)
    vary = augmentation("joined_faces")
    batches = pipeline.batches(
        Split(image), 32, seed=seed, transform=lambda x, y, draw: vary(x, y, draw)[0]
    )
    model = FaceVAE(Config((32, 32, 1), seed=seed))
    rate = keras.optimizers.schedules.CosineDecay(0.0, steps, warmup_target=5e-3, warmup_steps=100)
    # The first gradients are a thousand times the later ones; cut, they let Adam go on fast.
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1000.0))
    model.fit(batches, steps_per_epoch=steps, epochs=1, shuffle=False, verbose=0)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        model.save(path)
    return model


def measure(
    model: Any, image: np.ndarray, glasses: np.ndarray, test: np.ndarray,
    judges: dict[str, Any], who: Any, fold: int, draws: int,
) -> dict[str, float]:  # fmt: skip
    """Every figure of one training, in percent but for the PSNR."""
    from dimaging_tf.evaluation import metrics
    from dimaging_tf.latent import arithmetic
    from dimaging_tf.latent.faces import glasses_vector
    from dimaging_tf.latent.space import open_space

    space = open_space(model)
    vector = glasses_vector(space, image[~test], glasses[~test])
    truth, photo, z = glasses[test] == 1, image[test], space.encode(image[test])
    plain = space.decode(z)
    both = judges["both"]
    out = {
        "PSNR of reconstructions, unseen people": metrics.psnr(plain, photo),
        "judge right, photographs": percent((both(photo) > 0) == truth),
        "judge right, plain reconstructions": percent((both(plain) > 0) == truth),
        "identity judge right, photographs": percent(who(photo)),
        "identity judge right, plain reconstructions": percent(who(plain)),
    }
    bare, wearing = ~truth & (both(plain) < 0), truth & (both(plain) > 0)
    out["glasses that plain reconstruction keeps"] = percent(both(plain)[truth] > 0)
    for scale in SCALES:
        more, less = space.decode(z + scale * vector), space.decode(z - scale * vector)
        out[f"without glasses after removing, scale {scale:g}, all wearers"] = percent(
            both(less)[truth] < 0
        )
        out[f"adds, scale {scale:g}{BARE}"] = percent(both(more)[bare] > 0)
        out[f"removes, scale {scale:g}{KEPT}"] = percent(both(less)[wearing] < 0)
        edited = np.concatenate([who(more)[~truth], who(less)[truth]])
        out[f"identity kept, scale {scale:g}"] = percent(edited)
    drawn = [SCALES[-1] * arithmetic.random_like(vector, 1000 * fold + k) for k in range(draws)]
    found = np.stack([both(space.decode(z + r)) > 0 for r in drawn])
    out["random vector turns, scale 1.5"] = percent((found != truth)[:, bare | wearing])
    out["random vector adds, scale 1.5"] = percent(found[:, bare])
    out["random vector removes, scale 1.5"] = percent(~found[:, wearing])
    # The same by each judge alone, at the largest scale.
    for name in ("edges", "slopes"):
        judge = judges[name]
        bare, wearing = ~truth & (judge(plain) < 0), truth & (judge(plain) > 0)
        out[f"judge of {name} alone: right, photographs"] = percent((judge(photo) > 0) == truth)
        out[f"judge of {name} alone: adds, scale 1.5{BARE}"] = percent(judge(more)[bare] > 0)
        out[f"judge of {name} alone: removes, scale 1.5{KEPT}"] = percent(judge(less)[wearing] < 0)
    return out


def glasses_judges(image: np.ndarray, glasses: np.ndarray) -> dict[str, Any]:
    """Name -> images [N, 32, 32, 1] to a decision [N], above 0 with glasses."""
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    more, label = moved(image, glasses, 6, 2)
    found = {}
    for name, see in (("edges", edges), ("slopes", slopes)):
        machine = SVC(C=1, class_weight="balanced")
        judge = make_pipeline(StandardScaler(), PCA(80, random_state=0), machine)
        judge.fit(see(more), label)
        found[name] = lambda x, judge=judge, see=see: judge.decision_function(see(x))
    return found | {"both": lambda x: found["edges"](x) + found["slopes"](x)}


def identity_judge(image: np.ndarray, person: np.ndarray) -> Any:
    """Versions of the images -> whether each is taken for its person, by the half it is not in."""
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.pipeline import make_pipeline

    half = np.arange(len(image)) % 2
    judges = []
    for other in (1, 0):
        more, label = moved(image[half == other], person[half == other], 6, 1)
        discriminant = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        judge = make_pipeline(PCA(80, whiten=True, random_state=0), discriminant)
        judges.append(judge.fit(flat(more), label))

    def right(versions: np.ndarray) -> np.ndarray:
        named = np.stack([judge.predict(flat(versions)) for judge in judges])
        return named[half, np.arange(len(half))] == person

    return right


def moved(
    image: np.ndarray, label: np.ndarray, copies: int, reach: int
) -> tuple[np.ndarray, np.ndarray]:
    """The images, their mirror images, and copies of either moved by up to `reach` pixels."""
    rng = np.random.default_rng(0)
    both, size = (image, image[:, :, ::-1]), image.shape[1]
    found = list(both)
    for _ in range(copies):
        padded = np.pad(both[rng.integers(2)], ((0, 0), (reach,) * 2, (reach,) * 2, (0, 0)), "edge")
        y, x = rng.integers(0, 2 * reach + 1, 2)
        found.append(padded[:, y : y + size, x : x + size])
    return np.concatenate(found), np.tile(label, len(found))


def edges(image: np.ndarray) -> np.ndarray:
    """Histograms of oriented gradients in the rows of the eyes, enlarged (Dalal and Triggs 2005)."""
    from skimage.feature import hog
    from skimage.transform import resize

    large = (resize(x[4:22, :, 0], (36, 64), order=3) for x in image)
    return np.stack([hog(x, 9, (6, 6), (2, 2), "L2-Hys") for x in large])


def slopes(image: np.ndarray) -> np.ndarray:
    """Sizes of the differences of neighbours in the rows of the eyes, over their mean in the picture."""
    eyes = image[:, 5:20, :, 0]
    down, right = np.diff(eyes, axis=1)[:, :, :-1], np.diff(eyes, axis=2)[:, :-1]
    found = flat(np.abs(np.concatenate([right, down], 1)))
    return found / np.maximum(found.mean(1, keepdims=True), 1e-3)


def flat(image: np.ndarray) -> np.ndarray:
    """[N, ...] -> [N, pixels]."""
    return image.reshape(len(image), -1)


def percent(yes: np.ndarray) -> float:
    """Share of true, NaN of nothing."""
    return 100 * float(np.mean(yes)) if np.size(yes) else float("nan")


if __name__ == "__main__":
    sys.exit(main())
