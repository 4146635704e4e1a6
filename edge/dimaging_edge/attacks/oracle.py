"""What an attack asks: the gradient of the margin, or the logits alone; it never knows which engine answers.

    oracle(x, y)               (gradient, margin, logits) of images x [N, ...] at labels y [N]
    oracle.along(x, direction) (gradient, logits): of sum(direction * logits), direction [N or 1, classes]
    oracle.score(x)            logits [N, classes], as the deployed model gives them

The margin m = logsumexp over j != y of z_j - z_y is what `dimaging_export.gradient` explains. `of_bundle`
answers with onnxruntime; a Keras model answers with `dimaging_tf.attacks.KerasOracle`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from dimaging_edge.attacks.batches import run_batches
from dimaging_edge.bundle.session import make_session
from dimaging_edge.common.errors import InputError

if TYPE_CHECKING:
    from dimaging_edge.bundle.open import Bundle

GRAPH = "gradient"
"""The graph of a bundle that `dimaging export --gradient` adds."""
CERTIFICATE = "certificate"
"""The graph of a bundle that `dimaging export --certificate` adds."""

MEND = "dimaging export RUN --gradient, or for a bare file: dimaging gradient MODEL.onnx"


class Oracle(Protocol):
    """What attacks with a gradient need."""

    def __call__(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gradient [N, ...], margin [N] and logits [N, classes]."""
        ...

    def along(self, x: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient of sum(direction * logits), and logits."""
        ...

    def score(self, x: np.ndarray) -> np.ndarray:
        """Logits [N, classes]."""
        ...


class Scores:
    """An oracle that answers with logits and has no gradient: any function score(x) -> [N, classes]."""

    has_gradient = False

    def __init__(self, score: Callable[[np.ndarray], np.ndarray], name: str = "this model"):
        self._score = score
        self.name = name

    def score(self, x: np.ndarray) -> np.ndarray:
        """Logits [N, classes]; whole numbers become float64."""
        logits = np.asarray(self._score(x))
        if not logits.ndim or logits.dtype.kind not in "iuf":
            raise InputError(
                f"{self.name} gives {logits.dtype} {list(logits.shape)} for {len(x)} images; expected logits "
                "[N, classes], numbers"
            )
        return logits if logits.dtype.kind == "f" else logits.astype(np.float64)

    def __call__(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """InputError: there is no gradient."""
        raise InputError(
            f"{self.name} has no gradient, so only attacks by scores or labels can be made (square, rays). "
            f"Make one: {MEND}"
        )

    def along(self, x: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """InputError: there is no gradient."""
        gradient, _, logits = self(x, direction)  # raises
        return gradient, logits


class OnnxOracle(Scores):
    """A gradient graph in onnxruntime; `score` asks the classifier's own session where there is one.

    whole: the classifier takes bytes, so its gradient is that of the rounded image, where its answer is too;
    otherwise an attack would be done with an image that rounding takes back.
    """

    has_gradient = True

    def __init__(
        self,
        gradient: Any,
        score: Callable[[np.ndarray], np.ndarray] | None = None,
        whole: bool = False,
    ):
        self._session, self._whole = gradient, whole
        super().__init__(score or (lambda x: self._run(["logits"], x, _zeros(x))[0]), "this graph")

    def __call__(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gradient, margin and logits of the file."""
        gradient, margin, logits = self._run(["gradient", "margin", "logits"], x, y)
        return gradient, margin, logits

    def along(self, x: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The file's optional input `direction`."""
        rows = np.ascontiguousarray(
            np.broadcast_to(direction, (len(x), direction.shape[-1])), np.float32
        )
        gradient, logits = self._run(["gradient", "logits"], x, _zeros(x), rows)
        return gradient, logits

    def _run(
        self, outputs: list[str], x: np.ndarray, y: np.ndarray, direction: np.ndarray | None = None
    ) -> list[np.ndarray]:
        feed = {"image": np.rint(x) if self._whole else x, "label": y.astype(np.int64, copy=False)}
        if direction is not None:
            feed["direction"] = direction
        return run_batches(self._session, outputs, feed)


def of_bundle(bundle: "Bundle") -> Scores:
    """The oracle of a classifier's bundle: with a gradient where it holds one, else of scores alone.

    Images are float32 in the range that the bundle's file takes; a file of bytes gets them rounded. A graph
    of several outputs, such as a detector's, answers with the one called "logits". InputError for a bundle
    that is no classifier.
    """
    names = classifier_graphs(bundle)
    graph = bundle.graph(names[0])
    outputs = [t for t in graph.outputs if t.name == "logits"] or graph.outputs
    if len(names) != 1 or len(graph.inputs) != 1 or [len(t.shape) for t in outputs] != [2]:
        raise InputError(
            f"{bundle.path.name} is no classifier, whose one graph takes an image and gives logits; it holds "
            f"{', '.join(bundle.graphs)}"
        )
    as_bytes = graph.inputs[0].dtype == "uint8"
    score = _scorer(bundle.session(names[0]), outputs[0].name, as_bytes)
    if GRAPH not in bundle.graphs:
        return Scores(score, bundle.path.name)
    return OnnxOracle(bundle.session(GRAPH), score, as_bytes)


def classifier_graphs(bundle: "Bundle") -> list[str]:
    """The graphs that answer, without those that export adds to a classifier; there is one, if it is one."""
    return [name for name in bundle.graphs if name not in (GRAPH, CERTIFICATE)]


def of_file(path: str | Path, provider: str = "cpu", threads: int | None = 1) -> OnnxOracle:
    """The oracle of a gradient graph, such as `dimaging gradient` writes; InputError for another file."""
    session = make_session(path, provider, threads)
    names = [tensor.name for tensor in session.get_inputs()]
    if names != ["image", "label"]:
        raise InputError(
            f"{Path(path).name} is no gradient graph, its inputs are {', '.join(names)}; make one: {MEND}"
        )
    return OnnxOracle(session)


def bounds_of(bundle: "Bundle") -> tuple[float, float]:
    """The range of a classifier's images; InputError where its bundle declares none."""
    tensor = bundle.graph(classifier_graphs(bundle)[0]).inputs[0]
    if tensor.range is None:
        raise InputError(
            f"{bundle.path.name} declares no range for {tensor.name!r}: images have one, such as [0, 1]. "
            f"Export the model again with its own: dimaging export MODEL --range {tensor.name}=0:1"
        )
    return tensor.range


def _scorer(session: Any, logits: str, as_bytes: bool) -> Callable[[np.ndarray], np.ndarray]:
    name = session.get_inputs()[0].name

    def score(x: np.ndarray) -> np.ndarray:
        x = np.rint(x).astype(np.uint8) if as_bytes else x
        return run_batches(session, [logits], {name: x})[0]

    return score


def _zeros(x: np.ndarray) -> np.ndarray:
    return np.zeros(len(x), np.int64)
