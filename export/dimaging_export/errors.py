"""What export raises, written for the user: what is wrong, what was expected, what mends it."""

from dimaging_edge.common.errors import DimagingError


class ExportError(DimagingError):
    """A model, precision, target or place that cannot be exported; nothing was written."""


class ParityError(ExportError):
    """The exported graph does not compute what Keras computes; the message holds the figures."""


class PrecisionError(ParityError):
    """fp16 or int8 costs more than it may; what it was made from does match."""


class Unsupported(ExportError):
    """A layer without an emitter; the other converter may still know it."""
