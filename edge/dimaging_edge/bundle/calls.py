"""What a call of a graph costs beside onnxruntime: names, types and shapes are checked once per signature.

    arrays --names, types, shapes--> seen before? --values--> onnxruntime --types, shapes--> seen before?
                                     no: `checks` looks at all of it, and an error says what differs

A signature is which arrays there are, of which types and shapes. The values are looked at in every call: a
NaN or a number out of range is an error whatever came before.
"""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dimaging_edge.bundle.checks import check_inputs, check_outputs
from dimaging_edge.bundle.running import run_session
from dimaging_edge.bundle.schema import Graph, Tensor
from dimaging_edge.common.errors import InputError

if TYPE_CHECKING:
    import onnxruntime

_MOST = 256
"""Signatures of a graph that are remembered; a caller whose arrays differ every time fills no memory."""


class GraphCalls:
    """All calls of one graph of a bundle on one session."""

    def __init__(self, graph: Graph, session: "onnxruntime.InferenceSession"):
        self.graph, self.session = graph, session
        self._outputs = [output.name for output in graph.outputs]
        self._values = [(tensor.name, _look(tensor)) for tensor in graph.inputs]
        self._seen: set[tuple] = set()
        self._answered: set[tuple] = set()

    def __call__(
        self, arrays: Mapping[str, np.ndarray], limit_s: float | None
    ) -> dict[str, np.ndarray]:
        """Check, run, check; the errors are those of `check_inputs`, `run_session` and `check_outputs`."""
        feeds = self.checked(arrays)
        found = run_session(self.session, self.graph.name, self._outputs, feeds, limit_s)
        return self._named(found)

    def unseen(
        self, arrays: Mapping[str, np.ndarray], limit_s: float | None
    ) -> dict[str, np.ndarray]:
        """Call without a look at the values, for arrays that come from this bundle's own graphs.

        Names, types and shapes are checked as in any call.
        """
        if self._signature(arrays) not in self._seen:
            arrays = self.checked(arrays)
        found = run_session(self.session, self.graph.name, self._outputs, arrays, limit_s)
        return self._named(found)

    def _signature(self, arrays: Mapping[str, np.ndarray]) -> tuple | None:
        """Return names, types and shapes; None for a subclass of an array, which may hide values."""
        entries: list[Any] = []
        for name, array in arrays.items():
            if array.__class__ is not np.ndarray:
                return None
            entries += (name, array.dtype, array.shape)
        return tuple(entries)

    def checked(self, arrays: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Return the arrays, if the graph accepts them; InputError as for `check_inputs`."""
        signature = self._signature(arrays)
        if signature in self._seen and all([look(arrays[name]) for name, look in self._values]):
            return arrays
        checked = check_inputs(self.graph, arrays)
        if signature is not None:
            _remember(self._seen, signature)
        return checked

    def _named(self, found: list[Any]) -> dict[str, np.ndarray]:
        """Return the outputs by name; BundleError as for `check_outputs`."""
        entries: list[Any] = []
        for array in found:
            if array.__class__ is not np.ndarray:
                return check_outputs(self.graph, found)
            entries += (array.dtype, array.shape)
        answer = tuple(entries)
        if answer in self._answered:
            return dict(zip(self._outputs, found, strict=True))
        named = check_outputs(self.graph, found)
        _remember(self._answered, answer)
        return named


class BoundGraph:
    """A graph with arrays of its own for inputs and outputs, as `Bundle.bind` returns it.

    Fill `inputs`, call, read `outputs`: nothing is allocated and nothing is copied. Both are dicts of name ->
    array; an array there may be written into, never replaced.
    """

    def __init__(self, calls: GraphCalls, arrays: Mapping[str, np.ndarray], limit_s: float | None):
        found = calls(arrays, limit_s)  # also says which shapes the outputs have
        self.inputs = {name: np.array(arrays[name], order="C") for name in arrays}
        self.outputs = {name: np.array(array, order="C") for name, array in found.items()}
        self._calls, self._limit_s = calls, limit_s
        self._binding = calls.session.io_binding()
        for name, array in self.inputs.items():
            self._binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        for name, array in self.outputs.items():
            self._binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        self._own = dict(self.inputs)

    def __call__(self, *, check: bool = True) -> dict[str, np.ndarray]:
        """Run on what lies in `inputs`; returns `outputs`, the same arrays each time.

        check: whether values are looked at first; InputError for NaN and for values out of range.
        """
        if check:
            if any(self.inputs.get(name) is not array for name, array in self._own.items()):
                raise InputError(
                    f"{self._calls.graph.name}: an input was replaced; write into it: inputs[name][...] = x"
                )
            self._calls.checked(self.inputs)
        calls = self._calls
        run_session(calls.session, calls.graph.name, self._binding, self.inputs, self._limit_s)
        return self.outputs


def _look(tensor: Tensor) -> Callable[[np.ndarray], bool]:
    """Return a quick look at an array's values. False: `check_inputs` looks again, and says it.

    To find where the smallest and the largest are takes less than half of the time of a reduction, beside a
    run that has filled the caches; NaN counts as both.
    """
    if tensor.range is not None:
        low, high = tensor.range

        def within(array: np.ndarray) -> bool:  # NaN is neither above nor below anything
            return low <= array.item(array.argmin()) and array.item(array.argmax()) <= high

        return within
    if np.dtype(tensor.dtype).kind != "f":
        return lambda array: True

    def finite(array: np.ndarray) -> bool:
        least, greatest = array.item(array.argmin()), array.item(array.argmax())
        return math.isfinite(least) and math.isfinite(greatest)

    return finite


def _remember(seen: set[tuple], entry: tuple) -> None:
    if len(seen) >= _MOST:
        seen.clear()
    seen.add(entry)
