"""The demo's map of distance and angle: how often photographs of an attacked traffic sign are misread.

    eight drawn signs ──PGD on one view | over the camera's views──> the same signs, within eps
    each of them ──camera: 4 distances x 4 angles──> shipped classifier_signs ──> map: share misread

Lu et al. 2017 (arXiv 1707.03501): a sign attacked in one view is read again from elsewhere. Athalye et al.
2018 (arXiv 1707.07397): one attacked over the views is not. Drawn signs have few and strong colours, so they
take twice the eps of photographed ones (benchmarks/signs.py).
"""

from pathlib import Path

import numpy as np
from dimaging_edge import attacks
from dimaging_edge.attacks.wrapped import Bpda
from dimaging_edge.bundle.open import open_bundle
from dimaging_edge.common.camera import Camera
from dimaging_edge.photo.bundle_model import located
from dimaging_edge.robustness.view_map import ViewMap, view_map

from dimaging_tf.data import signs
from dimaging_tf.evaluation import plots

_SIDE, _VIEWS = 32, 6


def sign_maps(
    eps: float = 32 / 255, steps: int = 20, copies: int = 1, draws: int = 4, seed: int = 0
) -> dict[str, ViewMap]:
    """Return the maps of signs as they are, attacked in one view, and attacked over views.

    eps     largest change of a pixel; black to white is 1
    steps   steps of each attack
    copies  weathered plates of each of the eight signs
    draws   pictures of each plate in a cell

    Signs that the classifier misreads from the front are left out.
    """
    file = attacks.of_bundle(open_bundle(located("classifier_signs"), threads=1))
    oracle = Bpda(file, _grey_levels, _grey_levels)
    rng, camera = np.random.default_rng(seed), Camera(_SIDE)
    labels = np.repeat(np.arange(len(signs.CLASSES)), copies)
    plates = np.stack([signs.weathered(signs.draw_sign(int(k), _SIDE), rng) for k in labels])
    right = oracle.score(plates).argmax(1) == labels
    x, y = plates[right], labels[right]
    threat = attacks.Threat("linf", eps)
    one = attacks.pgd(oracle, x, y, threat, steps=steps, seed=seed, certainty=0.9).x
    over = attacks.robust(oracle, x, y, threat, [camera] * _VIEWS, steps=steps, seed=seed).x
    found = {"clean": x, "attacked in one view": one, "attacked over views": over}
    return {
        name: view_map(oracle.score, each, y, camera, draws=draws) for name, each in found.items()
    }


def _grey_levels(x: np.ndarray) -> np.ndarray:
    """Return images in [0, 1] as the file takes them, or its gradient by images in [0, 1]."""
    return x * np.float32(255)


def draw_sign_maps(path: Path, seed: int = 0) -> tuple[str, Path]:
    """Draw the maps side by side into `path` (.png or .svg), and return their caption and `path`."""
    maps = sign_maps(seed=seed)
    plots.save_figure(plots.view_maps(maps), path)
    means = {name: f"{one.mean:.0%}" for name, one in maps.items()}
    caption = (
        f"Traffic signs photographed from four distances and at four angles, "
        f"misread by the shipped classifier: {means['clean']} of the pictures of clean signs, "
        f"{means['attacked in one view']} after an attack on the view from the front, "
        f"{means['attacked over views']} after one over all views, each within 32/255"
    )
    return caption, path
