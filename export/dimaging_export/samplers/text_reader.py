"""A reader made of a writer's cells: what a writer in bytes believes of a text that it is told.

The reader of a bundle multiplies in float32. A figure of merit that judges the writer needs the logits of its
own products, so this graph is scored instead. It is in no bundle.
"""

import keras
import onnx
from onnx import TensorProto

from dimaging_export.emit.builder import Builder
from dimaging_export.samplers.file import loop_body, whole_model
from dimaging_export.samplers.text import Product, chain_of, step_of


def told_reader(reader: keras.Model, product: Product) -> onnx.ModelProto:
    """Return a graph tokens int32 [B, T], h1, c1, ... [B, H] -> logits [B, T, V], of the writer's products.

    ExportError for a layer that no cell is written for.
    """
    chain = chain_of(reader, product)
    b = Builder()
    names = [f"{kind}{i + 1}" for i in range(len(chain.cells)) for kind in "hc"]
    steps_first = b.node("Transpose", "tokens", perm=[1, 0])
    tokens = b.node("Cast", steps_first, to=TensorProto.INT64)
    times = b.node("Squeeze", b.node("Shape", tokens, start=0, end=1), b.constant([0]))
    body = b.child()
    index, going = body.name("index"), body.name("going")
    carried = [body.name("state") for _ in names]
    after, h = step_of(body, chain.cells, body.node("Gather", tokens, index, axis=0), carried)
    logits = chain.logits(body, h)
    graph = loop_body(body, "read", (index, going), carried, [going, *after, logits])
    *_, found = b.nodes_of("Loop", [times, "", *names], len(names) + 1, body=graph)
    sizes = {name: ("batch", chain.cells[i // 2].units) for i, name in enumerate(names)}
    return whole_model(
        b, "reader", {"tokens": ("batch", "steps"), **sizes},
        {"logits": ("batch", "steps", chain.tokens)},
        {"logits": b.node("Transpose", found, perm=[1, 0, 2])},
        types={"tokens": TensorProto.INT32},
    )  # fmt: skip
