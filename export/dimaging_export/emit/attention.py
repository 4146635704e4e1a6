"""Emitters of attention: several heads, of one sequence or between two, with every mask that Keras takes.

query [B, T, D] -> heads [B, H, T, K]
key   [B, S, E] -> heads [B, H, K, S], times the query's -> softmax, masked [B, H, T, S]
value [B, S, E] -> heads [B, H, S, V], weighted by that  -> [B, T, H V] -> [B, T, D]
"""

from typing import Any

import numpy as np
from keras import layers
from onnx import TensorProto

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.table import emits, unsupported
from dimaging_export.emit.values import Value, last_value

_FORBIDDEN = -6e4
"""The score of a pair that is masked: its share is 0 beside any real score, and float16 holds it."""
_KEYWORDS = (
    "query", "value", "key", "query_mask", "value_mask", "key_mask", "attention_mask",
    "use_causal_mask", "return_attention_scores",
)  # fmt: skip


@emits(layers.MultiHeadAttention, layers.GroupQueryAttention, keywords=_KEYWORDS)
def attention(
    b: Builder, layer: Any, query: Value, value: Value, key: Value | None = None, **more: Any
) -> Value | list[Value]:
    """Write projections, the softmax of their products, and the projection of what they choose."""
    key = value if key is None else key
    config = layer.get_config()
    if {query.rank, key.rank, value.rank} != {3}:
        raise unsupported(layer, "attends over more than one axis")
    if config.get("use_gate") or config.get("sliding_window") is not None:
        raise unsupported(layer, "has a gate or a sliding window")
    shape = (query.shape[0], query.shape[1], layer._output_dense.kernel.shape[-1])
    scale = 1 / np.sqrt(float(layer._query_dense.kernel.shape[-1]))
    heads = layer._query_dense.kernel.shape[1]
    q = b.node("Transpose", _heads(b, layer._query_dense, query, heads), perm=[0, 2, 1, 3])
    k = b.node("Transpose", _heads(b, layer._key_dense, key, heads), perm=[0, 2, 3, 1])
    v = b.node("Transpose", _heads(b, layer._value_dense, value, heads), perm=[0, 2, 1, 3])
    scores = b.node("Mul", b.node("MatMul", q, k), b.constant(scale, "scale"))
    allowed = _mask(b, layer, query, value, more)
    if allowed:
        scores = b.node("Where", allowed, scores, b.constant(_FORBIDDEN))
    share = b.node("Softmax", scores, axis=-1)
    scored = bool(more.get("return_attention_scores"))
    if allowed and (scored or config["dropout"] > 0):
        # On this path Keras gives a query without any key that counts nothing, not the mean of all.
        share = b.node("Where", allowed, share, b.constant(0.0))
    mixed = b.node("Transpose", b.node("MatMul", share, v), perm=[0, 2, 1, 3])
    kernel = np.asarray(layer._output_dense.kernel)
    flat = b.node("Reshape", mixed, b.constant([0, 0, -1], "shape"))
    y = _product(b, flat, kernel.reshape(-1, kernel.shape[-1]), layer._output_dense.bias)
    if not scored:
        return last_value(y, shape)
    shares = (query.shape[0], heads, query.shape[1], value.shape[1])
    return [last_value(y, shape), last_value(share, shares)]


def _heads(b: Builder, dense: Any, x: Value, heads: int) -> str:
    """Write the projection of every head, [B, T, heads, K]; a head of keys may serve several queries."""
    kernel = np.asarray(dense.kernel)
    inputs, own, size = kernel.shape
    name = _product(b, b.last(x), kernel.reshape(inputs, -1), dense.bias)
    if own == heads:
        return b.node("Reshape", name, b.constant([0, 0, heads, size], "shape"))
    name = b.node("Reshape", name, b.constant([0, 0, own, 1, size], "shape"))
    name = b.node("Expand", name, b.constant([1, 1, 1, heads // own, 1], "shape"))
    return b.node("Reshape", name, b.constant([0, 0, heads, size], "shape"))


def _product(b: Builder, source: str, kernel: np.ndarray, bias: Any) -> str:
    name = b.node("MatMul", source, b.constant(kernel, "kernel"))
    if bias is None:
        return name
    return b.node("Add", name, b.constant(np.asarray(bias).reshape(-1), "bias"))


def _mask(b: Builder, layer: Any, query: Value, value: Value, given: dict[str, Any]) -> str:
    """Write which pairs count, bool, to broadcast over [B, H, T, S]; "" where all do."""
    parts = []
    for name, axes in (("query_mask", [1, 3]), ("value_mask", [1, 2]), ("key_mask", [1, 2])):
        if (mask := given.get(name)) is not None:
            parts.append(b.node("Unsqueeze", _truth(b, mask), b.constant(axes, "axes")))
    if (mask := given.get("attention_mask")) is not None:
        if not isinstance(mask, Value) or mask.rank not in (3, 4):
            raise unsupported(layer, "has an attention_mask that is not [B, T, S] or [B, H, T, S]")
        name = _truth(b, mask)
        parts.append(b.node("Unsqueeze", name, b.constant([1])) if mask.rank == 3 else name)
    if given.get("use_causal_mask"):
        parts.append(_causal(b, query, value))
    allowed = ""
    for part in parts:
        allowed = b.node("And", allowed, part) if allowed else part
    return allowed


def _truth(b: Builder, mask: Value) -> str:
    name = b.last(mask)
    return name if mask.dtype == "bool" else b.node("Cast", name, to=TensorProto.BOOL)


def _causal(b: Builder, query: Value, value: Value) -> str:
    """Write the triangle [T, S] in which nothing looks ahead; for free lengths it is made when it runs."""
    if query.shape[1] is not None and value.shape[1] is not None:
        return b.exact_constant(np.tri(query.shape[1], value.shape[1], dtype=bool), "causal")
    places = []
    for x, axis in ((query, 1), (value, 0)):
        length = b.node("Squeeze", b.node("Shape", b.last(x), start=1, end=2))
        steps = b.node("Range", b.constant(0), length, b.constant(1))
        places.append(b.node("Unsqueeze", steps, b.constant([axis])))
    return b.node("GreaterOrEqual", *places)
