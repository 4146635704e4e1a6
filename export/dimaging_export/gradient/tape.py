"""A graph that is being differentiated: what is known of its tensors, and the nodes that are appended."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from dimaging_export.errors import ExportError
from dimaging_export.gradient.constants import constants_of
from dimaging_export.gradient.prepare import in_the_file
from dimaging_export.gradient.shapes import Shape, shapes_of
from dimaging_export.gradient.table import Node

PREFIX = "gradient/"
"""Prefix of the names of all that a gradient appends."""


class Tape:
    """The nodes of a graph in their order, and after them those of its gradient.

    image: the input that is differentiated by. Raises ExportError where a shape cannot be inferred.
    """

    def __init__(self, model: onnx.ModelProto, image: str, prefix: str = PREFIX):
        self.image, self._prefix = image, prefix
        self.nodes = [Node.of(proto) for proto in model.graph.node]
        self.appended: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.extra_outputs: dict[str, str] = {}
        """Name of a node's first output -> name of a second output that it has to have as well."""
        self._shapes: Mapping[str, Shape]
        self._shapes, self._rows = shapes_of(model, image)
        self.declared: dict[str, Shape] = {}
        """Appended tensor -> its shape, whose first size is the free batch; runtimes cannot infer all."""
        self._values = constants_of(model)
        self._constants: dict[tuple, str] = {}
        self._count = 0

    def shape(self, name: str) -> Shape:
        """Return the sizes of a tensor; None stands for one that follows from the batch."""
        if name in self._values:
            return self._values[name].shape
        if name not in self._shapes:
            raise ExportError(
                f"the shape of tensor {in_the_file(name)!r} cannot be inferred; give the graph fixed sizes "
                "for everything but the batch"
            )
        return self._shapes[name]

    def declare(self, name: str, like: str) -> None:
        """Note that an appended tensor has the shape of one of the graph, if that begins with the batch.

        onnxruntime multiplies maps in its blocked layout only where it can show that their sizes are equal.
        """
        if like in self._rows:
            self.declared[name] = self._shapes[like]

    def value(self, name: str) -> np.ndarray | None:
        """Return the value of a constant, see `constants_of`; None where it follows from the image."""
        return self._values.get(name)

    def constant(self, value: object, dtype: type = np.float32) -> str:
        """Return the name of a new constant; equal ones are kept once."""
        array = np.array(value, dtype, order="C")
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = name = self._name("constant")
            self.initializers.append(numpy_helper.from_array(array, name))
        return self._constants[key]

    def integers(self, *values: int) -> str:
        """Return the name of an int64 vector."""
        return self.constant(values, np.int64)

    def op(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Append a node with one output; returns the output's name."""
        return self.ops(operator, 1, *inputs, **attributes)[0]

    def ops(self, operator: str, outputs: int, *inputs: str, **attributes: Any) -> list[str]:
        """Append a node with several outputs; returns their names."""
        name = self._name(operator)
        names = [name] if outputs == 1 else [f"{name}_{i}" for i in range(outputs)]
        node = helper.make_node(operator, list(inputs), names, name=name, **attributes)
        self.appended.append(node)
        return names

    def second_output(self, node: Node) -> str:
        """Ask a node of the graph for its second output (the indices of a MaxPool); returns its name."""
        first, *others = node.outputs
        if any(others):
            return others[0]
        return self.extra_outputs.setdefault(first, self._name(f"{node.op}_second"))

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{self._prefix}{kind}_{self._count}"
