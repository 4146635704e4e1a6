"""A classifier in the precision "integer": the same bits on every device, and exact bounds."""

from dataclasses import replace

from dimaging_export.bundle.build import BuildSpec
from dimaging_export.bundle.real_images import RealData
from dimaging_export.bundle.subject import Subject
from dimaging_export.errors import ExportError
from dimaging_export.integer.classifier import integer_classifier


def prepare_classifier(subject: Subject, spec: BuildSpec, real: RealData | None) -> Subject:
    """Return the subject in this precision, which for "integer" is its integer-valued form.

    Raises ExportError for "integer" without images to set its scales by.
    """
    if spec.precision != "integer":
        return subject
    if real is None:
        raise ExportError(
            f"precision 'integer' needs images to calibrate {subject.name} on, and none were given. Pass "
            "data=: an array [N, H, W, C] or a name such as 'mnist5k' (dimaging export --data mnist5k)"
        )
    twin = type(subject.model)(subject.model.config)
    twin.network = integer_classifier(subject.graphs["classifier"], real.calibration.x)
    return replace(subject, model=twin, graphs=twin.graphs(), original=subject.model)
