"""`export`: a Keras model in, a proven bundle out."""

import importlib.metadata as metadata
import json
import logging
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from dimaging_edge import __version__, schema
from dimaging_export import parity, targets
from dimaging_export.build import Built, Order, build
from dimaging_export.card import card
from dimaging_export.errors import ExportError
from dimaging_export.graph import annotate
from dimaging_export.realdata import RealData, real_data
from dimaging_export.subject import Subject, load_subject
from dimaging_export.write import check_place, file_entry, new_bundle
from dimaging_tf import registry

log = logging.getLogger(__name__)

_TOOLS = ("tensorflow", "keras", "numpy", "onnx", "onnxruntime", "tf2onnx")


def export(
    model_or_path: Any,
    out: str | Path,
    *,
    precision: str = "fp32",
    target: str = "cpu",
    data: Any = None,
    force: bool = False,
    uint8: bool | None = None,
    size: int | tuple[int, int] | None = None,
    converter: str = "auto",
) -> Path:
    """Convert a model, prove it against Keras and write it as a bundle; returns its folder, `out`.

    model_or_path: a Keras model (one with graphs(), or any functional one), a .keras file or a run
    folder. out: the bundle's own folder; nothing is there until all of it is. precision: "fp32",
    "fp16", "int8". target: "cpu", "cuda", "phone", "web". data: real images to calibrate on and judge
    by: a name or folder of dimaging_tf.data, a Dataset, or an array [N, H, W, C] (or a pair of it and
    labels); by default what the model was trained on. force: replace a bundle that is there. uint8:
    images as bytes [0, 255]; by default as the target likes it. size: height and width where the model
    leaves them free, fixed in the file for the phone. converter: "auto", "direct" or "tf2onnx".

    Raises ExportError for what cannot be exported, and ParityError where the file does not compute
    what Keras computes; neither leaves anything behind.
    """
    out = Path(out)
    row = targets.find(target, precision)
    check_place(out, force)
    if isinstance(size, int):
        size = (size, size)
    subject = load_subject(model_or_path)
    if size and not subject.free_size:
        raise ExportError(
            f"size={size[0]} x {size[1]}: {subject.name} has a fixed size; leave it out"
        )
    wanted = size or ((row.size, row.size) if row.static else None)
    real = real_data(data, subject, wanted if subject.free_size else None)
    order = Order(
        precision,
        row,
        row.uint8 if uint8 is None else uint8,
        wanted or (row.size, row.size),
        converter,
    )
    built = _build_all(subject, order, real)
    if uint8 and not any(x.dtype == np.uint8 for b in built.values() for x in b.examples.values()):
        raise ExportError(
            f"uint8=True: {subject.name} has no image (a tensor [N, H, W, C] with the range (0, 1)) to carry as "
            "bytes; leave it out"
        )
    quality = _quality(subject, order, built, real)
    facts = _facts(subject, order, real, built)
    with new_bundle(out, force) as folder:
        _write(folder, subject, built, facts, quality, real)
    log.info("wrote %s", out)
    return out


def _build_all(subject: Subject, order: Order, real: RealData | None) -> dict[str, Built]:
    calibration = subject.examples(real.calibration.image, real.calibration.label) if real else {}
    judging = subject.examples(real.judging.image, real.judging.label) if real else {}
    built = {}
    for name in subject.graphs:
        log.info("building graph %s", name)
        built[name] = build(subject, name, order, calibration.get(name, {}), judging.get(name, {}))
    return built


def _quality(
    subject: Subject, order: Order, built: dict[str, Built], real: RealData | None
) -> dict | None:
    if subject.quality is None or real is None:
        return None
    images = real.judging
    keras, onnx = (
        subject.score(lambda graph, **x: getattr(built[graph], side)(x), images.image, images.label)
        for side in ("reference", "floats")
    )
    return parity.judge_quality(subject.quality, order.precision, keras, onnx)


def _facts(
    subject: Subject, order: Order, real: RealData | None, built: dict[str, Built]
) -> dict[str, Any]:
    """Everything of the manifest that is known before a file is written."""
    entry = registry.REGISTRY.get(subject.name)
    licence = f"weights learned from {real.name}: {real.licence}" if real else "unstated"
    tools = {name: metadata.version(name) for name in _TOOLS}
    tools["python"] = platform.python_version()
    tools["converter"] = ", ".join(sorted({b.converter for b in built.values()}))
    return {
        "schema": schema.SCHEMA,
        "model": subject.name,
        "model_id": subject.model_id,
        "precision": order.precision,
        "target": order.target.name,
        "version": __version__,
        "licence": licence,
        "paper": entry.paper if entry else "",
        "lecture": entry.lecture if entry else "",
        "config": json.loads(json.dumps(asdict(subject.model.config))) if subject.model else {},
        "tools": tools,
    }


def _write(
    folder: Path, subject: Subject, built: dict[str, Built], facts, quality, real: RealData | None
) -> None:
    for name, b in built.items():
        texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in facts.items()}
        tensors = {
            t.name: {"layout": t.layout, "range": t.range}
            for t in (*b.spec.inputs, *b.spec.outputs)
        }
        annotate(
            b.model,
            {
                **texts,
                "graph": name,
                "tensors": json.dumps(tensors),
                "parity": json.dumps(b.spec.parity),
            },
        )
        onnx.save(b.model, folder / b.spec.file)
    arrays = {f"{name}/{key}": x for name, b in built.items() for key, x in b.examples.items()}
    np.savez_compressed(folder / "examples.npz", allow_pickle=False, **arrays)
    files = {path.name: file_entry(path) for path in sorted(folder.iterdir())}
    manifest = schema.Manifest(
        graphs={name: b.spec for name, b in built.items()}, files=files, quality=quality, **facts
    )
    (folder / "bundle.json").write_text(manifest.to_json(), encoding="utf-8")
    verdicts = {name: b.verdict for name, b in built.items() if b.verdict}
    (folder / "CARD.md").write_text(
        card(manifest, subject.source, real, verdicts), encoding="utf-8"
    )
