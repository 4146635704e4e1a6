"""Layouts of the rows inside a sampler, and the nodes that depend on them.

    Columns   row [W, B, C]    one column is a contiguous slice: for a loop over pixels
    Flat      row [W * B, C]   a matrix, whose product adds its term in the same node: for whole rows

An offset of a column is one of B rows in a matrix; such numbers are computed outside of the loops.
"""

import numpy as np

from dimaging_export.emit.builder import Builder


class Columns:
    """Layout of rows [W, B, C], the columns first."""

    def __init__(self, width: int):
        self.width = width
        self.lead: tuple[int, ...] = (width, -1)
        """Shape of a row without its channels, -1 where free."""

    def seen_from(self, b: Builder, row: str, offset: int) -> str:
        """Write the row moved so that each column holds what lies `offset` further right; zeros outside."""
        return b.node("Pad", row, b.constant([-offset, 0, 0, offset, 0, 0], "pads"))

    def product(self, b: Builder, row: str, kernel: np.ndarray, term: str) -> str:
        """Write every column times kernel [C, F], plus term."""
        return b.node("Add", b.node("MatMul", row, b.constant(kernel, "kernel")), term)

    def position(self, b: Builder, table: np.ndarray, row: str) -> str:
        """Write the row of table [H, W, C] with this index."""
        return b.node("Gather", b.constant(table[:, :, None], "bias"), row, axis=0)

    def as_columns(self, b: Builder, name: str, channels: int) -> str:
        """Write the row as [W, B, C]."""
        return name

    def from_columns(self, b: Builder, name: str, channels: int) -> str:
        """Write [W, B, C] as a row."""
        return name


class Flat(Columns):
    """Layout of rows [W * B, C]."""

    def __init__(self, width: int, outside: Builder, batch: str):
        super().__init__(width)
        self.lead = (-1,)
        self.outside, self.batch = outside, batch
        column = outside.constant(np.arange(width)[:, None], "column")
        every = outside.node("Concat", outside.constant([1]), batch, axis=0)
        column = outside.node("Expand", column, every)
        self.column = outside.node("Reshape", column, outside.constant([-1]))
        self.pads: dict[int, str] = {}

    def seen_from(self, b: Builder, row: str, offset: int) -> str:
        """Write the row moved; one column is B rows of the matrix."""
        if offset not in self.pads:
            pads = self.outside.constant([-offset, 0, offset, 0], "pads")
            self.pads[offset] = self.outside.node("Mul", self.batch, pads)
        return b.node("Pad", row, self.pads[offset])

    def product(self, b: Builder, row: str, kernel: np.ndarray, term: str) -> str:
        """Write the product and the term as one Gemm."""
        return b.node("Gemm", row, b.constant(kernel, "kernel"), term)

    def position(self, b: Builder, table: np.ndarray, row: str) -> str:
        """Write the row of the table, the same for every image of the batch."""
        found = b.node("Gather", b.constant(table, "bias"), row, axis=0)
        return b.node("Gather", found, self.column, axis=0)

    def as_columns(self, b: Builder, name: str, channels: int) -> str:
        """Write the row as [W, B, C]."""
        return b.node("Reshape", name, b.constant([self.width, -1, channels], "shape"))

    def from_columns(self, b: Builder, name: str, channels: int) -> str:
        """Write [W, B, C] as a row."""
        return b.node("Reshape", name, b.constant([-1, channels], "shape"))

    def from_vector(self, name: str, channels: int) -> str:
        """Write a row with the vector [B, C] in every column."""
        every = self.outside.node("Expand", name, self.outside.constant([self.width, 1, 1]))
        return self.from_columns(self.outside, every, channels)
