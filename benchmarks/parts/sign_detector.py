"""The detector of benchmarks/signs.py: trained on scenes, exported, attacked so that stop signs vanish.

    plates of signs, photographs ──scene camera──> scenes ──> detector ──> fp32, int8
    stop signs of tracks never seen ──one view | over views, until "nothing" or another sign──> maps of misses

Attacks draw photographs of training, maps those of validation. A sign is missed where no box of any class
shares a third of its place.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
from parts import figures

GTSRB = (14, 13, 17, 15, 12, 33, 18, 27)
"""Numbers in the German benchmark of the eight signs that `dimaging_tf.data.signs` draws, in its order."""
SCENES, EPOCHS, BATCH, RATE = 1600, 30, 32, 3e-3
STOP, NOTHING, OTHER = 1, 0, 4
"""Classes of the detector: the sign under attack, none at all, and the one it is to be taken for (no vehicles)."""


def judge(
    out: figures.Figures, train: tuple, valid: tuple, folder: Path, eps: float, quick: bool,
    foreign: dict[str, tuple[np.ndarray, np.ndarray]], pictures: Path | None,
) -> None:  # fmt: skip
    """Add the detector's rows. train, valid: plates float32 [N, 32, 32, 3] and classes, 1 to 8.

    foreign: signs that were attacked for another network, and the same clean, name -> (plates, classes).
    """
    from dimaging_edge import attacks, open_bundle
    from dimaging_export import export

    from dimaging_tf.data import photos, sign_scenes
    from dimaging_tf.evaluation import detection
    from dimaging_tf.models import sign_detector

    patches = photos.load_photos(96, 3)
    cameras = [sign_scenes.scene_camera(part) for part in (patches.train, patches.valid)]
    rng = np.random.default_rng(0)
    counts = (48, 16) if quick else (SCENES, 200)
    start = time.process_time()
    splits = [
        sign_scenes.compose(x, y - 1, camera, count, rng)
        for (x, y), camera, count in zip((train, valid), cameras, counts, strict=True)
    ]
    out.add("detector: scenes", time.process_time() - start, "", "CPU s")
    model = sign_detector.SignDetector(sign_detector.Config(names=sign_scenes.CLASSES))
    out.add("detector: training", learn(model, splits[0], 1 if quick else EPOCHS), "", "CPU s")
    x, mask = splits[1].inputs(), splits[1].label
    bundles = {
        p: open_bundle(
            export(
                model, folder / f"detector-{p}", precision=p, gradient=p == "fp32", data=(x, mask)
            ),
            threads=1,
        )
        for p in ("fp32", "int8")
    }

    def detector(precision: str) -> Any:
        def detect(images: np.ndarray) -> list:
            maps = bundles[precision].run("detector", image=images)
            return detection.read_maps(maps, sign_detector.STRIDE)

        return detect

    for precision in bundles:
        score = model.score(lambda g, p=precision, **a: bundles[p].run(g, **a), x, mask)
        out.add(f"detector, {precision}: F1 in scenes never seen", score, "", "%")
    stop = np.flatnonzero(valid[1] == STOP)
    stop = np.random.default_rng(1).permutation(stop)[: 2 if quick else 16]
    plates, y = valid[0][stop], valid[1][stop]
    oracle = attacks.of_bundle(bundles["fp32"])
    front = cameras[0].at(1.0, 0.0)(np.random.default_rng(2))
    one, steps = attacks.Bpda(oracle, front.apply, front.back), 2 if quick else 40
    gone, other = (attacks.Threat("linf", eps, target=k) for k in (NOTHING, OTHER))
    wide = attacks.Threat("linf", 2 * eps, target=NOTHING)
    views = [cameras[0]] * 6
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {"clean": (plates, y)}
    for name, run in {
        "one view, to vanish": lambda: attacks.pgd(
            one, plates, y, gone, steps=steps, certainty=0.9
        ),
        "over views, to vanish": lambda: attacks.robust(
            oracle, plates, y, gone, views, steps=steps, front=front
        ),
        "over views, eps doubled": lambda: attacks.robust(
            oracle, plates, y, wide, views, steps=steps, front=front
        ),
        "over views, to be another": lambda: attacks.robust(
            oracle, plates, y, other, views, steps=steps, front=front
        ),
    }.items():
        start = time.process_time()
        moved = run().x
        out.add(
            f"detector, {name}: cost of a sign", (time.process_time() - start) / len(y), "", "CPU s"
        )
        found[name] = np.rint(moved * 255).astype(np.float32) / np.float32(255), y
    maps = out.facts.setdefault("detector maps", {})
    for name, (moved, classes) in {**found, **foreign}.items():
        if not len(classes):
            continue
        for precision in bundles:
            seen = detection.read_views(
                detector(precision), moved, classes, cameras[1], draws=1 if quick else 3
            )
            for what, words in {"unseen": "missed", "other": "read as another"}.items():
                figure = f"detector, {precision}, {name}: {words}, mean of 16 cells"
                out.add(figure, seen.share(what))
            maps[f"{name}, {precision}"] = {
                what: (getattr(seen, what) / seen.pictures).round(3).tolist()
                for what in ("right", "other", "unseen")
            }
    if pictures:
        draw(pictures / "detector.png", found, detector("fp32"), cameras[1])


def learn(model: Any, scenes: Any, epochs: int) -> float:
    """Train, and return the processor time, s."""
    import keras

    start = time.process_time()
    steps = epochs * (len(scenes) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(
        RATE / 30, max(steps - 50, 1), warmup_target=RATE, warmup_steps=50
    )
    model.compile(keras.optimizers.Adam(rate))
    model.fit(scenes.inputs(), scenes.label, batch_size=BATCH, epochs=epochs, verbose=0)
    return time.process_time() - start


def draw(path: Path, found: dict, detect: Any, camera: Any) -> None:
    """Four signs, a column each: clean and attacked in turn, from the front and from elsewhere, framed."""
    from dimaging_tf.evaluation import detection, plots

    path.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    for distance, yaw in ((1.0, 0.0), (2.0, 40.0)):
        for plates, _ in found.values():
            seen = camera.at(distance, yaw)(np.random.default_rng(7)).apply(plates[:4])
            rows.append([detection.framed(i, f) for i, f in zip(seen, detect(seen), strict=True)])
    plots.save_grid(np.stack([np.stack(row) for row in rows]), path)
