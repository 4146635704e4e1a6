"""The gradient graph of a classifier as one more graph of its bundle, proven against Keras in float64.

Its image is what the classifier's file takes, as float32: [0, 1], or 0 to 255 where that takes bytes.
"""

import logging

import numpy as np
from dimaging_edge.bundle import schema
from dimaging_edge.common.picture_range import picture_range

from dimaging_export.bundle import targets
from dimaging_export.bundle.build import BuildSpec, Built, describe
from dimaging_export.bundle.real_images import RealData
from dimaging_export.bundle.subject import Subject
from dimaging_export.errors import ExportError
from dimaging_export.gradient.build import gradient_model
from dimaging_export.gradient.prepare import DIRECTION, GRADIENT, IMAGE, LABEL, LOGITS
from dimaging_export.gradient.proof import check_logits, keras_gradient, prove_gradient
from dimaging_export.graph import passes
from dimaging_export.precision.image_bytes import from_bytes, to_bytes
from dimaging_export.prove.parity import ABSOLUTE, RELATIVE, Report
from dimaging_export.prove.runners import Arrays, onnx_graph
from dimaging_tf.attacks.oracle import KerasOracle
from dimaging_tf.attacks.training import logits_in

log = logging.getLogger(__name__)

_IMAGES = 64
"""Number of images on which a gradient graph is proven."""
_PIXELS = 2**17
"""Number of their pixels at most: float64 of a deep network takes a third of a gigabyte for 2^16."""


def build_gradient(
    subject: Subject, spec: BuildSpec, real: RealData | None, built: dict[str, Built]
) -> dict[str, Built]:
    """Build and prove the graph "gradient"; ExportError for no classifier, ParityError where it is wrong."""
    ((name, classifier),) = built.items()
    log.info("building graph %s", GRADIENT)
    model = gradient_model(classifier.model)
    run = onnx_graph(model)
    reference = keras_gradient(subject.graphs[name])
    image, label = images_and_labels(classifier, real)
    in_bytes = classifier.entry.inputs[0].dtype == "uint8"
    limits = picture_range(subject.ranges.get(classifier.entry.inputs[0].name))
    given = to_bytes(image, limits).astype(np.float32) if in_bytes else image
    expected = reference(from_bytes(given, limits) if in_bytes else image, label)
    check_logits(expected[LOGITS])
    # The gradient is of a grey level, or of the image's own values.
    scale = 255 / (limits[1] - limits[0]) if in_bytes else 1
    expected[GRADIENT] = expected[GRADIENT] / scale
    found = run({IMAGE: given, LABEL: label})

    def in_float32() -> np.ndarray:
        oracle = KerasOracle(subject.graphs[name])
        return oracle(from_bytes(given, limits) if in_bytes else image, label)[0] / scale

    prove_gradient(found[GRADIENT], expected[GRADIENT], spec.precision, in_float32)
    report = _report(found, expected, spec.precision)
    arrays = {IMAGE: given[:1], LABEL: label[:1]}
    arrays |= {name: value[:1].astype(np.float32) for name, value in expected.items()}
    classes = expected[LOGITS].shape[1]
    ranges = {LABEL: (0.0, classes - 1.0), IMAGE: classifier.entry.inputs[0].range}
    inputs = [info for info in model.graph.input if info.name != DIRECTION]
    ins, outs = (
        tuple(describe(info, arrays, ranges) for info in side)
        for side in (inputs, model.graph.output)
    )
    shapes = {IMAGE: given[:1].shape, LABEL: (1,), DIRECTION: (1, classes)}
    work = passes.macs(passes.with_shapes(model, shapes))
    entry = schema.Graph(
        GRADIENT, f"{GRADIENT}.onnx", ins, outs, classifier.entry.opset, work, passes.count(model), report
    )  # fmt: skip
    verdict = targets.check(model, spec.target)

    def keras(arrays: Arrays) -> Arrays:
        values = reference(arrays[IMAGE], arrays[LABEL])
        return {name: value.astype(np.float32) for name, value in values.items()}

    return {
        GRADIENT: Built(model, entry, arrays, keras, run, verdict, classifier.converter)
    }  # fmt: skip


def check_classifier(subject: Subject) -> None:
    """Raise ExportError, before anything is built, where no gradient or certificate can be made."""
    outputs = [tensor for graph in subject.graphs.values() for tensor in graph.outputs]
    if len(subject.graphs) != 1 or all(len(tensor.shape) != 2 for tensor in outputs):
        raise ExportError(
            "attacks and certificates are for a classifier, whose one graph gives logits [N, classes]; "
            f"{subject.name} has {', '.join(subject.graphs)}"
        )


def images_and_labels(classifier: Built, real: RealData | None) -> tuple[np.ndarray, np.ndarray]:
    """Return images as Keras takes them, and labels; without data, seeded images and Keras' own answers."""
    (tensor,) = classifier.entry.inputs
    count = min(_IMAGES, max(2, _PIXELS // int(np.prod(tensor.example[1:-1]))))
    if real is not None:
        image = real.judging.x[:count]
    else:
        shape = (count, *tensor.example[1:])
        image = np.random.default_rng(0).random(shape, np.float32)
    logits = logits_in(classifier.reference({tensor.name: image}))
    label = real.judging.label if real is not None else None
    if label is None or label.ndim != 1 or not 0 <= label.min() <= label.max() < logits.shape[-1]:
        return image, logits.argmax(-1)
    return image, label[: len(image)].astype(np.int64)


def _report(found: Arrays, expected: Arrays, precision: str) -> Report:
    """Return the largest differences, and those that a device may show, whose processor rounds otherwise."""
    report = {}
    for name, value in expected.items():
        worst = float(np.abs(found[name] - value).max())
        allowed = ABSOLUTE + RELATIVE * float(np.abs(value).max())
        report[name] = {"max_abs": worst, "allowed": max(2 * worst, allowed)}
    return report
