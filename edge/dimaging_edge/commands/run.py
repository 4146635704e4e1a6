"""The verb `run`: one graph on files, whole or in tiles, its outputs as arrays and pictures."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dimaging_edge.commands import many
from dimaging_edge.commands.numbers import not_negative, positive
from dimaging_edge.common.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from dimaging_edge.bundle.open import Bundle
    from dimaging_edge.bundle.schema import Graph, Tensor


def add_verbs(verb: Any, add_device_options: Callable[[argparse.ArgumentParser], None]) -> None:
    """Describe the verb to the parser of `dimaging-edge`."""
    one = verb(run, "run one graph on files and write its outputs")
    one.add_argument("graph", metavar="GRAPH", help="name of the graph, as `info` prints it")
    one.add_argument(
        "--input", action="append", default=[], metavar="NAME=FILE",
        help="values of one input: a .npy, a .npz, a picture, or the word normal for unit Gaussian noise; "
        "given once for each input; or a folder of such files, or @LIST, a file of their paths: each is run "
        "by itself, into DIR/NAME",
    )  # fmt: skip
    one.add_argument(
        "--out", default="out", metavar="DIR", help="folder to write to (default: out)"
    )
    one.add_argument("--n", type=positive, help="number of items of noise (default: 1)")
    one.add_argument("--seed", type=not_negative, help="seed of the noise (default: 0)")
    one.add_argument(
        "--tile", type=positive, nargs="?", const=256, metavar="SIDE",
        help="cut images of any size into tiles that overlap, and put the outputs together "
        "(default: the whole image at once; SIDE: 256 pixels)",
    )  # fmt: skip
    one.add_argument(
        "--overlap", type=not_negative, metavar="PIXELS",
        help="pixels that neighbouring tiles share (default: a quarter of SIDE)",
    )  # fmt: skip
    one.add_argument(
        "--symmetries", action="store_true",
        help="the mean over the image turned and mirrored in eight ways: steadier, at eight times the time",
    )  # fmt: skip
    one.add_argument(
        "--over", action="store_true",
        help="also write OUTPUT-over.png: the likeliest class of each pixel in colour over the image",
    )  # fmt: skip
    many.add_options(one)
    add_device_options(one)


def run(options: argparse.Namespace, bundle: "Bundle") -> int:
    """Run one graph on files; write its outputs."""
    from dimaging_edge.commands.array_files import NORMAL

    bundle.graph(options.graph)  # says so where there is none of that name
    specs = {}
    for item in options.input:
        name, separator, spec = item.partition("=")
        if not (name and separator and spec):
            raise InputError(f"--input: expected NAME=FILE or NAME=normal, received {item!r}")
        if name in specs:
            raise InputError(f"--input {name}: given twice, as {specs[name]} and {spec}; drop one")
        specs[name] = spec
    if (options.n, options.seed) != (None, None) and NORMAL not in specs.values():
        raise InputError(f"--n and --seed are of noise: --input NAME={NORMAL}; drop them")
    options.n, options.seed = options.n or 1, options.seed or 0
    if Path(options.out).is_file():
        raise InputError(f"--out {options.out} is a file; give a folder")
    several = [name for name, spec in specs.items() if many.stands_for_several(spec)]
    if not several:
        if options.resume or options.shard != (1, 1):
            raise InputError("--resume and --shard are of a folder: --input NAME=FOLDER")
        for path in _run_once(options, bundle, specs, Path(options.out)):
            print(path)
        return 0
    if len(several) > 1:
        raise InputError(f"one input may be a folder; received {', '.join(several)}")
    from dimaging_edge.photo.picture import SUFFIXES

    (name,) = several
    sources = many.files_of([specs[name]], (*SUFFIXES, ".npy", ".npz"), options.shard)
    many.check_stems(sources)

    def work(source: Path, out: Path) -> list[Path]:
        made = _run_once(options, bundle, {**specs, name: str(source)}, out / source.stem)
        print(out / source.stem, flush=True)
        return made

    others = {f"input {key}": spec for key, spec in specs.items() if key != name}
    return many.each(options, sources, many.digest(options, [bundle.path], **others), work)


def _run_once(
    options: argparse.Namespace, bundle: "Bundle", specs: dict[str, str], out: Path
) -> list[Path]:
    """Run the graph on one item, or batch, of each input; return the files that hold the outputs."""
    from dimaging_edge.commands.array_files import read_inputs, save_picture, write_outputs

    graph = bundle.graph(options.graph)
    inputs = read_inputs(graph, specs, n=options.n, seed=options.seed)
    outputs = _outputs(options, bundle, inputs)
    written = list(write_outputs(graph, outputs, out))
    if options.over:
        for name, picture in _over(graph, inputs, outputs).items():
            save_picture(picture, path := out / f"{name}-over.png")
            written.append(path)
    return written


def _outputs(
    options: argparse.Namespace, bundle: "Bundle", inputs: "dict[str, np.ndarray]"
) -> "Mapping[str, np.ndarray]":
    """Return the outputs for the whole image or in tiles, as it is or as a mean over its symmetries."""
    from dimaging_edge.commands.generate import progress_line

    run, how = None, {}
    if options.tile is not None:
        from dimaging_edge.generate.overlap import run_tiled as run

        how = {"tile": options.tile, "overlap": options.overlap, "progress": progress_line("tiles")}
    elif options.overlap is not None:
        raise InputError("--overlap is of --tile; give both, or neither")
    if options.symmetries:
        from dimaging_edge.generate.symmetries import run_symmetric

        how = {"progress": progress_line("symmetries"), **how}
        return run_symmetric(bundle, options.graph, inputs, run, **how)
    if run:
        return run(bundle, options.graph, inputs, **how)
    return bundle.run(options.graph, **inputs)


def _in_unit(image: "np.ndarray", tensor: "Tensor") -> "np.ndarray":
    """Return an image that an input took, as float32 from black 0 to white 1."""
    from dimaging_edge.common.picture_range import picture_range

    low, high = (0, 255) if tensor.dtype == "uint8" else picture_range(tensor.range)
    return (image.astype("float32") - low) / (high - low)


def _over(
    graph: "Graph", inputs: "Mapping[str, np.ndarray]", outputs: "Mapping[str, np.ndarray]"
) -> "dict[str, np.ndarray]":
    """Return for each output of classes, [1, H, W, K], the first image with its classes in colour."""
    from dimaging_edge.common.class_colours import classes_over

    known = {t.name: t for t in graph.inputs if t.layout == "NHWC" and t.name in inputs}
    images = [_in_unit(inputs[name][0], tensor) for name, tensor in known.items()]
    found = {}
    for tensor in graph.outputs:
        value = outputs[tensor.name]
        fits = [x for x in images if x.shape[:2] == value.shape[1:3] and x.shape[-1] in (1, 3)]
        if tensor.layout == "NHWC" and value.shape[-1] > 1 and fits:
            found[tensor.name] = classes_over(fits[0], value[0].argmax(-1))
    if not found:
        raise InputError(
            f"--over: graph {graph.name!r} gives no classes a pixel of its image's size, [N, H, W, classes]"
        )
    return found
