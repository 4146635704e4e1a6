"""`export` turns a Keras model into a proven bundle; `FAMILIES` says how models of each kind are built."""

import hashlib
import json
import logging
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from dimaging_edge import __version__
from dimaging_edge.bundle import schema
from dimaging_edge.common.errors import BundleError

from dimaging_export.bundle import targets
from dimaging_export.bundle.agreement import judged_by_agreement
from dimaging_export.bundle.build import BuildSpec, Built, build_plain
from dimaging_export.bundle.card import card
from dimaging_export.bundle.command import export_command
from dimaging_export.bundle.directions import latent_facts
from dimaging_export.bundle.provenance import sections
from dimaging_export.bundle.real_images import RealData, real_data
from dimaging_export.bundle.subject import Subject, load_subject
from dimaging_export.bundle.write import check_place, new_bundle, seal_graphs
from dimaging_export.certificate.bundled import build_certificate
from dimaging_export.certificate.integer_valued import prepare_classifier
from dimaging_export.codec.build import build_codec, codec_facts
from dimaging_export.errors import ExportError, PrecisionError
from dimaging_export.gradient.bundled import build_gradient, check_classifier
from dimaging_export.graph import weights
from dimaging_export.graph.passes import annotate, introduce
from dimaging_export.precision.reduced import FLOAT_TAILS
from dimaging_export.prove import parity
from dimaging_export.samplers.build import build_density, prepare_density
from dimaging_export.samplers.build_captions import build_captions
from dimaging_export.samplers.build_text import build_text, prepare_text, text_facts
from dimaging_tf.compression.base import LearnedCodec
from dimaging_tf.density.base import ExplicitDensity
from dimaging_tf.models.classifier import Classifier
from dimaging_tf.models.vae_faces import FaceVAE
from dimaging_tf.sequence.base import LanguageModel
from dimaging_tf.sequence.captioner import Captioner

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Family:
    """A kind of models and how they are exported; a family with graphs of its own is a row of `FAMILIES`."""

    kind: type
    """The base class of its models."""
    build: Callable[[Subject, BuildSpec, RealData | None], dict[str, Built]]
    """Builds and proves every graph of the bundle, by name."""
    prepare: Callable[[Subject, BuildSpec, RealData | None], Subject] | None = None
    """Returns the subject to build in this precision, or raises ExportError where it has none."""
    facts: Callable[[Subject, RealData | None], dict[str, Any]] | None = None
    """Returns what bundle.json says under `config` beside the model's own settings."""
    windows: bool = False
    """True where a static target's size is that of windows which cover a picture; data are not cut to it."""
    tails: bool = True
    """Whether int8 may leave more of the last products in float32 when it misses the quality limit."""


FAMILIES = (
    Family(LearnedCodec, build_codec, facts=codec_facts, windows=True),
    Family(ExplicitDensity, build_density, prepare=prepare_density),
    Family(LanguageModel, build_text, prepare=prepare_text, facts=text_facts, tails=False),
    Family(Captioner, build_captions),
    Family(Classifier, build_plain, prepare=prepare_classifier),
    Family(FaceVAE, build_plain, facts=latent_facts),
    Family(object, build_plain),  # every other model: its graphs as they are
)
"""All families; a model belongs to the row whose kind comes first among its base classes (its MRO)."""

_LEAST_SHARE = {"fp32": 1, "integer": 1, "fp16": 1 / 2, "int8": 1 / 4}
"""Precision -> how much of the bytes of float32 weights a file holds at least."""

_TOOLS = ("keras", "numpy", "onnx", "onnxruntime", "tensorflow", "tf2onnx")
"""Packages whose versions the manifest records."""


@weights.room()
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
    gradient: bool = False,
    certificate: bool = False,
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> Path:
    """Convert a model, prove it against Keras, write it as a bundle; returns its folder, `out`.

    model_or_path  a Keras model (one with graphs(), or any functional one), a .keras file, a run
                   folder
    out            the bundle's own folder; nothing is there until all of it is
    precision      "fp32", "fp16" or "int8"; for an explicit density "fp32" or "integer",
                   for a classifier with thresholds "integer" too
    target         "cpu", "cuda", "phone" or "web"
    data           real inputs to calibrate on and judge by: a name or path for dimaging_tf.data.load,
                   a Dataset, an array of examples, such as images [N, H, W, C], or a pair of it and
                   labels; for a plain model of several inputs a dict of arrays, or of paths of
                   arrays (.npy, .npz) and folders of images, by their names;
                   by default what the model was trained on
    force          replace a bundle that is there
    uint8          whether images are bytes, 0 to 255; by default as the target likes it
    size           height and width of examples where the model takes any, in pixels; the phone's
                   file is made for it
    converter      "auto", "direct" or "tf2onnx"
    gradient       whether a classifier gets the graph "gradient" too, with which a device can attack it
    certificate    whether a classifier gets the graph "certificate" too: image, label and eps in, a bound
                   out that no attack within eps can pass
    ranges         of a plain Keras model: input -> (lowest, highest) legal value, such as
                   {"image": (0, 255)}; whole numbers of `data` are scaled to it

    Raises ExportError for what cannot be exported, and ParityError where the file does not compute
    what Keras computes; neither leaves anything behind.
    """
    out, ranges = Path(out), ranges or {}
    row = targets.find(target, precision)
    check_place(out, force)
    subject = load_subject(model_or_path).with_ranges(ranges)
    side, size = size, (size, size) if isinstance(size, int) else size
    if size is not None and not subject.free_size:
        if size != subject.fixed_size:
            raise ExportError(f"size={side}: {subject.name} takes one size only; leave it out")
        size = None
    family = family_of(subject)
    if gradient or certificate:
        check_classifier(subject)
    _refuse_two_files(family, subject, row, precision, gradient, certificate)
    wanted = size or ((row.size, row.size) if row.static and not family.windows else None)
    real = real_data(data, subject, wanted if subject.free_size else None)
    subject = judged_by_agreement(subject, real)
    spec = BuildSpec(
        precision=precision,
        target=row,
        uint8=row.uint8 if uint8 is None else uint8,
        size=wanted or (row.size, row.size),
        converter=converter,
        by_score=subject.quality is not None and real is not None,
    )
    subject = _prepared(family, subject, spec, real)
    built, quality = _build_within_quality(family, subject, spec, real)
    if uint8 and all(x.dtype != np.uint8 for b in built.values() for x in b.examples.values()):
        raise ExportError(
            f"uint8=True: {subject.name} has no tensor [N, H, W, C] of the range (0, 1), so no "
            "image to carry as bytes; leave it out"
        )
    added: dict[str, Built] = {}
    if gradient:
        added |= build_gradient(subject, spec, real, built)
    if certificate:
        added |= build_certificate(subject, spec, real, built)
    built |= added
    facts = _facts(family, subject, spec, built, real)
    switches = {"uint8": uint8, "gradient": gradient or None, "certificate": certificate or None}
    side = size[0] if size and size[0] == size[1] else None
    command = export_command(subject.source, precision, target, data, side, switches, ranges)
    with new_bundle(out, force) as folder:
        manifest = _write(folder, built, facts, quality)
        text = card(manifest, built, real, command, subject.entry, sections(model_or_path))
        (folder / "CARD.md").write_text(text, encoding="utf-8")
    log.info("wrote %s", out)
    return out


def _refuse_two_files(
    family: Family, subject: Subject, target: targets.Target, precision: str, gradient: bool,
    certificate: bool,
) -> None:  # fmt: skip
    """Raise ExportError for weights over 2 GiB where they have to be in one file, before hours of work."""
    asked = [n for n, on in (("gradient", gradient), ("certificate", certificate)) if on]
    for name, graph in subject.graphs.items():
        size = weights.size_of(graph.weights)
        if size < weights.LARGEST_FILE:
            continue
        said = weights.too_large(f"graph {name!r}", size)
        least = int(size * _LEAST_SHARE[precision])
        if target.one_file and least >= weights.LARGEST_FILE:
            raise ExportError(targets.two_files(target, name, least, precision))
        if asked:
            raise ExportError(f"{said}, and {asked[0]}=True needs one; leave it out")
        if family.build is not build_plain:
            raise ExportError(f"{said}, and {subject.name} needs one. Make the model smaller")


def family_of(subject: Subject) -> Family:
    """Find the row of the model's nearest base class; a plain Keras model has the last row."""
    rows = {family.kind: family for family in FAMILIES}
    return next(rows[kind] for kind in type(subject.model).__mro__ if kind in rows)


def _prepared(family: Family, subject: Subject, spec: BuildSpec, real: RealData | None) -> Subject:
    if family.prepare:
        return family.prepare(subject, spec, real)
    if spec.precision == "integer":
        raise ExportError(
            f"precision 'integer' is for explicit densities, and for classifiers that compare pixels with "
            f"thresholds; {subject.name} is none: choose fp32, fp16 or int8"
        )
    return subject


def _build_within_quality(
    family: Family, subject: Subject, spec: BuildSpec, real: RealData | None
) -> tuple[dict[str, Built], dict[str, Any] | None]:
    """Build and judge all graphs.

    For int8, leave one more of the last layers in float32 each time the quality limit is missed, unless the
    family has no such layers.
    """
    known = FLOAT_TAILS[spec.precision]
    *tails, last = (replace(spec, float_tail=n) for n in (known if family.tails else known[:1]))
    for shorter in tails:
        try:
            return _build_and_judge(family, subject, shorter, real)
        except PrecisionError as error:
            if not error.by_tail:
                raise
            log.info("%s; trying with one more layer in float32", error)
    return _build_and_judge(family, subject, last, real)


def _build_and_judge(
    family: Family, subject: Subject, spec: BuildSpec, real: RealData | None
) -> tuple[dict[str, Built], dict[str, Any] | None]:
    built = family.build(subject, spec, real)
    try:
        return built, _quality(subject, spec, built, real)
    except PrecisionError as error:
        error.by_tail = any(b.float_tail for b in built.values())
        raise


def _quality(
    subject: Subject, spec: BuildSpec, built: dict[str, Built], real: RealData | None
) -> dict[str, Any] | None:
    if subject.quality is None or real is None:
        return None
    x, label = real.judging.x, real.judging.label
    runs = {name: (b.reference, b.floats) for name, b in built.items()}
    for b in built.values():
        runs |= b.stands_for
    if subject.original is not None:
        keras = subject.original.score(subject.original.run, x, label)
    else:
        keras = subject.score(lambda graph, **given: runs[graph][0](given), x, label)
    onnx = subject.score(lambda graph, **given: runs[graph][1](given), x, label)
    return parity.judge_quality(subject.quality, spec.precision, keras, onnx)


def _facts(
    family: Family,
    subject: Subject,
    spec: BuildSpec,
    built: dict[str, Built],
    real: RealData | None,
) -> dict[str, Any]:
    """Return what the manifest says of the bundle as a whole, and every file of itself."""
    entry, origin = subject.entry, subject.learned_from
    config = asdict(subject.model.config) if hasattr(subject.model, "config") else {}
    if family.facts:
        config |= family.facts(subject, real)
    tools = {name: _version(name) for name in _TOOLS}
    tools["python"] = platform.python_version()
    tools["converter"] = ", ".join(sorted({b.converter for b in built.values()}))
    return {
        "schema": schema.SCHEMA,
        "model": subject.name,
        "model_id": _model_id(subject, built),
        "precision": spec.precision,
        "target": spec.target.name,
        "version": __version__,
        "licence": f"weights learned from {origin[0]}: {origin[1]}" if origin else "unstated",
        "paper": entry.paper if entry else "",
        "lecture": entry.lecture if entry else "",
        "config": json.loads(json.dumps(config)),
        "tools": tools,
    }


def _version(package: str) -> str:
    """Return a tool's version: that of the loaded module, for the package's own takes 10 ms to read."""
    loaded = getattr(sys.modules.get(package), "__version__", None)
    return loaded or metadata.version(package)


def _model_id(subject: Subject, built: dict[str, Built]) -> str:
    """Return the SHA-256 of the weights, and of the tables where there are some."""
    tables = [b.files[name] for b in built.values() for name in sorted(b.files)]
    joined = b"".join([subject.model_id.encode(), *tables])
    return hashlib.sha256(joined).hexdigest() if tables else subject.model_id


def _write(
    folder: Path, built: dict[str, Built], facts: dict[str, Any], quality: dict[str, Any] | None
) -> schema.Manifest:
    """Write every file but the card, and return the manifest."""
    for name, b in built.items():
        tensors = {t.name: (t.layout, t.range) for t in (*b.entry.inputs, *b.entry.outputs)}
        texts = {**facts, "graph": name, "tensors": tensors, "parity": b.entry.parity}
        annotate(b.model, {k: v if isinstance(v, str) else json.dumps(v) for k, v in texts.items()})
        introduce(b.model, name, facts)
        weights.save(b.model, folder / b.entry.file)
        for file, data in b.files.items():
            (folder / file).write_bytes(data)
    examples: Any = {f"{n}/{key}": x for n, b in built.items() for key, x in b.examples.items()}
    np.savez_compressed(folder / "examples.npz", **examples)
    graphs = {name: b.entry for name, b in built.items()}
    files = seal_graphs(folder, facts["model_id"], graphs)
    manifest = schema.Manifest(graphs=graphs, files=files, quality=quality, **facts)
    text = manifest.to_json()
    try:
        schema.Manifest.from_json(text)
    except BundleError as error:  # such as a layer's name that no terminal can show
        raise ExportError(
            f"no device would open this bundle: {error}. Nothing was written"
        ) from error
    (folder / "bundle.json").write_text(text, encoding="utf-8")
    return manifest
