"""SafetyNet (Lu, Issaranon and Forsyth 2017, arXiv 1704.00103): a defence of the lecture that ends broken.

    image ── conv ── conv ── dense h ── logits z
                               └── codes of h ── RBF-SVM ── refused?            one logit more: z, refusal

Attacked images leave unusual patterns of late ReLUs behind, and a support vector machine with an RBF kernel
over quantised patterns tells them from clean ones. Against attacks that know nothing of it that works well.
An attack that knows it goes through the quantiser and the kernel by their gradients, for the detector is in
the file, and finds images that are wrong and not refused: `dimaging_edge.attacks.evade`.

`fit_safetynet` makes one from a trained classifier; the Keras graph and its ONNX file give logits
[B, classes + 1], of which the last is the largest exactly where an image is refused.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import keras
import numpy as np

from dimaging_tf.layers.rejection import UP, Rejection
from dimaging_tf.models import classifier


@dataclass(frozen=True)
class Config(classifier.Config):
    """A classifier's, and the size of its detector, which `fit_safetynet` finds out."""

    support: int = 1  # number of support vectors
    gamma: float = 0.002  # of the RBF kernel over codes of 0 to levels - 1
    levels: int = 5  # number of codes of an activation

    def __post_init__(self):
        super().__post_init__()
        if not self.units or self.support < 1 or self.levels < 2 or not self.gamma > 0:
            raise ValueError(
                "safetynet: it needs a hidden dense layer, support of 1 or more, levels of 2 or more and a "
                f"gamma above 0. Received: {self.units}, {self.support}, {self.levels}, {self.gamma}"
            )


def build_safetynet(config: Config) -> keras.Model:
    """Build the network: image -> {"logits"}, one more than there are classes."""
    plain = classifier.build_classifier(config)
    logits = plain.layers[-1]
    reject = Rejection(config.support, config.gamma, config.levels, name="rejection")
    outputs = {"logits": reject(logits.input, logits.output)}
    return keras.Model(plain.inputs[0], outputs, name="classifier")


@keras.saving.register_keras_serializable("dimaging")
class SafetyNet(classifier.Classifier):
    """A classifier that can refuse; its accuracy counts a refused image as wrong."""

    config_class = Config
    registry_name = "safetynet"
    builder = staticmethod(build_safetynet)


def fit_safetynet(
    model: classifier.Classifier,
    image: np.ndarray,
    attacked: np.ndarray | Sequence[np.ndarray],
    *,
    false_alarms: float = 0.05,
    penalty: float = 10.0,
    gamma: float = 0.002,
    levels: int = 5,
) -> SafetyNet:
    """Return a classifier that refuses what looks attacked.

    image         clean images [N, H, W, C]; two thirds teach the detector, the rest sets its threshold
    attacked      images [M, H, W, C] that the classifier takes for something else, or several sets of them
    false_alarms  share of clean images that may be refused
    penalty       C of the support vector machine

    ValueError where nothing attacked is given, or fewer than 3 clean images. scikit-learn fits it; running it
    needs none.
    """
    from sklearn.svm import SVC

    sets = [attacked] if isinstance(attacked, np.ndarray) and attacked.ndim == 4 else attacked
    attacked = [np.asarray(x) for x in sets if len(x)]
    if not attacked:
        raise ValueError("fit_safetynet: give at least one set of attacked images")
    if len(image) < 3 or not 0 < false_alarms < 1:
        raise ValueError(
            "fit_safetynet: expected at least 3 clean images, and false_alarms between 0 and 1. Received: "
            f"{len(image)} and {false_alarms}"
        )
    network = model.network
    hidden = keras.Model(network.inputs, network.layers[-1].input)

    def activations(x: np.ndarray) -> np.ndarray:
        parts = [np.asarray(hidden([x[i : i + 500]])) for i in range(0, len(x), 500)]
        return np.concatenate(parts)

    clean = activations(image)
    # The highest code begins at 3/5 of what the liveliest activations reach.
    scale = np.float32((levels - 1) / max(0.8 * float(np.quantile(clean, 0.99)), 1e-6))

    def codes(h: np.ndarray) -> np.ndarray:
        return np.rint(np.clip(h * scale, 0, levels - 1) + np.float32(UP))

    teach = len(clean) * 2 // 3
    wrong = codes(activations(np.concatenate(attacked)))
    both = np.concatenate([codes(clean[:teach]), wrong])
    refused = np.arange(len(both)) >= teach
    machine = SVC(C=penalty, gamma=gamma, class_weight="balanced").fit(both, refused)
    threshold = np.quantile(machine.decision_function(codes(clean[teach:])), 1 - false_alarms)
    settings = asdict(model.config)
    known = {name: settings[name] for name in classifier.Config.__dataclass_fields__}
    support = len(machine.support_vectors_)
    made = SafetyNet(Config(**known, support=support, gamma=gamma, levels=levels))
    sources = [layer.get_weights() for layer in network.layers if layer.weights]
    targets = [layer for layer in made.network.layers if layer.weights]
    for layer, weights in zip(targets, sources, strict=False):
        layer.set_weights(weights)
    # The sign decides, so the decision may have any unit: this one keeps float32 exact enough for a proof.
    unit = np.abs(machine.dual_coef_).max()
    offset = (float(machine.intercept_[0]) - float(threshold)) / unit
    targets[-1].set_weights(
        [scale, machine.support_vectors_, machine.dual_coef_.T / unit, np.array([offset])]
    )
    return made
