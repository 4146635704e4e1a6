"""The errors of export, written for the user: what is wrong, what was expected, what mends it."""

import re

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


def first_line(error: BaseException) -> str:
    """Return what an error of Keras or TensorFlow says, without the place and the colours around it."""
    text = re.sub(r"\x1b\[\d*m|\{\{.*?\}\} ?| ?\[Op:\w*\]", "", str(error))
    lines = [line.strip() for line in text.splitlines()]
    said = [x for x in lines if x and not x.startswith("Exception encountered when calling")]
    return said[0] if said else type(error).__name__
