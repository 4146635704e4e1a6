"""Emitters of the integer-valued LSTM: nodes of one step, a Scan over all steps, and logits as weights.

The operator LSTM computes sigmoids and tanh in its own way on every device, so the steps are written out.
"""

from typing import Any

import numpy as np
from onnx import TensorProto, helper

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.table import emits
from dimaging_export.emit.values import Value, last_value
from dimaging_tf.layers.integer_lstm import (
    FRACTION,
    LOGIT_STEPS,
    OPEN,
    OUTPUT,
    REACH,
    STATE,
    TOP,
    WEIGHT_REACH,
    WEIGHT_STEPS,
    IntegerLogits,
    IntegerLSTM,
    TokenWeights,
    gate_tables,
    output_table,
    weight_table,
)


def step_nodes(b: Builder, layer: IntegerLSTM, x: str, h: str, c: str) -> tuple[str, str]:
    """Write one step: a token [B], or outputs [B, C] of the layer below, and h, c [B, H] -> the next h, c.

    h and c are whole numbers already; see `whole_state`.
    """
    kernel, recurrent, bias = (np.asarray(w) for w in layer.get_weights())
    if layer.tokens:
        told = b.node("Gather", b.constant(kernel + bias, "table"), x)
    else:
        told = b.node("Gemm", x, b.constant(kernel, "kernel"), b.constant(bias, "bias"))
    z = b.node("Gemm", h, b.constant(recurrent, "recurrent"), told)
    reach = float(REACH << FRACTION)
    z = b.node("Mul", z, b.constant(2.0 ** (FRACTION - layer.shift)))
    z = b.node("Clip", z, b.constant(-reach), b.constant(reach))
    index = b.node("Floor", b.node("Add", z, b.constant(reach + 0.5)))
    index = b.node("Cast", index, to=TensorProto.INT32)
    sizes = b.constant([3 * layer.units, layer.units])
    gates, new = b.nodes_of("Split", [index, sizes], 2, axis=1)
    opened, candidate = (b.constant(table, "gate") for table in gate_tables(layer.candidate))
    gates = b.node("Gather", opened, gates)
    i, f, o = b.nodes_of("Split", [gates], 3, axis=1, num_outputs=3)
    entered = b.node("Mul", i, b.node("Gather", candidate, new))
    c = b.node("Add", b.node("Mul", f, c), entered)
    c = b.node("Clip", _rounded(b, c, OPEN), b.constant(-float(TOP)), b.constant(float(TOP)))
    end = float(REACH * STATE)
    place = b.node("Clip", c, b.constant(-end), b.constant(end))
    place = b.node("Cast", b.node("Add", place, b.constant(end)), to=TensorProto.INT32)
    squashed = b.node("Gather", b.constant(output_table(), "tanh"), place)
    return _rounded(b, b.node("Mul", o, squashed), OPEN), c


def whole_state(b: Builder, h: str, c: str) -> tuple[str, str]:
    """Write the states that come in as whole numbers of their range."""
    found = []
    for name, top in ((h, float(OUTPUT)), (c, float(TOP))):
        floor = b.node("Floor", name)
        found.append(b.node("Clip", floor, b.constant(-top), b.constant(top)))
    return found[0], found[1]


def logit_nodes(b: Builder, layer: IntegerLogits, h: str, product: str = "Gemm") -> str:
    """Write the logits of outputs h [..., H], multiples of 1 / LOGIT_STEPS."""
    kernel, bias = (b.constant(np.asarray(w), "head") for w in layer.get_weights())
    if product == "Gemm":
        z = b.node("Gemm", h, kernel, bias)
    else:
        z = b.node("Add", b.node("MatMul", h, kernel), bias)
    z = _rounded(b, z, 2.0**layer.shift / LOGIT_STEPS)
    return b.node("Mul", z, b.constant(1 / LOGIT_STEPS))


@emits(IntegerLSTM, keywords=("initial_state",), reads=("float32", "int32"))
def integer_lstm(b: Builder, layer: IntegerLSTM, x: Value, initial_state: Any) -> list[Value]:
    """Write all steps: one as it is, more as a Scan over time."""
    h, c = whole_state(b, *(b.last(state) for state in initial_state))
    shape = (*x.shape[:2], layer.units)
    if x.shape[1] == 1:
        step = b.node("Squeeze", b.last(x), b.constant([1]))
        h, c = step_nodes(b, layer, step, h, c)
        every = b.node("Unsqueeze", h, b.constant([1]))
    else:
        h, c, every = _scan(b, layer, b.last(x), h, c)
    states = [last_value(name, (x.shape[0], layer.units)) for name in (h, c)]
    return [last_value(every, shape), *states]


@emits(IntegerLogits)
def integer_logits(b: Builder, layer: IntegerLogits, x: Value) -> Value:
    """Write the logits of every step, [B, T, V]."""
    name = logit_nodes(b, layer, b.last(x), "MatMul")
    return last_value(name, (*x.shape[:-1], layer.units))


@emits(TokenWeights)
def token_weights(b: Builder, layer: TokenWeights, logits: Value) -> Value:
    """Write the weight of each token: a table of the distance from the largest logit."""
    source = b.last(logits)
    largest = b.node("ReduceMax", source, b.constant([-1]), keepdims=1)
    below = b.node("Mul", b.node("Sub", largest, source), b.constant(float(WEIGHT_STEPS)))
    place = b.node("Floor", b.node("Add", below, b.constant(0.5)))
    place = b.node("Min", place, b.constant(float(WEIGHT_REACH * WEIGHT_STEPS)))
    place = b.node("Cast", place, to=TensorProto.INT32)
    return last_value(b.node("Gather", b.constant(weight_table(), "weights"), place), logits.shape)


def _rounded(b: Builder, x: str, unit: float) -> str:
    """Write floor(x / unit + 1/2); unit is a power of two, so the quotient is exact."""
    shifted = b.node("Add", b.node("Mul", x, b.constant(1 / unit)), b.constant(0.5))
    return b.node("Floor", shifted)


def _scan(b: Builder, layer: IntegerLSTM, x: str, h: str, c: str) -> tuple[str, str, str]:
    """Write the step as the body of a Scan over the second axis of x; returns h, c and all h [B, T, H]."""
    body = b.child()
    state, inner, step = (body.name(name) for name in ("h", "c", "x"))
    after = step_nodes(body, layer, step, state, inner)
    names = [*after, body.node("Identity", after[0])]
    kind = TensorProto.INT32 if layer.tokens else TensorProto.FLOAT
    kinds = {state: TensorProto.FLOAT, inner: TensorProto.FLOAT, step: kind}
    ins = [helper.make_tensor_value_info(n, of, None) for n, of in kinds.items()]
    outs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in names]
    graph = helper.make_graph(body.nodes, "steps", ins, outs)
    h, c, every = b.nodes_of(
        "Scan", [h, c, x], 3, body=graph, num_scan_inputs=1,
        scan_input_axes=[1], scan_output_axes=[1],
    )  # fmt: skip
    return h, c, every
