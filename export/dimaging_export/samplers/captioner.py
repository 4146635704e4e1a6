"""The captioner: one file with a Loop, which searches the likeliest sentence about an image by a beam.

    features [B, F] ──what the image gives to the gates, once──┐
    the last words ──row of a table──> + <─────────────────────┘ ──cell, logits, log-softmax──> [B, K, V]
          ^                                                                                       │
          └── TopK of score + log p over all K V continuations; h, c, sentences go with the parents ─┘

The beam K is an input, so one file is greedy (1) or as patient as its user. 0 is the word that ends a
sentence: a row whose last word is 0 can only say 0 again, for nothing, and the loop ends when all rows have.
The rule is that of `dimaging_edge.common.beam`, and so is the order of equal scores.
"""

from typing import Any

import keras
import numpy as np
import onnx
from dimaging_edge.common.beam import IMPOSSIBLE
from onnx import TensorProto

from dimaging_export.emit.builder import Builder
from dimaging_export.samplers.file import loop_body, whole_model
from dimaging_export.samplers.text import Cell, advance, cell_of

INTEGERS = ("beam", "captions")
"""Names of the tensors of int32."""


def captioner(reader: keras.Model, length: int, never: tuple[int, ...] = ()) -> onnx.ModelProto:
    """Write the graph "captioner" of a reader that `dimaging_tf.sequence.speaker` built.

    Inputs: features [B, F], beam int32 [1]. Outputs: captions int32 [B, K, length], the best first, 0 behind
    the last word; scores [B, K], their log probabilities. never: numbers of words that are not said.
    """
    b = Builder()
    cell, (told, bias), table = _gates(reader)
    head, head_bias = (np.array(w) for w in reader.get_layer("next").get_weights())
    head_bias[list(never)] = IMPOSSIBLE
    with b.named("prepare"):
        batch = b.node("Shape", "features", start=0, end=1)
        beam = b.node("Cast", "beam", to=TensorProto.INT64)
        rows = b.node("Mul", batch, beam)
        image = b.node("Gemm", "features", b.constant(told, "image"), b.constant(bias, "bias"))
        wide = b.node("Concat", batch, beam, b.constant([table.shape[1]]), axis=0)
        image = b.node("Expand", b.node("Unsqueeze", image, b.constant([1])), wide)
        image = b.node("Reshape", image, b.constant([-1, table.shape[1]]))
        per_image = b.node("Concat", batch, b.constant([-1]), axis=0)
        first, scores = _beginnings(b, batch, beam)
        start = [
            b.node("Expand", b.constant(len(table) - 1), rows),  # the row behind the last word
            *[b.node("Expand", b.constant(0.0), _shape(b, rows, cell.units))] * 2,
            scores,
            b.node("Expand", b.constant(0), _shape(b, rows, length)),
        ]
    body = b.child()
    index, going = body.name("index"), body.name("going")
    carried = [body.name(name) for name in ("words", "h", "c", "scores", "sentences")]
    words, h, c, scores, sentences = carried
    entered = body.node("Add", body.node("Gather", body.constant(table, "table"), words), image)
    h, c = advance(body, cell, entered, h, c)
    logits = body.node("Gemm", h, body.constant(head, "head"), body.constant(head_bias, "head"))
    odds = _ended_stay(body, body.node("LogSoftmax", logits, axis=1), words, len(head_bias))
    total = body.node("Add", odds, body.node("Reshape", scores, body.constant([-1, 1])))
    flat = body.node("Reshape", total, per_image)
    scores, best = body.nodes_of("TopK", [flat, beam], 2, axis=1)
    size = body.constant(len(head_bias))
    parent = body.node("Add", body.node("Div", best, size), first)
    parent = body.node("Reshape", parent, body.constant([-1]))
    words = body.node("Reshape", body.node("Mod", best, size), body.constant([-1]))
    h, c, kept = (body.node("Gather", rows, parent) for rows in (h, c, sentences))
    here = body.node("Equal", body.constant(np.arange(length)[None]), index)
    said = body.node("Where", here, body.node("Unsqueeze", words, body.constant([1])), kept)
    more = body.node("Greater", body.node("ReduceMax", words, keepdims=0), body.constant(0))
    graph = loop_body(
        body, "search", (index, going), carried, [more, words, h, c, scores, said],
        tokens=frozenset((carried[0], carried[4], words, said)),
    )  # fmt: skip
    *_, scores, found = b.nodes_of("Loop", [b.constant(length), "", *start], 5, body=graph)
    shape = b.node("Concat", batch, beam, b.constant([length]), axis=0)
    found = b.node("Cast", b.node("Reshape", found, shape), to=TensorProto.INT32)
    return whole_model(
        b, "captioner", {"features": ("batch", told.shape[0]), "beam": (1,)},
        {"captions": ("batch", "beams", length), "scores": ("batch", "beams")},
        {"captions": found, "scores": scores},
        types=dict.fromkeys(INTEGERS, TensorProto.INT32),
    )  # fmt: skip


def _gates(reader: keras.Model) -> tuple[Cell, tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Read the cell, what features give to its gates (matrix, bias), and what each word gives to them.

    The table has one row more than there are words: 0 before the first word, which is no end.
    """
    lstm: Any = reader.get_layer("lstm")
    cell = cell_of(lstm)
    kernel = cell.kernel.astype(np.float64)
    look, look_bias = (np.asarray(w, np.float64) for w in reader.get_layer("picture").get_weights())
    embeddings: Any = reader.get_layer("word")
    table = np.asarray(embeddings.embeddings, np.float64) @ kernel
    table = np.concatenate([table, table[:1]]).astype(np.float32)
    bias = (look_bias @ kernel + cell.bias).astype(np.float32)
    return cell, ((look @ kernel).astype(np.float32), bias), table


def _beginnings(b: Builder, batch: str, beam: str) -> tuple[str, str]:
    """Write the first row of each image [B, 1], and the scores before the first word [B, K].

    All beginnings of an image are the same empty one, so all but one are impossible.
    """
    zero, one = b.constant(0), b.constant(1)
    count, many = (b.node("Squeeze", x, b.constant([0])) for x in (batch, beam))
    images = b.node("Range", zero, count, one)
    first = b.node("Unsqueeze", b.node("Mul", images, many), b.constant([1]))
    place = b.node("Range", zero, many, one)
    row = b.node("Where", b.node("Equal", place, zero), b.constant(0.0), b.constant(IMPOSSIBLE))
    return first, b.node("Expand", row, b.node("Concat", batch, beam, axis=0))


def _ended_stay(b: Builder, odds: str, words: str, size: int) -> str:
    """Write log probabilities [B K, V] in which a sentence that has ended can only say 0, for nothing."""
    silence = np.full((1, size), IMPOSSIBLE, np.float32)
    silence[0, 0] = 0
    ended = b.node("Unsqueeze", b.node("Equal", words, b.constant(0)), b.constant([1]))
    return b.node("Where", ended, b.constant(silence, "silence"), odds)


def _shape(b: Builder, rows: str, width: int) -> str:
    return b.node("Concat", rows, b.constant([width]), axis=0)
