"""The inner loop "rows": a row is drawn at once, again and again until nothing changes.

A pixel whose predecessors are right is drawn right, so a row that does not change any more is the exact
sample (arXiv 2002.09928, here with the rows above cached). Such a round costs nodes rather than arithmetic:
rows lie flat, so that a convolution is one Gemm with its row term, and onnxruntime fuses its ReLU too.
"""

from typing import Any

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.likelihoods import draw
from dimaging_export.samplers import steps, taps
from dimaging_export.samplers.file import loop_body
from dimaging_export.samplers.layouts import Flat
from dimaging_export.samplers.plan import Plan, Step


def fixed_point(
    outer: Builder,
    p: Plan,
    likelihood: Any,
    layout: Flat,
    local: steps.Names,
    terms: dict[Step, str],
    drawn_by: list[str],
    start: dict[int, str],
) -> str:
    """Write the loop; returns the row, and puts into `local` what the next rows read.

    local: tensor -> its name in the body of the outer loop. terms: row term of each pixel convolution.
    drawn_by: what `draw` reads. start: a first guess of the image's row, and any row of what else is kept.
    """
    body = outer.child()
    kept = [p.image, *(t for t in p.history if p.kinds[t] == "pixel" and t != p.image)]
    n, going = body.name("n"), body.name("going")
    before = {t: body.name("before") for t in kept}
    inside = dict(local) | {p.image: before[p.image]}

    def own(step: Step) -> str | None:
        layer, kernel = step.layer, taps.own_kernel(step.layer)
        if kernel is None:
            return None
        term = terms.get(step) or body.constant(taps.bias(layer), "bias")
        row = inside[step.inputs[0]]
        return taps.convolve(body, layout, [row], kernel[None], layer.left, term)

    parameters = steps.pixel_steps(body, p, inside, terms, own)
    again = draw(body, likelihood, parameters, drawn_by)
    change = body.node("ReduceL1", body.node("Sub", again, before[p.image]), keepdims=0)
    changed = body.node("Greater", change, body.constant(0.0))
    inside[p.image] = again
    outputs = [changed, *(inside[t] for t in kept)]
    graph = loop_body(body, "again", (n, going), list(before.values()), outputs)
    most = outer.constant(layout.width * p.channels[p.image] + 1, "most")
    found = outer.nodes_of("Loop", [most, "", *(start[t] for t in kept)], len(kept), body=graph)
    local.update(zip(kept, found, strict=True))
    return local[p.image]
