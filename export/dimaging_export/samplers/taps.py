"""The taps of a masked convolution as matrix products of whole rows; those of pixels are in `loops`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dimaging_export.emit.builder import Builder
from dimaging_export.samplers.layouts import Columns


def masked_kernel(layer: Any) -> np.ndarray:
    """Return the kernel [rows, columns, C, F] with its mask; the own row comes last."""
    return np.asarray(layer.masked_kernel())


def own_kernel(layer: Any) -> np.ndarray | None:
    """Return the kernel's own row [columns, C, F] without the last columns of zeros; None: no such taps."""
    kernel = masked_kernel(layer)[layer.above :]
    if not len(kernel):
        return None
    kernel = kernel[0]
    last = len(kernel)
    while last and not kernel[last - 1].any():
        last -= 1
    return kernel[:last] if last else None


def bias(layer: Any) -> np.ndarray:
    """Return the bias [F], or zeros."""
    zeros = np.zeros(layer.filters, np.float32)
    return zeros if layer.bias is None else np.asarray(layer.bias)


def columns(b: Builder, row: str, left: int, right: int, width: int) -> list[str]:
    """Write the row [W, B, C] as it is seen from each column: from `left` to `right` of it, zeros outside."""
    return _columns(Columns(width), b, row, left, left + 1 + right)


def row_product(b: Builder, pieces: list[str], kernel: np.ndarray) -> str:
    """Write the product of concatenated pieces [W, B, .] and a kernel [., F]."""
    return b.node("MatMul", _joined(b, pieces), b.constant(kernel, "kernel"))


def convolve(
    b: Builder, layout: Columns, rows: Sequence[str], kernel: np.ndarray, left: int, term: str
) -> str:
    """Write what these rows, the uppermost first, give through a kernel [rows, columns, C, F], plus term."""
    pieces = _columns(layout, b, _joined(b, rows), left, kernel.shape[1])
    matrix = kernel.transpose(1, 0, 2, 3).reshape(-1, kernel.shape[-1])
    return layout.product(b, _joined(b, pieces), matrix, term)


def _columns(layout: Columns, b: Builder, row: str, left: int, count: int) -> list[str]:
    offsets = range(-left, count - left)
    return [layout.seen_from(b, row, offset) if offset else row for offset in offsets]


def _joined(b: Builder, pieces: Sequence[str]) -> str:
    return b.node("Concat", *pieces, axis=-1) if len(pieces) > 1 else pieces[0]
