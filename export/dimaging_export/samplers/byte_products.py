"""Products of a writer's cells in bytes; see `dimaging_export.integer.text_bytes`."""

import numpy as np
from onnx import TensorProto

from dimaging_export.emit.builder import Builder
from dimaging_export.integer.text_bytes import STEPS, seven_bits


def byte_product(b: Builder, x: str, weights: np.ndarray, added: str) -> str:
    """Write x [B, I] in [-1, 1], times the weights [I, O], plus a tensor, in bytes."""
    whole, scale = seven_bits(weights)
    zero = b.exact_constant(np.array(128, np.uint8), "zero")
    unit = b.exact_constant(np.array(1 / STEPS, np.float32), "unit")
    x = b.node("QuantizeLinear", x, unit, zero)
    z = b.node("MatMulInteger", x, b.exact_constant(whole, "bytes"), zero)
    z = b.node("Cast", z, to=TensorProto.FLOAT)
    return b.node("Add", b.node("Mul", z, b.constant(scale / STEPS)), added)
