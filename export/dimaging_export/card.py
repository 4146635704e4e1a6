"""CARD.md: what a bundle is, for the person who opens the folder."""

from collections.abc import Iterable, Sequence

from dimaging_edge import schema
from dimaging_export import parity
from dimaging_export.realdata import RealData
from dimaging_tf import registry


def card(
    manifest: schema.Manifest,
    source: str,
    real: RealData | None,
    verdicts: dict[str, dict[str, str]],
) -> str:
    """The text. source: run folder or file of the model; verdicts: of the mobile checker, by graph."""
    m = manifest
    entry = registry.REGISTRY.get(m.model)
    sections = [
        f"# {m.model}, {m.precision}, for {m.target}",
        f"{entry.summary[0].upper()}{entry.summary[1:]}." if entry else "A Keras model.",
        _list(
            [
                ("Lecture", m.lecture),
                ("Paper", m.paper),
                ("Licence", m.licence),
                ("Weights (SHA-256)", m.model_id),
                ("Written by", f"dimaging {m.version}"),
            ]
        ),
        "## Inputs and outputs\n\n" + _tensors(m),
        "## Does it compute what Keras computes?\n\n" + _parity(m),
        "## Quality\n\n" + _quality(m, real),
        "## Size and work\n\n" + _work(m),
    ]
    if verdicts:
        sections.append("## Accelerators\n\n" + _verdicts(verdicts))
    sections += [
        "## Limits\n\n" + _limits(m),
        "## Make it again\n\n    " + _command(m, source) + "\n\n" + _list(sorted(m.tools.items())),
    ]
    return "\n\n".join(sections) + "\n"


def _tensors(m: schema.Manifest) -> str:
    rows = [
        (
            graph.name,
            side,
            t.name,
            t.dtype,
            " x ".join(map(str, t.shape)),
            t.layout or "—",
            _range(t),
        )
        for graph in m.graphs.values()
        for side, tensors in (("in", graph.inputs), ("out", graph.outputs))
        for t in tensors
    ]
    return _table(("graph", "", "tensor", "type", "shape", "layout", "range"), rows)


def _parity(m: schema.Manifest) -> str:
    rows = [
        (graph.name, output, f"{figures['max_abs']:.3g}", f"{figures['allowed']:.3g}")
        for graph in m.graphs.values()
        for output, figures in graph.parity.items()
    ]
    how = "Seeded and real inputs, onnxruntime on a CPU against Keras, at batch 1, 3 and 8 where it is free."
    if m.precision != "fp32":
        how += " Rounding makes single values differ; the figure of merit below is what was judged."
    return how + "\n\n" + _table(("graph", "output", "largest difference", "allowed"), rows)


def _quality(m: schema.Manifest, real: RealData | None) -> str:
    learned = (
        f"Real images: {real.name} ({real.licence})." if real else "No real images were given."
    )
    if real and not real.apart:
        learned += " The same ones calibrated and judged: there were too few."
    if not m.quality:
        floor = parity.SQNR.get(m.precision)
        judged = (
            f" Judged by signal to noise of every output, at least {floor:.0f} dB." if floor else ""
        )
        return f"{learned} The model has no figure of merit.{judged}"
    q = m.quality
    row = [f"{q[key]:.5g} {q['unit']}".strip() for key in ("keras", "onnx", "loss", "allowed")]
    return learned + "\n\n" + _table((str(q["name"]), "this file", "loss", "allowed"), [tuple(row)])


def _work(m: schema.Manifest) -> str:
    rows = [
        (
            g.name, f"{m.files[g.file].bytes:,}", "—" if g.macs is None else f"{g.macs:,}",
            " x ".join(map(str, g.inputs[0].example)) if g.inputs else "—", sum(g.nodes.values()),
            g.nodes.get("Transpose", 0), ", ".join(f"{op} {n}" for op, n in g.nodes.items()),
        )
        for g in m.graphs.values()
    ]  # fmt: skip
    return _table(("graph", "bytes", "MACs", "at", "nodes", "Transposes", "of which"), rows)


def _verdicts(verdicts: dict[str, dict[str, str]]) -> str:
    names = list(next(iter(verdicts.values())))
    rows = [(graph, *found.values()) for graph, found in verdicts.items()]
    return (
        "onnxruntime's mobile usability checker, by its rules alone: worth trying there, or CPU only? No "
        "device was asked.\n\n" + _table(("graph", *names), rows)
    )


def _limits(m: schema.Manifest) -> str:
    lines = [
        "Inputs outside the range above are refused by dimaging_edge; plain onnxruntime computes them."
    ]
    if any(
        isinstance(size, str) for g in m.graphs.values() for t in g.inputs for size in t.shape[1:]
    ):
        lines.append(
            "Any height and width runs; it was proven at the example's and at twice its height."
        )
    if m.precision == "int8":
        lines.append(
            "int8 suits images like those it was calibrated on; very different ones saturate."
        )
    if m.precision == "fp16":
        lines.append("onnxruntime computes fp16 in float32 on most CPUs: smaller, not faster.")
    return "\n".join(f"* {line}" for line in lines)


def _command(m: schema.Manifest, source: str) -> str:
    uint8 = any(t.dtype == "uint8" for g in m.graphs.values() for t in (*g.inputs, *g.outputs))
    flags = f"--precision {m.precision} --target {m.target}" + (" --uint8" if uint8 else "")
    return f"dimaging export {source} {flags}"


def _range(tensor: schema.Tensor) -> str:
    return "any" if tensor.range is None else f"{tensor.range[0]:g} to {tensor.range[1]:g}"


def _list(items: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"* {key}: {value or '—'}" for key, value in items)


def _table(head: Sequence[str], rows: Sequence[tuple]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
