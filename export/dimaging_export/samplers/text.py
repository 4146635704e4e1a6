"""The writer of a language model: one file with a Loop around its cells, which draws and reads each token.

    first of the prime --Loop: P - 1 + T times, cells, logits + temperature * noise, ArgMax--> text [B, T]
                             ^                                                 |
                             +-------------------------------------------------+

The prime is read by the same loop: its tokens stand before the noise as rows that let ArgMax draw nothing
else. So the weights have one reader, and a runtime packs them once for all.

Noise is an input, as everywhere: unit Gumbel noise [B, T, V] makes ArgMax a draw from the softmax at this
temperature (Gumbel 1954), zeros or a temperature of 0 take the likeliest token. States go in and out, so a
long text can be written piece by piece: the prime of the next piece is the last token of the one before.

The cells are written out instead of one LSTM operator a step: a runtime then multiplies once a step, and the
product with a token is a row of a table. That is 1.2 times as fast at batch 1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import onnx
from dimaging_edge.common.random import LOGIT_STEPS
from onnx import TensorProto

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.integer_lstm import logit_nodes, step_nodes, whole_state
from dimaging_export.errors import ExportError
from dimaging_export.samplers.file import loop_body, whole_model
from dimaging_tf.layers.integer_lstm import IntegerLogits, IntegerLSTM, TokenWeights
from dimaging_tf.layers.lstm import SlideLSTM

TOKENS = ("prime", "text")
"""Names of the tensors of int32."""
_SURE = 1e30
"""The noise of a token of the prime: more than any difference of logits."""
_END = 2**63 - 1
"""Where a slice ends that takes all that is left."""


def float_product(b: Builder, x: str, weights: np.ndarray, added: str) -> str:
    """Write x [B, I] times the weights [I, O], plus a tensor."""
    return b.node("Gemm", x, b.constant(weights, "weights"), added)


Product = Callable[[Builder, str, np.ndarray, str], str]
"""Writes x [B, I] times weights [I, O] plus a tensor [B, O] or [O]."""


@dataclass(frozen=True)
class Cell:
    """A recurrent layer, its gates in the order input, forget, output, candidate."""

    table: np.ndarray | None
    """What each token gives to the gates, bias included, [V, 4 H]; None behind the first layer."""
    kernel: np.ndarray
    recurrent: np.ndarray
    bias: np.ndarray
    squash: str
    units: int
    product: Product = float_product

    def step(self, b: Builder, x: str, h: str, c: str) -> tuple[str, str]:
        """Write one step: a token or the output of the layer below -> the next h and c."""
        if self.table is not None:
            told = b.node("Gather", b.constant(self.table, "table"), x)
        else:
            told = self.product(b, x, self.kernel, b.constant(self.bias, "bias"))
        return advance(b, self, told, h, c)


@dataclass(frozen=True)
class WholeCell:
    """A recurrent layer of whole numbers."""

    layer: IntegerLSTM

    @property
    def units(self) -> int:
        """Numbers in its output."""
        return self.layer.units

    def step(self, b: Builder, x: str, h: str, c: str) -> tuple[str, str]:
        """Write one step, as `Cell.step`."""
        return step_nodes(b, self.layer, x, h, c)


@dataclass(frozen=True)
class Chain:
    """What a writer is made of."""

    cells: Sequence[Cell | WholeCell]
    tokens: int
    """Size of the vocabulary."""
    logits: Callable[[Builder, str], str]
    """Writes the logits [B, V] of the last output [B, H]."""
    whole: bool
    """Whether all of it is integer-valued."""


def writer(reader: keras.Model, product: Product = float_product) -> onnx.ModelProto:
    """Write the graph "writer" of a chain of SlideLSTMs and a Dense layer; product: how its cells multiply.

    Inputs: prime int32 [B, P], noise [B, T, V], temperature [1], h1, c1, ... [B, H]. Outputs: text int32
    [B, T], h1_out, c1_out, ...: the state after all but the last token of the text. ExportError for a layer
    that no cell is written for.
    """
    chain = chain_of(reader, product)
    cells = chain.cells
    b = Builder()
    names = [f"{kind}{i + 1}" for i in range(len(cells)) for kind in "hc"]
    before = names
    with b.named("prepare"):
        noise = b.node("Transpose", "noise", perm=[1, 0, 2])
        noise = b.node("Mul", noise, "temperature")
        if chain.whole:  # the sum of logits and noise is exact then
            steps = b.node("Mul", noise, b.constant(float(LOGIT_STEPS)))
            steps = b.node("Floor", b.node("Add", steps, b.constant(0.5)))
            noise = b.node("Mul", steps, b.constant(1 / LOGIT_STEPS))
            pairs = [whole_state(b, *names[i : i + 2]) for i in range(0, len(names), 2)]
            before = [name for pair in pairs for name in pair]
        steps_first = b.node("Transpose", "prime", perm=[1, 0])
        prime = b.node("Cast", steps_first, to=TensorProto.INT64)
        first = b.node("Gather", prime, b.constant(0), axis=0)
        zero, end = b.constant([0]), b.constant([_END])
        told = b.node("Slice", prime, b.constant([1]), end, zero)
        # Not OneHot: before onnxruntime 1.27 it divides by zero after a prime of one token, the rest of which
        # is empty.
        which = b.node("Unsqueeze", told, b.constant([-1]))
        which = b.node("Equal", which, b.constant(np.arange(chain.tokens)))
        forced = b.node("Where", which, b.constant(np.float32(_SURE)), b.constant(np.float32(0)))
        noise = b.node("Concat", forced, noise, axis=0)
        times = b.node("Squeeze", b.node("Shape", noise, start=0, end=1), zero)
    drawn, states = _writing(b, chain, noise, times, first, before)
    text = b.node("Slice", drawn, b.node("Shape", told, start=0, end=1), end, zero)
    text = b.node("Cast", b.node("Transpose", text, perm=[1, 0]), to=TensorProto.INT32)
    sizes = {name: ("batch", cells[i // 2].units) for i, name in enumerate(names)}
    return whole_model(
        b, "writer",
        {
            "prime": ("batch", "prime_tokens"),
            "noise": ("batch", "steps", chain.tokens),
            "temperature": (1,),
            **sizes,
        },
        {"text": ("batch", "steps"), **{f"{name}_out": size for name, size in sizes.items()}},
        {"text": text, **{f"{n}_out": s for n, s in zip(names, states, strict=True)}},
        types=dict.fromkeys(TOKENS, TensorProto.INT32),
    )  # fmt: skip


def _writing(
    b: Builder, chain: Chain, noise: str, times: str, token: str, states: list[str]
) -> tuple[str, list[str]]:
    """Write all that is drawn, int64 [times, B], and the states after it."""
    body = b.child()
    index, going, past = (body.name(name) for name in ("index", "going", "token"))
    carried = [body.name("state") for _ in states]
    after, h = step_of(body, chain.cells, past, carried)
    logits = chain.logits(body, h)
    scores = body.node("Add", logits, body.node("Gather", noise, index, axis=0))
    drawn = body.node("ArgMax", scores, axis=1, keepdims=0)
    graph = loop_body(
        body, "write", (index, going), [past, *carried], [going, drawn, *after, drawn],
        tokens=frozenset((past, drawn)),
    )  # fmt: skip
    _, *found = b.nodes_of("Loop", [times, "", token, *states], len(states) + 2, body=graph)
    return found[-1], found[:-1]


def step_of(
    b: Builder, cells: Sequence[Cell | WholeCell], token: str, states: list[str]
) -> tuple[list[str], str]:
    """Write one step of every layer; returns the states after it, and the output of the last layer."""
    after: list[str] = []
    x = token
    for i, cell in enumerate(cells):
        with b.named(f"layer{i + 1}"):
            x, c = cell.step(b, x, *states[2 * i : 2 * i + 2])
        after += [x, c]
    return after, x


def advance(b: Builder, cell: Cell, told: str, h: str, c: str) -> tuple[str, str]:
    """Write one step of a cell; told [B, 4 H]: what its input and bias give to the gates. Returns (h, c)."""
    gates = cell.product(b, h, cell.recurrent, told)
    sizes = b.constant([3 * cell.units, cell.units])
    sigmoids, new = b.nodes_of("Split", [gates, sizes], 2, axis=1)
    sigmoids = b.node("Sigmoid", sigmoids)
    i_gate, f, o = b.nodes_of("Split", [sigmoids], 3, axis=1, num_outputs=3)
    entered = b.node("Mul", i_gate, b.node(cell.squash, new))
    c = b.node("Add", b.node("Mul", f, c), entered)
    return b.node("Mul", o, b.node("Tanh", c)), c


def chain_of(reader: keras.Model, product: Product) -> Chain:
    """Return the cells and the layer of logits of a reader; ExportError for any other layer."""
    skipped = keras.layers.InputLayer | keras.layers.Dropout | TokenWeights
    *cells, head = [layer for layer in reader.layers if not isinstance(layer, skipped)]
    if isinstance(head, IntegerLogits) and all(isinstance(x, IntegerLSTM) for x in cells):

        def whole(b: Builder, h: str) -> str:
            return logit_nodes(b, head, h)

        return Chain([WholeCell(layer) for layer in cells], head.units, whole, True)
    if type(head) is not keras.layers.Dense or not all(isinstance(x, SlideLSTM) for x in cells):
        kinds = ", ".join(type(layer).__name__ for layer in (*cells, head))
        raise ExportError(
            f"a writer is a chain of SlideLSTM layers and a Dense layer of logits; received {kinds}"
        )

    def dense(b: Builder, h: str) -> str:
        kernel, bias = (b.constant(np.asarray(x), "head") for x in head.get_weights())
        return b.node("Gemm", h, kernel, bias)

    return Chain([cell_of(layer, product) for layer in cells], head.units, dense, False)


def cell_of(layer: SlideLSTM, product: Product = float_product) -> Cell:
    """Read the weights of a layer, with the three sigmoids of its gates side by side."""
    order = np.arange(4 * layer.units).reshape(4, -1)[[0, 1, 3, 2]].ravel()
    kernel, recurrent, bias = (np.asarray(w)[..., order] for w in layer.get_weights())
    table = kernel + bias if layer.tokens else None
    squash = {"tanh": "Tanh", "sigmoid": "Sigmoid"}[layer.candidate]
    return Cell(table, kernel, recurrent, bias, squash, layer.units, product)
