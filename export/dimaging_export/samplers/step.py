"""A sampler without loops: two graphs that the host calls, for targets that forbid Loop, and to decode.

    row      row [1], above_K_D [W, B, C]...                                -> context, row_K...
    pixel    context [B, S], left_K [B, .]..., noise, canvas, mask [B, .]   -> image, parameters, own_K...

K names a tensor of the network: "image", or a number. above_K_D is its row D rows further up; left_K are its
pixels to the left, oldest first. The host keeps what own_K and row_K give and hands it back, as in
dimaging_edge/generate/stepping.py. An integer-valued network gives `weights` [B, C, levels] in place of the
parameters.
"""

from typing import Any

import keras
import onnx

from dimaging_export.emit.likelihoods import decode, draw, encode, prepare
from dimaging_export.emit.likelihoods_integer import weights
from dimaging_export.samplers import steps
from dimaging_export.samplers.file import whole_model
from dimaging_export.samplers.loops import Sampler, read_by_pixels
from dimaging_export.samplers.plan import Step, plan
from dimaging_tf.density.likelihoods_integer import IntegerLikelihood

Tensors = dict[str, tuple[int | str, ...]]


def step_graphs(network: keras.Model, likelihood: Any) -> dict[str, onnx.ModelProto]:
    """Write the graphs {"row", "pixel"} of a causal network (image and conditions -> parameters)."""
    p = plan(network)
    return {
        "row": _row(Sampler(network, likelihood, p)),
        "pixel": _pixel(Sampler(network, likelihood, p)),
    }


def _names(s: Sampler) -> dict[int, str]:
    """Return tensor -> its K, for those that the host keeps."""
    read = dict.fromkeys([*s.plan.history, *s.plan.registers])
    found = {t: str(i) for i, t in enumerate(t for t in read if t != s.plan.image)}
    return {**found, s.plan.image: "image"}


def _row(s: Sampler) -> onnx.ModelProto:
    b, p, k = s.b, s.plan, _names(s)
    inputs: Tensors = {name: ("batch", *shape[1:]) for name, shape in s.conditions.items()}
    names = s.once()
    index = b.node("Squeeze", "row")
    for tensor, kind in p.kinds.items():
        if kind == "map" and tensor in names:
            rows = b.node("Transpose", names[tensor], perm=[1, 2, 0, 3])
            names[tensor] = b.node("Gather", rows, index, axis=0)
    history = {t: [f"above_{k[t]}_{d + 1}" for d in range(n)] for t, n in p.history.items()}
    for tensor, above in history.items():
        inputs.update(dict.fromkeys(above, (s.width, "batch", p.channels[tensor])))
    seen = {
        t: [encode(b, s.likelihood, n) for n in above] if t == p.image else above
        for t, above in history.items()
    }
    terms = steps.row_steps(b, p, names, seen, index, s.width)
    every = b.constant([s.width, 1, 1])
    rows = {
        t: b.node("Expand", names[t], every) if p.kinds[t] == "vector" else names[t]
        for t in _extra(s)
    }
    known = [*terms.values(), *rows.values()]
    sizes = [*(step.channels for step in terms), *(p.channels[t] for t in _extra(s))]
    outputs: Tensors = {"context": (s.width, "batch", sum(sizes))}
    results = {"context": b.node("Concat", *known, axis=2)}
    for tensor in p.history:
        if p.kinds[tensor] == "row":
            outputs[f"row_{k[tensor]}"] = (s.width, "batch", p.channels[tensor])
            results[f"row_{k[tensor]}"] = names[tensor]
    return whole_model(b, "row", inputs, outputs, results, {"row": (1,)})


def _pixel(s: Sampler) -> onnx.ModelProto:
    b, p, k = s.b, s.plan, _names(s)
    terms = {step: step.channels for step in p.steps if _has_term(step)}
    widths = [*terms.values(), *(p.channels[t] for t in _extra(s))]
    inputs: Tensors = {"context": ("batch", sum(widths))}
    pieces = b.nodes_of("Split", ["context", b.constant(widths)], len(widths), axis=1)
    local = dict(zip(_extra(s), pieces[len(terms) :], strict=True))
    own_terms = dict(zip(terms, pieces, strict=False))
    left = {t: f"left_{k[t]}" for t in p.registers}
    inputs |= {left[t]: ("batch", w * p.channels[t]) for t, w in p.registers.items()}
    inputs |= {"noise": ("batch", s.likelihood.noise), "canvas": ("batch", s.channels)}
    inputs["mask"] = ("batch", 1)
    if p.image in left:
        left[p.image] = encode(b, s.likelihood, left[p.image])
    local |= {name: left[t] for name, t in p.before.items()}
    prepared = prepare(b, s.likelihood, "noise", "canvas", "mask")
    pixel, parameters = None, ""
    for _ in range(s.passes):
        local[p.image] = pixel or ""
        parameters = steps.pixel_steps(
            b, p, local, own_terms, lambda step: s.own_pixel(b, step, local, left, own_terms)
        )
        pixel = draw(b, s.likelihood, parameters, [name for name, _ in prepared])
    results = {"image": decode(b, s.likelihood, pixel or "")}
    outputs: Tensors = {"image": ("batch", s.channels)}
    if isinstance(s.likelihood, IntegerLikelihood):
        results["weights"] = weights(b, s.likelihood, parameters, 2, pixel or "")
        outputs["weights"] = ("batch", s.channels, s.likelihood.levels)
    else:
        results["parameters"] = parameters
        outputs["parameters"] = ("batch", s.likelihood.count)
    for tensor in k:
        if p.kinds[tensor] == "pixel":
            results[f"own_{k[tensor]}"] = local[tensor]
            outputs[f"own_{k[tensor]}"] = ("batch", p.channels[tensor])
    return whole_model(b, "pixel", inputs, outputs, results)


def _has_term(step: Step) -> bool:
    known = step.addends or step.positions or getattr(step.layer, "above", 0)
    return step.kind == "pixel" and bool(known)


def _extra(s: Sampler) -> list[int]:
    """Return what else pixels read that is known before the row."""
    return [t for t in read_by_pixels(s.plan) if s.plan.kinds[t] in ("row", "map", "vector")]
