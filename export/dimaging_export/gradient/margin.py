"""The head of a gradient graph: how close an image is to being taken for another class, and its derivative.

    m = logsumexp over j != y of z_j  -  z_y            dm/dz = softmax over j != y, and -1 at y

m > 0 says that all other classes together outweigh the label, and the cross-entropy is softplus(m): its
gradient points the same way, but carries the factor sigmoid(m), which float32 rounds to 0 for a confident
network. So an attack by the gradient of m does not lose its way where that of the cross-entropy does, and
it does not change when all logits are multiplied by a number.
"""

import numpy as np

from dimaging_export.gradient.prepare import DIRECTION, LABEL
from dimaging_export.gradient.tape import Tape


def append_margin(tape: Tape, logits: str, classes: int) -> tuple[str, str]:
    """Append m [N] and dm/dz [N, classes] of `logits` [N, classes] at the input "label", int64 [N]."""
    numbers = tape.constant(np.arange(classes)[None], np.int64)
    is_label = tape.op("Equal", numbers, tape.op("Unsqueeze", LABEL, tape.integers(1)))
    lowest = tape.constant(np.finfo(np.float32).min)
    others = tape.op("Where", is_label, lowest, logits)
    largest, _ = tape.ops("TopK", 2, others, tape.integers(1), axis=-1)
    powers = tape.op("Exp", tape.op("Sub", others, largest))
    sums = tape.op("ReduceSum", powers, tape.integers(-1), keepdims=1)
    zero, minus = tape.constant(0.0), tape.constant(-1.0)
    own = tape.op(
        "ReduceSum", tape.op("Where", is_label, logits, zero), tape.integers(-1), keepdims=1
    )
    margin = tape.op("Sub", tape.op("Add", largest, tape.op("Log", sums)), own)
    slope = tape.op("Where", is_label, minus, tape.op("Div", powers, sums))
    return tape.op("Squeeze", margin, tape.integers(1)), slope


def choose_direction(tape: Tape, slope: str) -> str:
    """Write the gradient of the logits to pull back: the input "direction", or `slope` if it is zeros."""
    zero = tape.constant(0.0)
    asked = tape.op("ReduceSum", tape.op("Abs", DIRECTION), keepdims=0)
    return tape.op("Where", tape.op("Greater", asked, zero), DIRECTION, slope)
