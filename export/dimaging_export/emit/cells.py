"""Recurrent cells as ONNX describes them: weights in its order, and functions by its names."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import layers

from dimaging_export.emit.table import unsupported

_FUNCTIONS: dict[str, tuple[str, tuple[float, ...], tuple[float, ...]]] = {
    "sigmoid": ("Sigmoid", (), ()),
    "tanh": ("Tanh", (), ()),
    "relu": ("Relu", (), ()),
    "softplus": ("Softplus", (), ()),
    "softsign": ("Softsign", (), ()),
    "linear": ("Affine", (1.0,), (0.0,)),
    "elu": ("Elu", (1.0,), ()),
    "leaky_relu": ("LeakyRelu", (0.2,), ()),
    "hard_sigmoid": ("HardSigmoid", (1 / 6,), (0.5,)),
}
"""Function of Keras -> that of ONNX's recurrent operators, its alpha and its beta."""


@dataclass(frozen=True)
class Cell:
    """One direction of a recurrent operator: G gates of H units each, and I inputs."""

    op: str
    """"LSTM", "GRU" or "RNN"."""
    units: int
    kernel: np.ndarray
    """Weights of the input, [G H, I]."""
    recurrent: np.ndarray
    """Weights of the state, [G H, H]."""
    bias: np.ndarray
    """Biases [2 G H]: those of the input, then those of the state."""
    functions: tuple[str, ...]
    """Keras' names of the functions, in the order of the operator."""
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def states(self) -> int:
        """Number of tensors that a step hands to the next: h, and c in an LSTM."""
        return 2 if self.op == "LSTM" else 1


CellReader = Callable[[Any], Cell]
_CELLS: dict[type, CellReader] = {}


def reads_cell(*classes: type) -> Callable[[CellReader], CellReader]:
    """Register how the weights of exactly these Keras cells are read."""

    def register(reader: CellReader) -> CellReader:
        _CELLS.update(dict.fromkeys(classes, reader))
        return reader

    return register


def cell_of(layer: Any) -> Cell:
    """Read the cell of a recurrent layer; raises Unsupported for one that no ONNX operator computes."""
    source = getattr(layer, "cell", layer)
    reader = _CELLS.get(type(source))
    if reader is None:
        raise unsupported(layer, f"has a cell {type(source).__name__} that no ONNX operator is")
    cell = reader(source)
    for name in cell.functions:
        if name not in _FUNCTIONS:
            raise unsupported(layer, f"uses {name!r}, which ONNX's {cell.op} does not know")
    return cell


def function_attributes(cell: Cell, directions: int) -> dict[str, Any]:
    """Return `activations` and their numbers, once for each direction; {} where they are ONNX's own."""
    default = {"LSTM": ("sigmoid", "tanh", "tanh"), "GRU": ("sigmoid", "tanh"), "RNN": ("tanh",)}
    if cell.functions == default[cell.op]:
        return {}
    rows = [_FUNCTIONS[name] for name in cell.functions] * directions
    lists: dict[str, Any] = {
        "activations": [name for name, _, _ in rows],
        "activation_alpha": [x for _, alpha, _ in rows for x in alpha],
        "activation_beta": [x for _, _, beta in rows for x in beta],
    }
    return {name: values for name, values in lists.items() if values}


@reads_cell(layers.LSTMCell)
def lstm_cell(cell: Any) -> Cell:
    """Read an LSTM; Keras' gates i, f, c, o become i, o, f, c."""
    inner, outer = name_of(cell.recurrent_activation), name_of(cell.activation)
    return lstm_of(cell, (inner, outer, outer))


def lstm_of(cell: Any, functions: tuple[str, ...]) -> Cell:
    """Read weights of an LSTM in Keras' order: kernel [I, 4 H], recurrent kernel [H, 4 H], bias [4 H]."""
    bias = np.zeros(4 * cell.units) if cell.bias is None else np.asarray(cell.bias)
    order = np.arange(4 * cell.units).reshape(4, -1)[[0, 3, 1, 2]].ravel()
    kernel, recurrent = (np.asarray(w).T[order] for w in (cell.kernel, cell.recurrent_kernel))
    both = np.concatenate([bias[order], 0 * bias])
    return Cell("LSTM", cell.units, kernel, recurrent, both, functions)


@reads_cell(layers.GRUCell)
def gru_cell(cell: Any) -> Cell:
    """Read a GRU, whose gates z, r, h have ONNX's order; the state has a bias too with `reset_after`."""
    bias = np.zeros((2, 3 * cell.units))
    if cell.use_bias and cell.reset_after:
        bias = np.asarray(cell.bias)
    elif cell.use_bias:
        bias[0] = np.asarray(cell.bias)
    functions = (name_of(cell.recurrent_activation), name_of(cell.activation))
    kernel, recurrent = (np.asarray(w).T for w in (cell.kernel, cell.recurrent_kernel))
    after = {"linear_before_reset": int(cell.reset_after)}
    return Cell("GRU", cell.units, kernel, recurrent, bias.ravel(), functions, after)


@reads_cell(layers.SimpleRNNCell)
def simple_cell(cell: Any) -> Cell:
    """Read a simple RNN: one gate, and one function of it."""
    bias = np.zeros(cell.units) if cell.bias is None else np.asarray(cell.bias)
    kernel, recurrent = (np.asarray(w).T for w in (cell.kernel, cell.recurrent_kernel))
    both = np.concatenate([bias, 0 * bias])
    return Cell("RNN", cell.units, kernel, recurrent, both, (name_of(cell.activation),))


def name_of(function: Any) -> str:
    """Return Keras' name of a function of `keras.activations`, and of any other what it calls itself."""
    name = getattr(function, "__name__", str(function))
    known = name in _FUNCTIONS and function is keras.activations.get(name)
    return (
        name if known else f"{name} (not keras.activations.{name})" if name in _FUNCTIONS else name
    )
