"""The verbs of models that make images: sample, imagine, complete, upscale; and pack, unpack."""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dimaging_edge.commands.class_names import class_name, class_number
from dimaging_edge.commands.text import pack_text, unpack_text, writes_text
from dimaging_edge.common.errors import InputError
from dimaging_edge.common.output import shows_progress

if TYPE_CHECKING:
    import numpy as np

    from dimaging_edge.bundle.open import Bundle

Verb = Callable[[Any, str], argparse.ArgumentParser]
_HALVES = ("upper", "lower", "left", "right")


def add_verbs(verb: Verb, add_device_options: Callable[[argparse.ArgumentParser], None]) -> None:
    """Describe the verbs to the parser of `dimaging-edge`."""
    parsers = [
        verb(sample, "draw images from a GAN, a VAE, a PixelCNN or another model that generates"),
        verb(imagine, "draw what a caption says (StackGAN)"),
        verb(complete, "fill in the unknown part of an image, several times"),
        verb(upscale, "enlarge a small image, several times (super-resolution)"),
        verb(pack, "compress images or a text without loss; needs a bundle of precision integer"),
        verb(unpack, "get packed images or a packed text back, exactly as they were"),
    ]
    drawing, captioned, completion, enlarging, packing, unpacking = parsers
    _add_drawing_options(drawing, n=16, out="sample.png")
    drawing.add_argument(
        "--label", metavar="CLASS",
        help="name or number of the class to draw, for a model of classes (default: each in turn)",
    )  # fmt: skip
    drawing.add_argument(
        "--prior", action="store_true",
        help="draw codes of N(0, I), not of the fitted sampler (VAE)",
    )  # fmt: skip
    captioned.add_argument(
        "caption", metavar="CAPTION", help="what to draw: a small red circle at the top left"
    )
    _add_drawing_options(captioned, n=4, out="imagine.png")
    completion.add_argument(
        "image", metavar="IMAGE", help="picture or .npy; rounded to the levels of the model"
    )
    known = completion.add_mutually_exclusive_group(required=True)
    known.add_argument(
        "--mask", metavar="FILE", help="picture or .npy that is white (1) where the image is known"
    )
    known.add_argument("--keep", choices=_HALVES, help="half of the image that is known")
    _add_drawing_options(completion, n=4, out="complete.png")
    completion.add_argument(
        "--label",
        metavar="CLASS",
        help="name or number of the image's class, for a model of classes",
    )
    enlarging.add_argument(
        "image", metavar="IMAGE", help="picture or .npy of the small size that the model takes"
    )
    _add_drawing_options(enlarging, n=4, out="upscale.png")
    packing.add_argument(
        "images",
        nargs="+",
        metavar="FILE",
        help="pictures, or .npy uint8 [N, H, W] of levels; a text file for a model of text",
    )
    packing.add_argument(
        "--out", metavar="FILE", help="file to write (default: images.dpix, or text.dtxt)"
    )
    unpacking.add_argument("file", metavar="FILE", help="file that `pack` wrote")
    unpacking.add_argument(
        "--out", metavar="FILE",
        help=".npy for uint8 [N, H, W] of levels, or .png for a grid of all images "
        "(default: images.npy, or text.txt)",
    )  # fmt: skip
    for parser in parsers:
        add_device_options(parser)


def _add_drawing_options(parser: argparse.ArgumentParser, n: int, out: str) -> None:
    """Add the options of every verb that draws."""
    parser.add_argument("--n", type=int, default=n, help=f"number of images (default: {n})")
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise (default: 0)")
    parser.add_argument(
        "--out", default=out, metavar="FILE",
        help=f"file to write: .png for a grid, .npy for the array (default: {out})",
    )  # fmt: skip
    parser.add_argument(
        "--scale", type=int, metavar="FACTOR",
        help="pixels of the picture for a pixel of an image (default: until an image has 96)",
    )  # fmt: skip


def sample(options: argparse.Namespace, bundle: "Bundle") -> int:
    """Draw images and write them."""
    from dimaging_edge.commands.grids import check_request, write_images
    from dimaging_edge.generate import density, latent

    check_request(options.out, options.n, options.scale)
    show = progress_line("images")
    names: list[str] = []
    if "density" in bundle.graphs:
        if options.prior:
            raise InputError(f"{bundle.path.name} draws without codes; leave --prior out")
        condition = _condition(bundle, options.label, options.n)
        images = density.sample(bundle, options.n, options.seed, condition=condition, progress=show)
        if condition is not None:
            names = _names(bundle, condition.argmax(-1))
    else:
        label = _label(bundle, latent.graph_of(bundle), options.label)
        images = latent.draw(
            bundle, options.n, options.seed, label=label, prior=options.prior, progress=show
        )
        if classes := _classes(bundle, latent.graph_of(bundle)):
            chosen = (i % classes if label is None else label for i in range(options.n))
            names = _names(bundle, chosen)
    return write_images(images, options.out, options.scale, names)


def imagine(options: argparse.Namespace, bundle: "Bundle") -> int:
    """Draw what a caption says and write the images."""
    from dimaging_edge.commands.grids import check_request, write_images
    from dimaging_edge.generate import captions

    check_request(options.out, options.n, options.scale)
    images = captions.imagine(bundle, options.caption, options.n, options.seed)
    return write_images(images, options.out, options.scale)


def complete(options: argparse.Namespace, bundle: "Bundle") -> int:
    """Fill in an image several times and write all of it, the incomplete image first."""
    import numpy as np

    from dimaging_edge.commands.grids import check_request, write_images
    from dimaging_edge.generate import density

    check_request(options.out, options.n, options.scale)
    height, width = density.density_size(bundle)  # says so where the bundle completes nothing
    top = density.levels(bundle) - 1
    image = (np.rint(_read(bundle, options.image, "image") * top) / top).astype(np.float32)
    if options.mask:
        mask = np.rint(_read(bundle, options.mask, "mask"))
    else:
        mask = _half_mask(options.keep, height, width)
    found = density.complete(
        bundle, image, mask, options.n, options.seed,
        condition=_condition(bundle, options.label, options.n), progress=progress_line("images"),
    )  # fmt: skip
    incomplete = image * mask + np.float32(0.5) * (1 - mask)
    names = ["known", *(f"completed, {i}" for i in range(1, options.n + 1))]
    images = np.concatenate([incomplete[None], found])
    return write_images(images, options.out, options.scale, names)


def _half_mask(keep: str, height: int, width: int) -> "np.ndarray":
    """Return float32 [H, W, 1] that is 1 in one half of an image and 0 in the other."""
    import numpy as np

    rows, columns = slice(None), slice(None)
    if keep in ("upper", "lower"):
        rows = slice(height // 2) if keep == "upper" else slice(height - height // 2, None)
    else:
        columns = slice(width // 2) if keep == "left" else slice(width - width // 2, None)
    mask = np.zeros((height, width, 1), np.float32)
    mask[rows, columns] = 1
    return mask


def upscale(options: argparse.Namespace, bundle: "Bundle") -> int:
    """Enlarge an image several times and write the results."""
    import numpy as np

    from dimaging_edge.commands.grids import check_request, write_images
    from dimaging_edge.generate import density

    check_request(options.out, options.n, options.scale)
    if "density" not in bundle.graphs or density.condition_of(bundle) != "low":
        raise InputError(
            f"{bundle.path.name} does not enlarge images; train one: dimaging train super_resolution"
        )
    low = np.repeat(_read(bundle, options.image, "low")[None], options.n, 0)
    images = density.sample(
        bundle, options.n, options.seed, condition=low, progress=progress_line("images")
    )
    names = [f"draw {i}" for i in range(1, options.n + 1)]
    return write_images(images, options.out, options.scale, names)


def pack(options: argparse.Namespace, bundle: "Bundle") -> int:
    """Compress images, or a text, into one file and print how small it became."""
    import numpy as np

    from dimaging_edge import lossless
    from dimaging_edge.common.files import write_bytes
    from dimaging_edge.generate.density import on_alphabet
    from dimaging_edge.lossless.bundle_predictor import BundlePredictor

    if writes_text(bundle):
        return pack_text(options, bundle)
    options.out = options.out or "images.dpix"
    predictor = BundlePredictor(bundle)
    top = predictor.levels - 1
    parts = []
    for name in options.images:
        if name.endswith(".npy"):
            parts.append(_symbols(name))
            continue
        image = _read(bundle, name, "image")
        on_alphabet(bundle, image)
        parts.append(np.rint(image * top).astype(np.uint8)[None, :, :, 0])
    sizes = {part.shape[1:] for part in parts}
    if len(sizes) > 1:
        raise InputError(f"the images differ in size: {sorted(sizes)}; pack them apart")
    symbols = np.concatenate(parts)
    stream = lossless.pack(
        predictor, symbols, bundle.manifest.model_id, progress=progress_line("images packed")
    )
    write_bytes(options.out, stream)
    each = len(stream) / len(symbols)
    print(f"{options.out}: {len(symbols)} images, {len(stream)} bytes, {each:.2f} bytes an image")
    return 0


def unpack(options: argparse.Namespace, bundle: "Bundle") -> int:
    """Write the images, or the text, of a packed file."""
    import numpy as np

    from dimaging_edge import lossless
    from dimaging_edge.commands.grids import write_images
    from dimaging_edge.lossless.bundle_predictor import BundlePredictor

    if writes_text(bundle):
        return unpack_text(options, bundle)
    options.out = options.out or "images.npy"
    predictor = BundlePredictor(bundle)
    symbols = lossless.unpack(
        predictor, Path(options.file).read_bytes(), bundle.manifest.model_id,
        progress=progress_line("images unpacked"),
    )  # fmt: skip
    if Path(options.out).suffix == ".npy":
        return write_images(symbols, options.out)
    return write_images(symbols[..., None] / np.float32(predictor.levels - 1), options.out)


def _read(bundle: "Bundle", name: str, tensor: str) -> "np.ndarray":
    """Return a picture or array for a tensor of the density: float32 [H, W, C]."""
    from dataclasses import replace

    from dimaging_edge.commands.array_files import read_array

    known = {t.name: t for t in bundle.graph("density").inputs}
    one = known["image" if tensor == "mask" else tensor]
    if tensor == "mask":
        one = replace(one, name="mask", shape=(*one.shape[:3], 1), example=(*one.example[:3], 1))
    array = read_array(Path(name), one)
    array = array[0] if array.ndim == 4 and len(array) == 1 else array
    if array.shape != one.example[1:]:
        raise InputError(f"{name}: expected {one.example[1:]}, received {array.shape}")
    return (array / 255).astype("float32") if array.dtype == "uint8" else array  # for phones: bytes


def _symbols(name: str) -> "np.ndarray":
    import numpy as np

    try:
        found = np.load(name, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{name} cannot be read: {error}") from None
    if found.dtype != np.uint8 or found.ndim != 3:
        raise InputError(
            f"{name}: expected uint8 [N, H, W], symbols 0 ... levels - 1; received {found.dtype} "
            f"{list(found.shape)}"
        )
    return found


def _condition(bundle: "Bundle", text: str | None, n: int) -> Any:
    """Return --label as one-hot [n, classes]; None for a density without classes."""
    import numpy as np

    label, classes = _label(bundle, "density", text), _classes(bundle, "density")
    if not classes:
        return None
    chosen = np.arange(n) % classes if label is None else np.full(n, label)
    return np.eye(classes, dtype=np.float32)[chosen]


def _classes(bundle: "Bundle", graph: str | None) -> int:
    """Return how many classes a graph draws; 0 where it takes no label."""
    inputs = bundle.graph(graph).inputs if graph else ()
    return next((t.example[1] for t in inputs if t.name == "label"), 0)


def _label(bundle: "Bundle", graph: str | None, text: str | None) -> int | None:
    """Return the class that --label names, for a graph; InputError where it has no such class."""
    classes = _classes(bundle, graph)
    if text is not None and graph and not classes:
        raise InputError(f"{bundle.path.name} takes no label; leave --label out")
    return class_number(bundle, text, classes, "--label") if classes else None


def _names(bundle: "Bundle", labels: "Iterable[int]") -> list[str]:
    """Return the names of classes, or numbers where there are none."""
    return [class_name(bundle, label) or f"class {label}" for label in labels]


def progress_line(what: str) -> Callable[[int, int], None] | None:
    """Return a function that shows progress in one line of a terminal; None in a pipe."""
    if not shows_progress():
        return None

    def show(done: int, total: int) -> None:
        end = "\n" if done >= total else ""
        print(f"\r{done} of {total} {what}", end=end, file=sys.stderr, flush=True)

    return show
