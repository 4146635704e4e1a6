"""A manifest as plain text, for `dimaging-edge info`."""

from dimaging_edge.bundle.schema import Manifest, Tensor
from dimaging_edge.common.tables import DASH, number, table


def info_text(manifest: Manifest) -> str:
    """Return a manifest as plain text: facts, graphs, inputs and outputs."""
    size = sum(file.bytes for file in manifest.files.values()) / 1e6
    facts = [
        ["precision", manifest.precision],
        ["target", manifest.target],
        ["size", f"{number(size)} MB in {len(manifest.files)} files"],
        ["quality", _quality(manifest)],
        ["licence", manifest.licence],
        ["paper", manifest.paper],
        ["lecture", manifest.lecture],
        ["made by", ", ".join(f"{name} {version}" for name, version in manifest.tools.items())],
    ]
    graphs = [["graph", "nodes", "opset", "GMAC", "file MB"]]
    tensors = [["graph", "", "name", "dtype", "shape", "layout", "range", "max |diff|", "allowed"]]
    for graph in manifest.graphs.values():
        macs = None if graph.macs is None else graph.macs / 1e9
        file = manifest.files[graph.file].bytes / 1e6
        nodes = str(sum(graph.nodes.values()))
        graphs.append([graph.name, nodes, str(graph.opset), number(macs), number(file)])
        tensors += [[graph.name, "in", *_tensor(one), DASH, DASH] for one in graph.inputs]
        for one in graph.outputs:
            parity = graph.parity.get(one.name, {})
            figures = [number(parity.get("max_abs")), number(parity.get("allowed"))]
            tensors.append([graph.name, "out", *_tensor(one), *figures])
    head = f"{manifest.model} ({manifest.model_id[:12]})"
    plain = "\n".join(f"{key:9}  {value or DASH}" for key, value in facts)
    return "\n\n".join([f"{head}\n{plain}", table(graphs), table(tensors)])


def _tensor(one: Tensor) -> list[str]:
    limits = "finite" if one.range is None else f"[{one.range[0]:g}, {one.range[1]:g}]"
    shape = " x ".join(map(str, one.shape)) or "scalar"
    return [one.name, one.dtype, shape, one.layout or DASH, limits]


def _quality(manifest: Manifest) -> str:
    q = manifest.quality
    if q is None:
        return DASH
    value = {key: number(v) if isinstance(v, int | float) else v or DASH for key, v in q.items()}
    return (
        f"{value['name']}: Keras {value['keras']}, ONNX {value['onnx']} {value['unit']}; "
        f"loss {value['loss']}, allowed {value['allowed']}"
    )
