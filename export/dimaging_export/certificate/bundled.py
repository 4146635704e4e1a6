"""The certificate of a classifier as one more graph of its bundle, proven against float64.

Its image is what the classifier's file takes, as float32: [0, 1], or 0 to 255 where that takes bytes; eps is
in the same unit.
"""

import logging

import numpy as np
from dimaging_edge.bundle import schema
from dimaging_edge.common.picture_range import picture_range

from dimaging_export.bundle import targets
from dimaging_export.bundle.build import BuildSpec, Built, describe
from dimaging_export.bundle.real_images import RealData
from dimaging_export.bundle.subject import Subject
from dimaging_export.certificate.build import CERTIFICATE, EPS, WORST, certificate_model
from dimaging_export.certificate.proof import keras_bound, prove_certificate
from dimaging_export.errors import ExportError
from dimaging_export.gradient.bundled import images_and_labels
from dimaging_export.gradient.prepare import IMAGE, LABEL
from dimaging_export.graph import passes
from dimaging_export.precision.image_bytes import to_bytes
from dimaging_export.prove.runners import Arrays, onnx_graph

log = logging.getLogger(__name__)

PRECISIONS = ("fp32", "integer")


def build_certificate(
    subject: Subject, spec: BuildSpec, real: RealData | None, built: dict[str, Built]
) -> dict[str, Built]:
    """Build and prove the graph "certificate"; ExportError for no classifier, ParityError for a wrong one."""
    if spec.precision not in PRECISIONS:
        raise ExportError(
            f"certificate=True: nobody knows how a device rounds {spec.precision}, so no bound would hold on "
            "every one. Export it with precision='fp32', or 'integer' for bounds without any rounding"
        )
    ((name, classifier),) = built.items()
    log.info("building graph %s", CERTIFICATE)
    (tensor,) = classifier.entry.inputs
    if tensor.range is None:
        raise ExportError(
            f"certificate=True: {subject.name} declares no range for {tensor.name!r}, and outside of its "
            f"range no image is legal. Declare it: ranges={{{tensor.name!r}: (0, 1)}}"
        )
    model, exact = certificate_model(classifier.model, tensor.range)
    run = onnx_graph(model)
    image, label = images_and_labels(classifier, real)
    in_bytes = tensor.dtype == "uint8"
    limits = picture_range(subject.ranges.get(tensor.name))
    given = to_bytes(image, limits).astype(np.float32) if in_bytes else image

    def bound(image: np.ndarray, label: np.ndarray, eps: float) -> np.ndarray:
        found = run({IMAGE: image, LABEL: label, EPS: np.array([eps], np.float32)})[WORST]
        return found.astype(np.float64)

    def score(arrays: Arrays) -> Arrays:
        x = arrays["image"]
        return deployed({tensor.name: np.rint(x).astype(np.uint8) if in_bytes else x})

    deployed = onnx_graph(classifier.model)
    expected = None if in_bytes else keras_bound(subject.graphs[name])
    report = {WORST: prove_certificate(bound, expected, score, given, label, tensor.range)}
    log.info("%s: sums are %s", CERTIFICATE, "exact" if exact else "widened by their rounding")
    arrays = {IMAGE: given[:1], LABEL: label[:1], EPS: np.array([0.05], np.float32)}
    arrays |= run(arrays)
    ranges = {
        LABEL: (0.0, classifier.entry.outputs[0].example[-1] - 1.0), IMAGE: tensor.range,
        EPS: (0.0, tensor.range[1] - tensor.range[0]),
    }  # fmt: skip
    ins, outs = (
        tuple(describe(info, arrays, ranges) for info in side)
        for side in (model.graph.input, model.graph.output)
    )
    shapes = {IMAGE: given[:1].shape, LABEL: (1,), EPS: (1,)}
    work = passes.macs(passes.with_shapes(model, shapes))
    entry = schema.Graph(
        CERTIFICATE, f"{CERTIFICATE}.onnx", ins, outs, classifier.entry.opset, work,
        passes.count(model), report,
    )  # fmt: skip
    verdict = targets.check(model, spec.target)
    return {
        CERTIFICATE: Built(model, entry, arrays, run, run, verdict, classifier.converter)
    }  # fmt: skip
