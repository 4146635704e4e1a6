"""The verbs of models that generate: sample; and of explicit densities: complete, upscale, pack, unpack."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dimaging_edge.common.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from dimaging_edge.bundle.open import Bundle

Verb = Callable[[Any, str], argparse.ArgumentParser]
_HALVES = ("upper", "lower", "left", "right")


def add_verbs(verb: Verb, device: Callable[[argparse.ArgumentParser], None]) -> None:
    """Describe the verbs to the parser of `dimaging-edge`."""
    one = verb(sample, "draw images from a GAN, a VAE, a PixelCNN or another model that generates")
    drawing(one, n=16, out="sample.png")
    one.add_argument("--label", type=int, help="class to draw, of a model that is told one")
    device(one)
    one = verb(complete, "fill in the occluded part of an image, several times")
    one.add_argument(
        "image", metavar="IMAGE", help="picture or .npy; rounded to the model's levels"
    )
    known = one.add_mutually_exclusive_group(required=True)
    known.add_argument("--mask", metavar="FILE", help="picture or .npy; white (1) is known")
    known.add_argument("--keep", choices=_HALVES, help="the half that is known")
    drawing(one, n=4, out="complete.png")
    one.add_argument("--label", type=int, help="class of the image, of a model that is told one")
    device(one)
    one = verb(upscale, "enlarge a small image, several times (super-resolution)")
    one.add_argument("image", metavar="IMAGE", help="small picture or .npy of the model's size")
    drawing(one, n=4, out="upscale.png")
    device(one)
    one = verb(pack, "compress images without loss; needs a bundle of precision integer")
    one.add_argument(
        "images", nargs="+", metavar="IMAGE", help="pictures, or .npy uint8 [N, H, W] of symbols"
    )
    one.add_argument("--out", default="images.dpix", metavar="FILE", help="(default: images.dpix)")
    device(one)
    one = verb(unpack, "get packed images back, exactly")
    one.add_argument("file", metavar="FILE", help="what `pack` wrote")
    one.add_argument(
        "--out", default="images.npy", metavar="FILE",
        help=".npy uint8 [N, H, W] of symbols, or a .png of all images (default: images.npy)",
    )  # fmt: skip
    device(one)


def sample(options: argparse.Namespace, bundle: "Bundle") -> int:
    """Draw and write a grid."""
    from dimaging_edge.generate import density as samplers
    from dimaging_edge.generate import latent as generators

    if "density" not in bundle.graphs:
        images = generators.draw(
            bundle, options.n, options.seed, label=options.label, progress=_progress("images")
        )
        return write(images, options.out)
    told = _label(bundle, options.label, options.n)
    images = samplers.sample(
        bundle, options.n, options.seed, condition=told, progress=_progress("images")
    )
    return write(images, options.out)


def complete(options: argparse.Namespace, bundle: "Bundle") -> int:
    """Fill in and write a grid: the occluded image first."""
    import numpy as np

    from dimaging_edge.generate import density as samplers

    top = samplers.levels(bundle) - 1
    image = (np.rint(_read(bundle, options.image, "image") * top) / top).astype(np.float32)
    if options.mask:
        mask = np.rint(_read(bundle, options.mask, "mask"))
    else:
        mask = _half(options.keep, *samplers.density_size(bundle))
    told = _label(bundle, options.label, options.n)
    found = samplers.complete(
        bundle, image, mask, options.n, options.seed, condition=told, progress=_progress("images")
    )
    occluded = image * mask + np.float32(0.5) * (1 - mask)
    return write(np.concatenate([occluded[None], found]), options.out)


def _half(keep: str, height: int, width: int) -> "np.ndarray":
    """1 in that half of an image, 0 elsewhere: float32 [H, W, 1]."""
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
    """Enlarge and write a grid."""
    import numpy as np

    from dimaging_edge.generate import density as samplers

    if samplers.condition_of(bundle) != "low":
        raise InputError(
            f"{bundle.path.name} does not enlarge images; train one: dimaging train super_resolution"
        )
    low = np.repeat(_read(bundle, options.image, "low")[None], options.n, 0)
    images = samplers.sample(
        bundle, options.n, options.seed, condition=low, progress=_progress("images")
    )
    return write(images, options.out)


def pack(options: argparse.Namespace, bundle: "Bundle") -> int:
    """Compress into one file and say how small it became."""
    import numpy as np

    from dimaging_edge import lossless
    from dimaging_edge.common.files import write_bytes
    from dimaging_edge.generate import density as samplers
    from dimaging_edge.lossless.bundle_predictor import BundlePredictor

    predictor = BundlePredictor(bundle)
    top = predictor.levels - 1
    parts = []
    for name in options.images:
        if name.endswith(".npy"):
            parts.append(_symbols(name))
            continue
        image = _read(bundle, name, "image")
        samplers.on_alphabet(bundle, image)
        parts.append(np.rint(image * top).astype(np.uint8)[None, :, :, 0])
    sizes = {part.shape[1:] for part in parts}
    if len(sizes) > 1:
        raise InputError(f"the images differ in size: {sorted(sizes)}; pack them apart")
    symbols = np.concatenate(parts)
    stream = lossless.pack(
        predictor, symbols, bundle.manifest.model_id, progress=_progress("images packed")
    )
    write_bytes(options.out, stream)
    each = len(stream) / len(symbols)
    print(f"{options.out}: {len(symbols)} images, {len(stream)} bytes, {each:.2f} bytes an image")
    return 0


def unpack(options: argparse.Namespace, bundle: "Bundle") -> int:
    """The images of a packed file."""
    import numpy as np

    from dimaging_edge import lossless
    from dimaging_edge.lossless.bundle_predictor import BundlePredictor

    predictor = BundlePredictor(bundle)
    symbols = lossless.unpack(
        predictor, Path(options.file).read_bytes(), bundle.manifest.model_id,
        progress=_progress("images unpacked"),
    )  # fmt: skip
    if Path(options.out).suffix == ".npy":
        return write(symbols, options.out)
    return write((symbols[..., None] / np.float32(predictor.levels - 1)), options.out)


def drawing(one: argparse.ArgumentParser, n: int, out: str) -> None:
    """Options of every verb that draws."""
    one.add_argument("--n", type=int, default=n, help=f"how many (default: {n})")
    one.add_argument("--seed", type=int, default=0, help="of the noise (default: 0)")
    one.add_argument(
        "--out", default=out, metavar="FILE", help=f".png for a grid, .npy for all (default: {out})"
    )


def _read(bundle: "Bundle", name: str, tensor: str) -> "np.ndarray":
    """A picture or array as the tensor wants it, without the batch: float32 [H, W, C]."""
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
    return array


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


def _label(bundle: "Bundle", label: int | None, n: int) -> Any:
    """One-hot of --label; None for a model that is told nothing."""
    import numpy as np

    from dimaging_edge.generate import density as samplers

    told = samplers.condition_of(bundle)
    if told != "label":
        if label is not None:
            raise InputError(f"{bundle.path.name} is told no label; leave --label out")
        return None
    classes = next(t for t in bundle.graph("density").inputs if t.name == "label").example[1]
    if label is not None and not 0 <= label < classes:
        raise InputError(f"--label: expected 0 to {classes - 1}, received {label}")
    chosen = np.arange(n) % classes if label is None else np.full(n, label)
    return np.eye(classes, dtype=np.float32)[chosen]


def write(images: "np.ndarray", out: str) -> int:
    """A grid of pictures, or the array as it is."""
    import numpy as np

    from dimaging_edge.commands.array_files import save_picture
    from dimaging_edge.common.files import whole_file

    if Path(out).suffix == ".npy":
        with whole_file(out) as temporary:
            np.save(temporary, images, allow_pickle=False)
    else:
        save_picture(grid(images), Path(out))
    print(out)
    return 0


def grid(images: "np.ndarray") -> "np.ndarray":
    """[N, H, W, C] -> one image, nearly square, a grey pixel between neighbours."""
    import numpy as np

    n, height, width, channels = images.shape
    columns = int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    whole = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1, channels), 0.5, np.float32)
    for i, image in enumerate(images):
        r, c = divmod(i, columns)
        whole[r * (height + 1) :, c * (width + 1) :][:height, :width] = image
    return whole


def _progress(what: str) -> Callable[[int, int], None] | None:
    """A line that grows on a terminal; nothing in a pipe."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int) -> None:
        end = "\n" if done >= total else ""
        print(f"\r{done} of {total} {what}", end=end, file=sys.stderr, flush=True)

    return show
