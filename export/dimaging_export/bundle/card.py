"""The text of CARD.md, which tells the person who opens the folder what a bundle is."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from dimaging_edge.bundle import schema

from dimaging_export.bundle.build import Built
from dimaging_export.bundle.real_images import RealData
from dimaging_export.convert.to_onnx import MIXED
from dimaging_export.prove import parity
from dimaging_tf import registry

_FREE = {2: "height and width", 1: "number of steps", 3: "number of frames, height and width"}
"""Number of an input's sizes that are free -> what they are called."""


def card(
    m: schema.Manifest, built: dict[str, Built], real: RealData | None, command: str,
    entry: registry.Entry | None = None,
    more: Mapping[str, str] = MappingProxyType({}),
) -> str:  # fmt: skip
    """Return the card's text.

    command: the one that repeats the export. entry: the registry's row of one of our models, else None.
    more: further sections by title, those of `provenance`.
    """
    origin = [
        ("Lecture", m.lecture),
        ("Paper", m.paper),
        ("Licence", m.licence),
        ("Weights (SHA-256)", m.model_id),
        ("Written by", f"dimaging {m.version}"),
    ]
    sections = {
        f"# {m.model}, {m.precision}, for {m.target}": _summary(entry) + "\n\n" + _list(origin),
        "## Inputs and outputs": _tensors(m),
        "## Does it compute what Keras computes?": _parity(m),
        "## Quality": _quality(m, real),
        "## Size and work": _work(m, built),
        "## Accelerators of the phone": _verdicts(built),
        "## Limits": _limits(m, built),
        **more,
        "## Make it again": f"    {command}\n\n" + _list(sorted(m.tools.items())),
    }
    return "\n\n".join(f"{title}\n\n{text}" for title, text in sections.items() if text) + "\n"


def _summary(entry: registry.Entry | None) -> str:
    return f"{entry.summary[:1].upper()}{entry.summary[1:]}." if entry else "A Keras model."


def _tensors(m: schema.Manifest) -> str:
    rows = [
        (g.name, side, t.name, t.dtype, " x ".join(map(str, t.shape)), t.layout or "—", _range(t))
        for g in m.graphs.values()
        for side, tensors in (("in", g.inputs), ("out", g.outputs))
        for t in tensors
    ]
    return _table(("graph", "", "tensor", "type", "shape", "layout", "range"), rows)


def _parity(m: schema.Manifest) -> str:
    rows = [
        (g.name, output, f"{figures['max_abs']:.3g}", f"{figures['allowed']:.3g}")
        for g in m.graphs.values()
        for output, figures in g.parity.items()
    ]
    text = "On seeded and real inputs, onnxruntime on a CPU against Keras, at batch 1, 3 and 8"
    text += " (a file of batch 1 image by image)."
    if m.precision != "fp32":
        text += " Rounding moves single values; what decides is below, under quality."
    return text + "\n\n" + _table(("graph", "output", "largest difference", "allowed"), rows)


def _quality(m: schema.Manifest, real: RealData | None) -> str:
    text = "No real inputs were given."
    if real:
        text = f"Real inputs it was proven and judged on: {real.name} ({real.licence})."
    if real and not real.apart:
        text += " The same ones calibrated and judged, for there were few."
    if m.quality:
        q = m.quality
        row = [f"{q[key]:.5g} {q['unit']}".strip() for key in ("keras", "onnx", "loss", "allowed")]
        return (
            text + "\n\n" + _table((f"{q['name']}, Keras", "this file", "loss", "allowed"), [row])
        )
    if m.precision in parity.SQNR:
        text += f" Every output keeps {parity.SQNR[m.precision]:.0f} dB of signal to noise."
    return text


def _work(m: schema.Manifest, built: dict[str, Built]) -> str:
    rows = []
    for g in m.graphs.values():
        size, macs = f"{m.files[g.file].bytes:,}", "—" if g.macs is None else f"{g.macs:,}"
        at = ", ".join(" x ".join(map(str, t.example)) for t in g.inputs)
        nodes = ", ".join(f"{op} {n}" for op, n in g.nodes.items())
        transposes = g.nodes.get("Transpose", 0)
        rows.append((g.name, size, macs, at, sum(g.nodes.values()), transposes, nodes))
    table = _table(("graph", "bytes", "MACs", "at", "nodes", "Transposes", "which"), rows)
    return table + _roads(built)


def _roads(built: dict[str, Built]) -> str:
    """Return which layers have no emitter and were converted by tf2onnx; "" where none was."""
    lines = [
        f"* {name}: {b.converter.removeprefix(MIXED)}"
        for name, b in built.items()
        if b.converter.startswith(MIXED)
    ]
    if not lines:
        return ""
    text = "Every layer was written by its emitter, but for these, which tf2onnx converted:"
    return f"\n\n{text}\n\n" + "\n".join(lines)


def _verdicts(built: dict[str, Built]) -> str:
    rows = [(name, *b.verdict.values()) for name, b in built.items() if b.verdict]
    if not rows:
        return ""
    head = ("graph", *next(iter(built.values())).verdict)
    text = (
        "Worth a try there, by the rules of onnxruntime's mobile usability checker? No device was"
    )
    return f"{text} asked.\n\n{_table(head, rows)}"


def _limits(m: schema.Manifest, built: dict[str, Built]) -> str:
    inputs = [t for g in m.graphs.values() for t in g.inputs]
    lines = ["dimaging_edge refuses inputs outside their range; plain onnxruntime computes them."]
    if any(isinstance(size, str) for t in inputs for size in t.shape[1:]):
        sizes = dict.fromkeys(size for b in built.values() for size in b.sizes)
        for count, what in _FREE.items():
            proven = [" x ".join(map(str, size)) for size in sizes if len(size) == count]
            lines += [f"Any {what}; proven at {', '.join(proven)}."] if proven else []
    if {"row", "pixel"} <= set(m.graphs) and "sampler" not in m.graphs:
        lines.append(
            "It draws with the graphs row and pixel, a call for each row and each pixel: this target takes "
            "no loop in a graph. For whole images in one call export for the target cpu or web."
        )
    tail = max(b.float_tail for b in built.values())
    if m.precision == "int8" and tail:
        lines.append("int8 knows images like those it was calibrated on; others may saturate.")
        lines.append(f"float32 in graphs with convolutions: the last {tail} before each output.")
    if m.precision == "fp16":
        lines.append("Most CPUs compute fp16 in float32: the file is smaller, not faster.")
    return "\n".join(f"* {line}" for line in lines)


def _range(tensor: schema.Tensor) -> str:
    return "any" if tensor.range is None else f"{tensor.range[0]:g} to {tensor.range[1]:g}"


def _list(items: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"* {key}: {value or '—'}" for key, value in items)


def _table(head: Sequence[str], rows: Sequence[Sequence]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
