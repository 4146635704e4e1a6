"""What no attack can change: the bounds of a bundle's certificate, and the share of images that they prove.

    from dimaging_edge.robustness import certify
    found = certify(open_bundle("bundle/interval_training-integer"), x, y, eps=0.3)
    found.certified, found.figure          # bool [N]; 87.9 % (87.2 to 88.5)

`dimaging export --certificate` writes the graph: image, label and eps in, worst margin out. It is below 0
where every image within eps is answered like its label. That holds for attacks that nobody has thought of.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dimaging_edge.attacks.batches import run_batches
from dimaging_edge.attacks.oracle import CERTIFICATE, bounds_of, classifier_graphs, of_bundle
from dimaging_edge.attacks.table import Asked, check_images
from dimaging_edge.attacks.threat import Threat
from dimaging_edge.common.errors import InputError
from dimaging_edge.robustness.report import Figure, wilson

if TYPE_CHECKING:
    from dimaging_edge.bundle.open import Bundle

MEND = "dimaging export RUN --certificate"
_BATCH = 500
"""Images at once."""


@dataclass(frozen=True, eq=False)
class Certified:
    """What a certificate proves of images at one eps of the norm linf."""

    eps: float
    worst_margin: np.ndarray
    """float32 [N]: no image within eps has a larger difference of another logit to the right one."""
    clean: Figure
    """Share of images that are right as they are."""

    @property
    def certified(self) -> np.ndarray:
        """Bool [N]: no attack within eps changes the answer, which is right. A tie is not certified."""
        return self.worst_margin < 0

    @property
    def figure(self) -> Figure:
        """The certified share with its interval: a lower bound of the accuracy under any attack."""
        return wilson(int(self.certified.sum()), len(self.worst_margin))


def certify(bundle: "Bundle", x: np.ndarray, y: Any, eps: float) -> Certified:
    """Bound what an attack that moves every value by up to eps can do to images x with the labels y.

    x: float32 [N, ...] in the range that the bundle's file takes. y: int [N]. eps: in the unit of x. A file
    of bytes gets whole numbers, so what is bounded is what rounding makes of the moved image: at 2.55 grey
    levels a byte moves by up to 3. InputError for a bundle without a certificate, and for images, labels and
    an eps that do not fit.
    """
    if CERTIFICATE not in bundle.graphs:
        raise InputError(
            f"{bundle.path.name} has no graph {CERTIFICATE!r}; it holds {', '.join(bundle.graphs)}. "
            f"Make one: {MEND}"
        )
    oracle = Asked(of_bundle(bundle))
    y, logits = check_images(oracle, x, y, Threat("linf", eps, bounds_of(bundle)))
    right = int((logits.argmax(1) == y).sum())
    image, radius = x, eps
    if bundle.graph(classifier_graphs(bundle)[0]).inputs[0].dtype == "uint8":
        image = np.rint(x)
        ends = (np.rint(x.astype(np.float64) + sign * eps) for sign in (-1, 1))
        radius = max(float(np.abs(end - image).max()) for end in ends)
    (found,) = run_batches(
        bundle.session(CERTIFICATE), ["worst_margin"], {"image": image, "label": y},
        {"eps": np.array([radius], np.float32)}, _BATCH,
    )  # fmt: skip
    return Certified(float(eps), found, wilson(right, len(x)))


def unsound(found: Certified, right: np.ndarray) -> np.ndarray:
    """Return the numbers of images that are certified and were broken all the same: there must be none."""
    return np.flatnonzero(found.certified & ~right)
