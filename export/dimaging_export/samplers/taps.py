"""The taps of a masked convolution as matrix products on rows [W, B, C] and on pixels [B, C].

Columns come first, so that one column is a contiguous slice and a whole row is one product with W * B
rows.
"""

from typing import Any

import numpy as np

from dimaging_export.emit.builder import Builder


def above_kernel(layer: Any) -> np.ndarray:
    """[taps * C, F] of the rows above, the uppermost first."""
    kernel = np.asarray(layer.masked_kernel())[: layer.above]
    return kernel.reshape(-1, layer.filters)


def own_kernel(layer: Any) -> np.ndarray | None:
    """[columns, C, F] of the own row, without the columns that the mask empties; None: nothing."""
    kernel = np.asarray(layer.masked_kernel())[layer.above :]
    if not len(kernel):
        return None
    kernel = kernel[0]
    last = len(kernel)
    while last and not kernel[last - 1].any():
        last -= 1
    return kernel[:last] if last else None


def bias(layer: Any) -> np.ndarray:
    """[F]."""
    zeros = np.zeros(layer.filters, np.float32)
    return zeros if layer.bias is None else np.asarray(layer.bias)


def columns(b: Builder, row: str, left: int, right: int, width: int) -> list[str]:
    """The row as it is seen from each column: shifted by -left ... right, zeros outside."""
    if not left and not right:
        return [row]
    padded = b.node("Pad", row, b.constant([left, 0, 0, right, 0, 0], "pads"))
    names = []
    for start in range(left + 1 + right):
        window = (b.constant([start], "start"), b.constant([start + width], "end"))
        names.append(b.node("Slice", padded, *window, b.constant([0], "axis")))
    return names


def row_product(b: Builder, pieces: list[str], kernel: np.ndarray) -> str:
    """Concatenated pieces [W, B, .] times [., F]."""
    joined = b.node("Concat", *pieces, axis=2) if len(pieces) > 1 else pieces[0]
    return b.node("MatMul", joined, b.constant(kernel, "kernel"))


def above_term(b: Builder, layer: Any, history: list[str], width: int) -> str:
    """What the rows above contribute to a row; history[d] is the row d + 1 above."""
    pieces = []
    for depth in range(layer.above, 0, -1):
        pieces += columns(b, history[depth - 1], layer.left, layer.right, width)
    return row_product(b, pieces, above_kernel(layer))


def own_term(b: Builder, layer: Any, row: str, width: int) -> str | None:
    """What the own row contributes, all columns at once."""
    kernel = own_kernel(layer)
    if kernel is None:
        return None
    right = len(kernel) - 1 - layer.left
    pieces = columns(b, row, layer.left, max(right, 0), width)[: len(kernel)]
    return row_product(b, pieces, kernel.reshape(-1, layer.filters))
