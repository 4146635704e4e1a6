"""How a plain Keras classifier is judged: by the share of images on which the file gives Keras' first answer.

The signal to noise of logits says little: a network may keep its answers at 12 dB, for it is their order that
counts. Our own classifiers say their accuracy instead (`dimaging_tf.models.classifier`).
"""

from dataclasses import replace

import keras
import numpy as np

from dimaging_export.bundle.real_images import RealData
from dimaging_export.bundle.subject import Subject
from dimaging_export.graph.interface import names_of
from dimaging_export.prove.runners import keras_graph
from dimaging_tf.deployable import FigureOfMerit, Run

AGREEMENT = FigureOfMerit("top-1 agreement with Keras", "%", True, {"fp16": 1.0, "int8": 10.0})
_NAMES = ("logits", "probabilities")


class Agreement:
    """The part of `score` of a plain classifier's graph."""

    def __init__(self, graph: keras.Model, name: str = "model"):
        self.name = name
        self.input = names_of(graph)[0][0]
        self.reference = keras_graph(graph)
        self._seen: tuple[np.ndarray, np.ndarray] | None = None

    def score(self, run: Run, x: np.ndarray, label: np.ndarray | None, seed: int = 0) -> float:
        """Percentage of inputs x [N, ...] for which `run(name, ...)` and Keras choose the same class."""
        given = {self.input: x}
        if self._seen is None or self._seen[0] is not x:  # int8 is judged up to three times
            (expected,) = self.reference(given).values()
            self._seen = x, expected
        expected = self._seen[1]
        (found,) = run(self.name, **given).values()
        return float(100 * np.mean(found.argmax(-1) == expected.argmax(-1)))


def judged_by_agreement(subject: Subject, real: RealData | None) -> Subject:
    """Return the subject, with this figure of merit if it is a plain classifier and there are images."""
    by_name = real is not None and isinstance(real.judging.x, dict)
    if subject.model is not None or real is None or by_name or len(subject.graphs) != 1:
        return subject
    ((name, graph),) = subject.graphs.items()
    if not _classifies(graph, real.judging.label):
        return subject
    return replace(subject, quality=AGREEMENT, judge=Agreement(graph, name))


def _classifies(graph: keras.Model, label: np.ndarray | None) -> bool:
    """Return whether one vector comes out, called logits or probabilities, of a softmax, or with labels."""
    inputs, outputs = names_of(graph)
    if len(inputs) != 1 or len(outputs) != 1:
        return False
    shape = graph.outputs[0].shape
    if len(shape) != 2 or (shape[1] or 0) < 2:
        return False
    last = graph.layers[-1]
    softmax = isinstance(last, keras.layers.Softmax) or (
        getattr(getattr(last, "activation", None), "__name__", "") == "softmax"
    )
    fits = label is not None and label.ndim == 1 and label.dtype.kind in "iu"
    fits = fits and label is not None and 0 <= label.min() <= label.max() < (shape[1] or 0)
    return outputs[0] in _NAMES or softmax or bool(fits)
