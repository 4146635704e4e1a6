"""Build and prove the three graphs of an image codec, and the tables of its entropy coder.

    encoder   image, quality -> z symbols, y in 1/256 of a step            float32 inside
    prior     z, the y known so far, pass, quality -> scale index, mean    whole numbers: equal everywhere
    decoder   z, y in 1/8 of a step, quality -> image                      float32 inside

Every input and output is an integer, so any onnxruntime user can hand bytes in and take bytes out.
"""

import io
from typing import Any

import numpy as np
import tensorflow as tf
from dimaging_edge.bundle import schema
from dimaging_edge.photo.neighbours import NEIGHBOURS
from dimaging_edge.photo.prior import PROGRAM
from onnx import helper

from dimaging_export.bundle import targets
from dimaging_export.bundle.build import BuildSpec, Built, describe
from dimaging_export.bundle.real_images import RealData
from dimaging_export.bundle.subject import Subject
from dimaging_export.codec import neighbours
from dimaging_export.codec.devices import (
    DEVICES,
    DeviceGraph,
    as_the_file_takes,
    device_graphs,
    window,
)
from dimaging_export.codec.file import prior_file
from dimaging_export.codec.integer_io import TYPES, whole_ends
from dimaging_export.codec.prior import prior_program
from dimaging_export.codec.proof import (
    as_type,
    carried,
    in_floats,
    prove_decoder,
    prove_encoder,
    prove_prior,
    runner,
)
from dimaging_export.codec.tables import scale_counts
from dimaging_export.convert.to_onnx import DIRECT, OPSET, convert
from dimaging_export.errors import ExportError
from dimaging_export.graph import passes
from dimaging_export.graph.check import verify
from dimaging_export.precision.weight_storage import in_bytes, store_in_bytes, store_in_half
from dimaging_export.prove.runners import Arrays, Graph, keras_graph
from dimaging_tf.compression.base import SYMBOL, LearnedCodec
from dimaging_tf.layers.codec import QUALITIES, table_index

SHOWN = 64
"""Height and width of the example image in the bundle, in pixels."""
_NUMPY = {name: helper.tensor_dtype_to_np_dtype(kind) for name, kind in TYPES.items()}
"""Name of a tensor -> its numpy type in the file."""


def build_codec(subject: Subject, spec: BuildSpec, real: RealData | None) -> dict[str, Built]:
    """Build and prove the graphs of a `LearnedCodec`, by name; the tables lie beside the prior.

    Raises ExportError for a precision or target that a codec cannot have, and where the prior's sums could
    reach 2^24; ParityError where a file does not compute what Keras computes.
    """
    if spec.precision != "fp32" or real is None:
        raise ExportError(
            f"{subject.name}: a codec is exported as fp32 (its prior in whole numbers), with images to count "
            f"symbols on; received precision {spec.precision!r}, "
            f"{'images' if real else 'no images: pass data='}"
        )
    halo = codec_facts(subject)["codec"]["halo"]
    if spec.target.static and any(side % 32 or side < 2 * halo + 32 for side in spec.size):
        raise ExportError(
            f"{subject.name}: windows of {spec.size[0]} x {spec.size[1]} pixels for target "
            f"{spec.target.name!r}: expected multiples of 32 of at least {2 * halo + 32}, which leave a core "
            f"between halos of {halo}; give --size"
        )
    model: LearnedCodec = subject.model
    calibration, judging = real.calibration.x, real.judging.x
    program = prior_program(model)
    stored = _npz(program.stored())
    z, y = (model.latents[name][1] for name in "zy")
    files = {"prior": prior_file(program, z, y)}
    for name in ("encoder", "decoder"):
        for weight in subject.graphs[name].weights:  # of the copy that is exported
            weight.assign(_short(np.asarray(weight), weight.path))
        files[name] = whole_ends(
            convert(subject.graphs[name], converter="direct"), model.config.bits
        )
    for file in files.values():
        store_in_bytes(file.graph)
        store_in_half(file.graph)
        verify(file)
    runs = {name: runner(file) for name, file in files.items()}
    reference = {name: carried(keras_graph(graph)) for name, graph in subject.graphs.items()}
    example = _examples(model, runs, judging[:1])
    reports = {
        "encoder": prove_encoder(runs["encoder"], reference["encoder"], example["encoder"]),
        "prior": prove_prior(files["prior"], stored, example["prior"]),
        "decoder": prove_decoder(runs["decoder"], reference["decoder"], example["decoder"]),
    }
    extra = {**_tables(model, runs, calibration), PROGRAM: stored}
    if spec.target.name in DEVICES:
        found = device_graphs(model, subject.graphs, program, spec.target, spec.size)
        return _for_device(model, found, spec, runs, reference, judging, extra)
    built = {}
    example = _examples(model, runs, judging[:1, :SHOWN, :SHOWN])
    for name, file in files.items():
        feed = example[name]
        answers = reference[name](feed) if name != "prior" else runs[name](feed)
        arrays = feed | {k: _as_stored(k, v, model.config.bits) for k, v in answers.items()}
        ins, outs = (
            tuple(describe(info, arrays, _ranges(model)) for info in side)
            for side in (file.graph.input, file.graph.output)
        )
        work = None if name == "prior" else _macs(subject.graphs[name], feed)
        entry = schema.Graph(
            name, f"{name}.onnx", ins, outs, OPSET, work, passes.count(file), reports[name]
        )
        verdict = targets.check(file, spec.target)
        built[name] = Built(
            file, entry, arrays, reference[name], in_floats(runs[name]), verdict, DIRECT,
            sizes=(judging.shape[1:3],), files=extra if name == "prior" else {},
        )  # fmt: skip
    return built


def _for_device(
    model: LearnedCodec, graphs: dict[str, DeviceGraph], spec: BuildSpec, runs: dict[str, Graph],
    reference: dict[str, Graph], judging: np.ndarray, extra: dict[str, bytes],
) -> dict[str, Built]:  # fmt: skip
    """Prove the graphs of a device, by name; the tables lie beside the first."""
    built = {}
    size = spec.size if spec.target.static else (SHOWN, SHOWN)
    examples = {
        graph: _examples(
            model, runs, window(judging, size if graph != "prior" else (SHOWN, SHOWN))
        )[graph]
        for graph in runs
    }
    for name, graph in graphs.items():
        verify(graph.file)
        run, whole = runner(graph.file), graph.part_of
        feed = {
            **examples[whole],
            **({} if graph.number is None else {"pass": np.array([graph.number])}),
        }
        if whole == "prior":
            report = prove_prior(graph.file, extra[PROGRAM], feed, graph.number)
        else:
            prove = prove_encoder if whole == "encoder" else prove_decoder
            report = prove(run, reference[whole], feed)
        given = as_the_file_takes(graph.file, feed)
        answers = run(given) if whole == "prior" else reference[whole](feed)
        arrays = given | {k: _as_stored(k, v, model.config.bits) for k, v in answers.items()}
        ins, outs = (
            tuple(describe(info, arrays, _ranges(model)) for info in side)
            for side in (graph.file.graph.input, graph.file.graph.output)
        )
        nodes = passes.count(graph.file)
        entry = schema.Graph(name, f"{name}.onnx", ins, outs, OPSET, None, nodes, report)
        verdict = targets.check(graph.file, graph.target)
        built[name] = Built(
            graph.file, entry, arrays, reference[whole], in_floats(runs[whole]), verdict, DIRECT,
            sizes=() if graph.target.static else (judging.shape[1:3],), files=extra if not built else {},
            stands_for={whole: (reference[whole], in_floats(runs[whole]))},
        )  # fmt: skip
    return built


def codec_facts(subject: Subject, _: RealData | None = None) -> dict[str, dict[str, int]]:
    """Return what bundle.json says of a codec under `config`: {"codec": {"halo", "bit_depth"}}.

    halo: pixels that encoder and decoder see beyond a tile, a multiple of 32; a block sees 8 pixels
    further, the way to the bottleneck 24. bit_depth: bits of a pixel, 8 or 16.
    """
    config = subject.model.config
    before, behind = config.blocks
    reach = 8 * max(before + 4, behind + 1)
    return {"codec": {"halo": -(-reach // 32) * 32, "bit_depth": config.bits}}


def _short(weight: np.ndarray, path: str) -> np.ndarray:
    """Round a weight to what the file stores.

    Kernels of residual blocks become int8 with a scale, all other weights, which every pixel passes,
    float16. Together that costs 0.01 to 0.02 dB and saves three quarters of the file.
    """
    ordinary = "conv2d" in path and "transpose" not in path  # all others have names of their own
    if ordinary and weight.ndim == 4:
        return in_bytes(weight)
    return weight.astype(np.float16)


def _ranges(model: LearnedCodec) -> dict[str, tuple[float, float] | None]:
    return {**model.ranges, "image": (0, 2**model.config.bits - 1)}


def _as_stored(name: str, x: np.ndarray, bits: int) -> np.ndarray:
    """Convert what Keras answers for the tensor `name` to its type in the file; bits: those of a pixel."""
    if name != "image":
        return x.astype(_NUMPY[name])
    levels = np.float32(2**bits - 1)
    return np.floor(x * levels + np.float32(0.5)).astype(np.uint16 if bits > 8 else np.uint8)


def _examples(model: LearnedCodec, runs: dict[str, Graph], image: np.ndarray) -> dict[str, Arrays]:
    """Return inputs of every graph at batch 1, in the files' types: an image at quality 32, and its code.

    runs: the files. image: float32 [1, H, W, C].
    """
    quality = np.array([32], np.int64)
    pixels = as_type("uint16" if model.config.bits > 8 else "uint8", image)
    code = runs["encoder"]({"image": pixels, "quality": quality})
    y, _ = model.coded(lambda name, **x: runs[name](x), code, quality)
    feed = {"z": code["z"], "y": y.astype(np.int32), "quality": quality}
    return {
        "encoder": {"image": pixels, "quality": quality},
        "prior": {**feed, "pass": np.array([1], np.int64)},
        "decoder": feed,
    }


def _tables(model: LearnedCodec, runs: dict[str, Graph], image: np.ndarray) -> dict[str, bytes]:
    """Fit the tables of the entropy coder to images [N, H, W, C]; returns file name -> content."""
    z_index, wide = _z_index(model), model.widest > SYMBOL
    if wide:
        image = np.concatenate([image, np.asarray(model.varied(tf.constant(image), 0))])
    seen = neighbours.latents(runs, z_index, image, model.widest)
    z, y = (model.latents[name][1] for name in "zy")
    alone = neighbours.no_tables(z), neighbours.no_tables(y)
    around = neighbours.fit(seen, scale_counts(neighbours.count(seen, alone), wide))
    counts = scale_counts(neighbours.count(seen, around), wide)
    return {
        "scale_counts.bin": counts.astype("<u2").tobytes(),
        "z_index.bin": z_index.tobytes(),
        NEIGHBOURS: b"".join(tables.to_bytes() for tables in around),
    }


def _z_index(model: LearnedCodec) -> np.ndarray:
    """Return the scale index of each channel of z at each quality, uint8 [64, Cz].

    It is never 0, which would send nothing: a channel that is silent but for rare events needs those.
    """
    scale = np.asarray(model.z_log2_scale(np.arange(QUALITIES)))[:, 0, 0]
    return np.maximum(np.asarray(table_index(scale)), 1).astype(np.uint8)


def _npz(arrays: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _macs(graph: Any, feed: Arrays) -> int | None:
    shapes = [feed[tensor.name].shape for tensor in graph.inputs]
    file = convert(graph, shapes, "direct")
    return passes.macs(passes.with_shapes(file, {k: v.shape for k, v in feed.items()}))
