"""One contract for all attacks: what goes in is checked, what comes out keeps the threat.

result = attack(oracle, x, y, threat, seed=0)
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np

from dimaging_edge.attacks.threat import NORMS, Threat, as_array, is_number
from dimaging_edge.common.errors import DimagingError, InputError, near


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
    """An oracle that counts how many images it was asked about, and refuses a gradient that is not finite."""

    def __init__(self, oracle: Any, attack: str = "the attack"):
        self._oracle, self._attack = oracle, attack
        self.queries = 0

    def __call__(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gradient, margin and logits."""
        self.queries += len(x)
        gradient, margin, logits = self._oracle(x, y)
        return self._checked(gradient), margin, logits

    def along(self, x: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient of sum(direction * logits), and logits."""
        self.queries += len(x)
        gradient, logits = self._oracle.along(x, direction)
        return self._checked(gradient), logits

    def score(self, x: np.ndarray) -> np.ndarray:
        """Logits."""
        self.queries += len(x)
        return self._oracle.score(x)

    def _checked(self, gradient: np.ndarray) -> np.ndarray:
        # An image that cannot be moved for this reason would count as one that withstands.
        if not np.isfinite(gradient).all():
            raise DimagingError(
                f"{self._attack} made images of NaN or infinity: a gradient of the model is NaN or infinite; "
                "look for a division by 0, or a root or logarithm of 0, in it"
            )
        return gradient


@dataclass(frozen=True)
class Entry:
    """A row of the table."""

    run: Callable[..., Result]
    needs: str  # "gradient", "scores" or "labels"
    norms: tuple[str, ...]
    targeted: bool
    summary: str
    settings: tuple[str, ...]
    """What it takes beside (oracle, x, y, threat, seed), such as "steps"."""


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
        takes = inspect.signature(search).parameters.values()
        own = {one.name: one.annotation for one in takes if one.kind is one.KEYWORD_ONLY}

        @wraps(search)
        def run(
            oracle: Any, x: np.ndarray, y: Any, threat: Threat, *, seed: int = 0, **settings: Any
        ) -> Result:
            _check_threat(name, threat, norms, targeted)
            rng = random_of(seed)
            _check_settings(name, settings, own)
            _check_oracle(name, oracle, needs)
            asked = Asked(oracle, name)
            y, clean = check_images(asked, x, y, threat)
            found = x.copy()
            todo = np.flatnonzero(~threat.reached(clean, y))
            if len(todo):
                part = threat_of(threat, todo)
                moved = search(asked, x[todo], y[todo], part, rng, **settings)
                if not np.isfinite(moved).all():
                    raise DimagingError(
                        f"{name} made images of NaN or infinity; is a setting too large?"
                    )
                found[todo] = part.project(moved.astype(np.float32), x[todo])
            success = threat.reached(check_finite(asked.score(found)), y)
            return Result(found, success, threat.norms(found, x), asked.queries, seed, name)

        summary = (search.__doc__ or "").partition("\n")[0]
        ATTACKS[name] = Entry(run, needs, norms, targeted, summary, tuple(own))
        return run

    return enter


def threat_of(threat: Threat, which: np.ndarray) -> Threat:
    """The same threat for some of the images."""
    if not isinstance(threat.target, np.ndarray) or threat.target.ndim == 0:
        return threat
    return Threat(threat.norm, threat.eps, threat.bounds, threat.target[which])


def random_of(seed: int) -> np.random.Generator:
    """The random numbers of a seed; InputError where it is no whole number of 0 or more."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"seed: expected a whole number of 0 or more, received {seed!r}")
    return np.random.default_rng(int(seed))


def check_whole(attack: str, **numbers: Any) -> None:
    """InputError that names a setting which is no whole number."""
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise InputError(f"{attack}: {name} is a whole number; received {value!r}")


def _check_settings(attack: str, settings: dict[str, Any], own: dict[str, Any]) -> None:
    """InputError for a setting that the search does not take, or of another type than it declares."""
    for name, value in settings.items():
        if name not in own:
            raise InputError(f"{attack} takes no setting {name!r}; {near(name, own)}")
        if own[name] is int:
            check_whole(attack, **{name: value})
        elif own[name] is bool and not isinstance(value, bool | np.bool_):
            raise InputError(f"{attack}: {name} is True or False; received {value!r}")
        elif own[name] in (float, float | None) and not (
            is_number(value) or (value is None and own[name] is not float)
        ):
            raise InputError(f"{attack}: {name} is a number; received {value!r}")


def _check_oracle(attack: str, oracle: Any, needs: str) -> None:
    """InputError for what cannot be asked: a function, or scores where a gradient is needed."""
    if not hasattr(oracle, "score"):
        raise InputError(
            f"{attack}: expected an oracle, such as attacks.of_bundle(bundle), received "
            f"{type(oracle).__name__}; a function of images that gives logits is attacks.Scores(function)"
        )
    if needs == "gradient" and not callable(oracle):
        raise InputError(
            f"{attack} needs a gradient: oracle(x, y) -> gradient, margin, logits; {type(oracle).__name__} "
            "has scores alone, which square and rays attack"
        )


def _check_threat(name: str, threat: Threat, norms: tuple[str, ...], targeted: bool) -> None:
    if not isinstance(threat, Threat):
        raise InputError(
            f"threat: expected a Threat, such as Threat('linf', 8 / 255), received {threat!r}"
        )
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
    y = check_labels(y, check_array(x, threat.bounds))
    logits = check_finite(oracle.score(x))
    if logits.ndim != 2 or len(logits) != len(x) or logits.shape[1] < 2:
        raise InputError(
            f"the model gives {list(logits.shape)} for {len(x)} images; expected logits [N, classes] of 2 "
            "classes or more. A single logit z, of a sigmoid, is the two logits (0, z)"
        )
    check_logits(logits)
    check_classes(y, threat, logits.shape[1])
    if threat.target is not None and (threat.wanted(y) == y).any():
        raise InputError(
            f"target: image {int(np.argmax(threat.wanted(y) == y))} is of that class already; leave the "
            "image out, or give it another target"
        )
    return y, logits


def check_classes(y: np.ndarray, threat: Threat, classes: int) -> None:
    """InputError where labels int [N], or the target, are not of the model's classes."""
    for what, label in (("labels", y), ("target", np.asarray(threat.wanted(y)))):
        if label.min() < 0 or label.max() >= classes:
            mend = (
                "; they count from 1: give y - 1"
                if (label.min(), label.max()) == (1, classes)
                else ""
            )
            raise InputError(
                f"{what}: expected 0 to {classes - 1}, received {label.min()} to {label.max()}{mend}"
            )


def check_array(x: Any, bounds: tuple[float, float]) -> np.ndarray:
    """Return images, float32 [N, ...] inside the bounds; InputError for anything else."""
    low, high = bounds
    if not isinstance(x, np.ndarray) or x.dtype != np.float32 or x.ndim < 2 or not len(x):
        array = isinstance(x, np.ndarray)
        mend = "; give np.asarray(x, np.float32)"
        if array and x.dtype == np.uint8:
            mend = f"; bytes are x.astype(np.float32) / 255, of {low:g} to {high:g}"
        raise InputError(
            "images: expected float32 [N, ...], at least one; received "
            f"{f'{x.dtype} {list(x.shape)}' if array else type(x).__name__}"
            f"{'' if array and x.dtype == np.float32 else mend}"
        )
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
    return x


def check_labels(y: Any, x: np.ndarray) -> np.ndarray:
    """Return labels as int64 [N], one for each image of x; InputError for anything else."""
    y = as_array(y)
    if y.shape != (len(x),) or y.dtype.kind not in "iu":
        mend = ""
        if y.ndim == 2 and len(y) == len(x):
            mend = "; give y.ravel()" if y.shape[1] == 1 else "; of one-hot labels give y.argmax(1)"
        elif y.shape == (len(x),) and y.dtype.kind == "f" and (y == np.rint(y)).all():
            mend = "; give y.astype(int)"
        raise InputError(
            f"labels: expected {len(x)} integers, received {y.dtype} {list(y.shape)}{mend}"
        )
    return y.astype(np.int64)


def check_logits(logits: np.ndarray) -> None:
    """InputError where [N, classes] are probabilities, of which an attack would take the softmax again."""
    if are_probabilities(logits):
        raise InputError(
            "the model gives probabilities: they lie in [0, 1] and add up to 1 for every image. An attack "
            "needs logits, what goes into the softmax: a softmax of probabilities hides the gradient"
        )


def are_probabilities(logits: np.ndarray) -> bool:
    """Whether [N, classes] lie in [0, 1] and add up to 1, or would without a rounding to 8 bits."""
    if logits.min() < 0 or logits.max() > 1:
        return False
    errors = np.abs(logits.sum(-1, dtype=np.float64) - 1).max()
    if errors <= 1e-3:
        return True
    for steps in (255, 256):  # of a quantised file, whose last step is one of these
        levels = logits.astype(np.float64) * steps
        whole = np.abs(levels - np.rint(levels)).max() <= 1e-3
        if whole and errors <= min(logits.shape[-1] / (2 * steps), 0.5):
            return True
    return False


def check_finite(logits: Any) -> np.ndarray:
    """Return logits [N, ...]; DimagingError where one is NaN or infinite."""
    logits = np.asarray(logits)
    bad = ~np.isfinite(logits).reshape(len(logits), -1).all(1)
    if bad.any():
        raise DimagingError(
            f"the model gives NaN or infinite logits for {bad.sum()} of {len(bad)} images, first for image "
            f"{int(bad.argmax())}; that is neither right nor fooled"
        )
    return logits
