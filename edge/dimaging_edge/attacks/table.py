"""One contract for all attacks: what goes in is checked, what comes out keeps the threat.

result = attack(oracle, x, y, threat, seed=0)
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np

from dimaging_edge.attacks.threat import NORMS, Threat
from dimaging_edge.common.errors import DimagingError, InputError


@dataclass(frozen=True, eq=False)
class Result:
    """What an attack found, image by image."""

    x: np.ndarray
    """Images of the shape and type of those attacked, inside the threat; where clean ones count, those."""
    success: np.ndarray
    """bool [N], judged by `oracle.score` on `x`: wrong (or at the target), and no tie."""
    norms: np.ndarray
    """float64 [N]: how far each was moved, in the threat's norm."""
    queries: int
    """Images that the model was asked about; a gradient counts as one."""
    seed: int
    attack: str

    @property
    def rate(self) -> float:
        """Share of images on which the attack succeeded."""
        return float(self.success.mean())


class Asked:
    """An oracle that counts how many images it was asked about."""

    def __init__(self, oracle: Any):
        self._oracle = oracle
        self.queries = 0

    def __call__(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gradient, margin and logits."""
        self.queries += len(x)
        return self._oracle(x, y)

    def along(self, x: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient of sum(direction * logits), and logits."""
        self.queries += len(x)
        return self._oracle.along(x, direction)

    def score(self, x: np.ndarray) -> np.ndarray:
        """Logits."""
        self.queries += len(x)
        return self._oracle.score(x)


@dataclass(frozen=True)
class Entry:
    """A row of the table."""

    run: Callable[..., Result]
    needs: str  # "gradient", "scores" or "labels"
    norms: tuple[str, ...]
    targeted: bool
    summary: str


ATTACKS: dict[str, Entry] = {}
"""Name -> attack. `dimaging_edge.attacks` fills it."""

Search = Callable[..., np.ndarray]
"""search(oracle, x, y, threat, rng, **settings) -> images; the decorator does what attacks share."""


def attack(
    needs: str, norms: tuple[str, ...] = NORMS, targeted: bool = True
) -> Callable[[Search], Callable[..., Result]]:
    """Enter a search into the table as an attack, which checks what it gets and judges what was found."""

    def enter(search: Search) -> Callable[..., Result]:
        name = search.__name__

        @wraps(search)
        def run(
            oracle: Any, x: np.ndarray, y: Any, threat: Threat, *, seed: int = 0, **settings: Any
        ) -> Result:
            _check_threat(name, threat, norms, targeted)
            asked = Asked(oracle)
            y, clean = check_images(asked, x, y, threat)
            found = x.copy()
            todo = np.flatnonzero(~threat.reached(clean, y))
            if len(todo):
                part = threat_of(threat, todo)
                moved = search(
                    asked, x[todo], y[todo], part, np.random.default_rng(seed), **settings
                )
                if not np.isfinite(moved).all():
                    raise DimagingError(
                        f"{name} made images of NaN or infinity; a gradient of the model is not finite"
                    )
                found[todo] = part.project(moved.astype(np.float32), x[todo])
            success = threat.reached(_finite(asked.score(found)), y)
            return Result(found, success, threat.norms(found, x), asked.queries, seed, name)

        summary = (search.__doc__ or "").partition("\n")[0]
        ATTACKS[name] = Entry(run, needs, norms, targeted, summary)
        return run

    return enter


def threat_of(threat: Threat, which: np.ndarray) -> Threat:
    """The same threat for some of the images."""
    if not isinstance(threat.target, np.ndarray) or threat.target.ndim == 0:
        return threat
    return Threat(threat.norm, threat.eps, threat.bounds, threat.target[which])


def _check_threat(name: str, threat: Threat, norms: tuple[str, ...], targeted: bool) -> None:
    if threat.norm not in norms:
        raise InputError(
            f"{name} works in {' and '.join(norms)}; received the norm {threat.norm!r}"
        )
    if threat.target is not None and not targeted:
        raise InputError(f"{name} takes no target; choose pgd or apgd, or leave the target out")


def check_images(
    oracle: Any, x: np.ndarray, y: Any, threat: Threat
) -> tuple[np.ndarray, np.ndarray]:
    """Labels as int64 [N], and the logits of the clean images; InputError where something does not fit."""
    low, high = threat.bounds
    if not isinstance(x, np.ndarray) or x.dtype != np.float32 or x.ndim < 2 or not len(x):
        what = f"{x.dtype} {list(x.shape)}" if isinstance(x, np.ndarray) else type(x).__name__
        raise InputError(f"images: expected float32 [N, ...], at least one; received {what}")
    if not np.isfinite(x).all():
        raise InputError(
            f"images: expected finite values, received {np.count_nonzero(~np.isfinite(x))} that are NaN or "
            "infinite; such an image would count as misclassified"
        )
    if x.min() < low or x.max() > high:
        raise InputError(
            f"images: expected values in the bounds {low:g} to {high:g}, received {x.min():g} to {x.max():g}"
            "; give the model's own range to Threat(bounds=)"
        )
    y = np.asarray(y)
    if y.shape != (len(x),) or y.dtype.kind not in "iu":
        raise InputError(f"labels: expected {len(x)} integers, received {y.dtype} {list(y.shape)}")
    y = y.astype(np.int64)
    logits = _finite(oracle.score(x))
    if logits.ndim != 2 or len(logits) != len(x):
        raise InputError(
            f"the model gives {list(logits.shape)} for {len(x)} images; expected [N, classes]"
        )
    check_logits(logits)
    classes = logits.shape[1]
    for what, label in (("labels", y), ("target", np.asarray(threat.wanted(y)))):
        if label.min() < 0 or label.max() >= classes:
            raise InputError(
                f"{what}: expected 0 to {classes - 1}, received {label.min()} to {label.max()}"
            )
    if threat.target is not None and (threat.wanted(y) == y).any():
        raise InputError(
            f"target: image {int(np.argmax(threat.wanted(y) == y))} is of that class already; leave it out"
        )
    return y, logits


def check_logits(logits: np.ndarray) -> None:
    """InputError where [N, classes] are probabilities, of which an attack would take the softmax again."""
    if logits.min() >= 0 and np.allclose(logits.sum(-1), 1, atol=1e-3):
        raise InputError(
            "the model gives probabilities: they lie in [0, 1] and add up to 1 for every image. An attack "
            "needs logits, what goes into the softmax: a softmax of probabilities hides the gradient"
        )


def _finite(logits: np.ndarray) -> np.ndarray:
    if not np.isfinite(logits).all():
        raise DimagingError(
            "the model gives NaN or infinite logits; that is neither right nor fooled"
        )
    return logits
