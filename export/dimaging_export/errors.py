"""The errors of export, written for the user: what is wrong, what was expected, what mends it."""

from dimaging_edge.common.errors import DimagingError


class ExportError(DimagingError):
    """A model cannot be exported, or not in this precision, for this target or to this place."""


class ParityError(ExportError):
    """The exported graph does not compute what Keras computes; the message holds the figures."""


class PrecisionError(ParityError):
    """The precision fp16, int8 or integer loses more than it may; the float32 graph does match."""

    by_tail = True
    """Whether one more of the last layers in float32 may mend it; graphs of dense layers have none such."""


class Unsupported(ExportError):
    """A layer has no emitter; tf2onnx may still know it."""
