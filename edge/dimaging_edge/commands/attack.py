"""The verb attack: an image, or each of a folder, changed until a classifier takes it for something else."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dimaging_edge.commands import many, threats
from dimaging_edge.commands.class_names import class_name, class_number
from dimaging_edge.common.errors import InputError, near

if TYPE_CHECKING:
    import numpy as np

    from dimaging_edge.bundle.open import Bundle

Verb = Callable[[Any, str], argparse.ArgumentParser]
STARTS = ("noise", "grey")
"""Words that stand for an image to begin with."""


def add_verbs(verb: Verb, device: Callable[[argparse.ArgumentParser], None]) -> None:
    """Describe the verb to the parser of `dimaging-edge`."""
    one = verb(attack, "change an image a little, so that a classifier takes it for something else")
    one.add_argument(
        "image", metavar="IMAGE",
        help="picture, whose middle is scaled to the size that the model takes, or .npy of that size; or "
        "noise or grey, of which --target is made without any limit; or a folder of images, or @LIST, a file "
        "of their paths, into the folder --out",
    )  # fmt: skip
    one.add_argument(
        "--label", metavar="CLASS", help="what it shows (default: what the model says)"
    )
    one.add_argument(
        "--target", metavar="CLASS",
        help="what it shall become: a class' number, its name or a part of it (default: anything else)",
    )  # fmt: skip
    one.add_argument(
        "--confident", action="store_true",
        help="of pgd and momentum: go on to the last step, for what the model is surest of",
    )  # fmt: skip
    one.add_argument(
        "--method", default="pgd", metavar="NAME",
        help="fgsm, bim, pgd, momentum, apgd, deepfool, ddn, square or rays (default: pgd)",
    )  # fmt: skip
    one.add_argument(
        "--steps",
        type=int,
        metavar="N",
        help="steps of the method, or of what is made of noise or grey (default: its own)",
    )
    threats.add_options(one)
    many.add_options(one)
    one.add_argument(
        "--out", default="attacked.png", metavar="FILE",
        help="picture to write, and beside it NAME-compare.png: before, after, difference; a .npy holds the "
        "exact numbers, in the range that the model takes (default: attacked.png)",
    )  # fmt: skip
    device(one)


def attack(options: argparse.Namespace, bundle: "Bundle") -> int:
    """Attack one image, write it, and say what the model sees before and after."""
    import numpy as np

    from dimaging_edge import attacks
    from dimaging_edge.attacks.synthesis import probability
    from dimaging_edge.commands.attack_pictures import (
        as_written,
        in_grey_levels,
        is_array,
        write_attack,
    )

    oracle, bounds = attacks.of_bundle(bundle), attacks.bounds_of(bundle)
    if many.stands_for_several(options.image):
        return _attack_all(options, bundle)
    if options.resume or options.shard != (1, 1):
        raise InputError("--resume and --shard are of a folder of images")
    out = _out(options, bundle)
    if options.image in STARTS:
        return _synthesise(options, bundle, oracle, bounds)
    given = _settings(options)
    eps = threats.eps_of(options.eps, bounds, options.norm)
    image = _image(bundle, Path(options.image))
    before = probability(oracle.score(image))[0]
    label = class_number(bundle, options.label, len(before), "--label")
    label = int(before.argmax()) if label is None else label
    target = class_number(bundle, options.target, len(before), "--target")
    if target == label:
        raise InputError(
            f"--target: the image is of {_class(bundle, label)} already; choose another one, or say with "
            "--label what it shows"
        )
    threat = attacks.Threat(options.norm, eps, bounds, target)
    y = np.array([label])
    run = attacks.ATTACKS[options.method].run
    result = run(oracle, image, y, threat, seed=options.seed, **given)
    span = bounds[1] - bounds[0]
    unit, moved = ((x[0] - bounds[0]) / span for x in (image, result.x))
    if not is_array(out):
        moved = as_written(in_grey_levels(moved, unit, options.norm, eps / span), out.suffix)
    kept = result.x if is_array(out) else _in_range(moved, bounds)[None]
    logits = oracle.score(kept)
    after = probability(logits)[0]
    print(f"before  {_said(bundle, before)}")
    print(f"after   {_said(bundle, after)}, as {_kind(out)}")
    print(f"moved by {result.norms[0] / span:.4g} ({options.norm}; black to white is 1)")
    print(f"{result.queries} queries; {'fooled' if result.success[0] else 'not fooled'}")
    if result.success[0] and not result.norms[0]:
        said = "the model takes the image itself for something else"
        print(f"note: {said} than {_class(bundle, label)}; nothing was changed")
    if result.success[0] and not threat.reached(logits, y)[0]:
        print(
            f"note: not fooled by {out.name}, for {_kind(out)} does not hold the change; "
            f"--out {out.stem}.npy does"
        )
    words = (
        _words(bundle, before),
        _words(bundle, after),
        f"difference, {options.norm} {result.norms[0] / span:.4g}",
    )
    write_attack(unit, moved, words, out, kept[0])
    return 0


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    """--steps and --confident as the method takes them; InputError for a method that does not."""
    from dimaging_edge import attacks

    if options.method not in attacks.ATTACKS:
        raise InputError(
            f"--method: unknown {options.method!r}; {near(options.method, tuple(attacks.ATTACKS))}"
        )
    given = {} if options.steps is None else {"steps": options.steps}
    given |= {"confident": True} if options.confident else {}
    taken = attacks.ATTACKS[options.method].settings
    for name in given:
        if name not in taken:
            raise InputError(f"--{name}: {options.method} takes none; leave it out")
    return given


def _out(options: argparse.Namespace, bundle: "Bundle") -> Path:
    """--out; InputError where no such file can be written, before anything is begun."""
    from dimaging_edge.commands.array_files import check_writable
    from dimaging_edge.commands.attack_pictures import comparison, is_array

    out, tensor, image = Path(options.out), _tensor(bundle), Path(options.image)
    for file in (out, comparison(out)):
        if (
            options.image not in STARTS
            and image.exists()
            and file.exists()
            and file.samefile(image)
        ):
            raise InputError(
                f"--out: {file} is the image itself, which would be lost; choose another name"
            )
    if not is_array(out):
        check_writable(out)
        if tensor.layout != "NHWC" or tensor.shape[-1] not in (1, 3, 4):
            raise InputError(
                f"--out: {tensor.name!r} of {list(tensor.shape)} is no picture; choose a .npy, received {out}"
            )
    return out


def _kind(out: Path) -> str:
    """What a file of this name holds, in words."""
    kinds = {".npy": "exact numbers", ".png": "a picture of 8 bits"}
    return kinds.get(out.suffix.lower(), f"a picture of 8 bits that was coded as {out.suffix}")


def _in_range(unit: "np.ndarray", bounds: tuple[float, float]) -> "np.ndarray":
    """Values of [0, 1] in the bundle's range, float32."""
    import numpy as np

    return (bounds[0] + unit * (bounds[1] - bounds[0])).clip(*bounds).astype(np.float32)


def _attack_all(options: argparse.Namespace, bundle: "Bundle") -> int:
    """Attack each image of a folder or a list, into the folder --out."""
    from dimaging_edge.commands.attack_pictures import comparison
    from dimaging_edge.photo.picture import SUFFIXES

    sources = many.files_of([options.image], SUFFIXES, options.shard)
    many.check_stems([*sources, *(s.with_name(f"{s.stem}-compare.png") for s in sources)])
    if Path(options.out).suffix.lower() in SUFFIXES:
        raise InputError(f"--out is a folder for several images; received {options.out}")

    def work(source: Path, out: Path) -> list[Path]:
        made = out / f"{source.stem}.png"
        once = {"image": str(source), "out": str(made), "resume": False, "shard": (1, 1)}
        attack(argparse.Namespace(**{**vars(options), **once}), bundle)
        return [made, comparison(made)]

    Path(options.out).mkdir(parents=True, exist_ok=True)
    return many.each(options, sources, many.digest(options, [bundle.path]), work)


def _synthesise(
    options: argparse.Namespace, bundle: "Bundle", oracle: Any, bounds: tuple[float, float]
) -> int:
    """Make an image of the target out of noise or grey, write it, and say what the model sees."""
    import numpy as np

    from dimaging_edge.attacks.synthesis import probability, synthesise
    from dimaging_edge.commands.attack_pictures import as_written, is_array, write_attack

    of_images = {
        "--label": options.label is not None, "--confident": options.confident,
        "--norm": options.norm != "linf", "--method": options.method != "pgd",
        "--eps": options.eps != threats.EPS,
    }  # fmt: skip
    if any(of_images.values()):
        raise InputError(
            f"{', '.join(name for name, given in of_images.items() if given)}: {options.image} is changed "
            "without any limit, by one method; leave it out"
        )
    if options.steps is not None and options.steps < 1:
        raise InputError(f"--steps: expected 1 or more, received {options.steps}")
    tensor, (low, high), out = _tensor(bundle), bounds, Path(options.out)
    shape = (1, *tensor.example[1:])
    rng = np.random.default_rng(options.seed)
    start = rng.random(shape, np.float32) if options.image == "noise" else np.full(shape, 0.5, "f4")
    start = _in_range(start, bounds)
    before = probability(oracle.score(start))[0]
    target = class_number(bundle, options.target, len(before), "--target")
    if target is None:
        raise InputError(f"{options.image} becomes nothing by itself; give a --target")
    given = {} if options.steps is None else {"steps": options.steps}
    x, _ = synthesise(oracle, start, target, step=(high - low) / 255, bounds=bounds, **given)
    moved = as_written((x[0] - low) / (high - low), out.suffix)
    kept = x if is_array(out) else _in_range(moved, bounds)[None]
    odds = probability(oracle.score(kept))[0]
    print(f"before  {_said(bundle, before)}")
    print(f"after   {_class(bundle, target)} ({odds[target]:.1%}), as {_kind(out)}")
    if int(odds.argmax()) != target:
        print(f"note: not reached, the model says {_said(bundle, odds)}; give more --steps")
    made = f"{class_name(bundle, target) or target}, {odds[target]:.1%}"
    write_attack(
        (start[0] - low) / (high - low),
        moved,
        (_words(bundle, before), made, "difference"),
        out,
        kept[0],
    )
    return 0


def _image(bundle: "Bundle", path: Path) -> "np.ndarray":
    """One image as the oracle takes it: float32 [1, ...] in the bundle's range.

    Pictures, and arrays of bytes, are brought into that range; of a picture of another size the middle is
    taken. InputError for a file that is not there, or an array of another size.
    """
    import numpy as np

    from dimaging_edge.attacks import bounds_of
    from dimaging_edge.commands.array_files import read_array
    from dimaging_edge.commands.attack_pictures import fit_picture

    if not path.is_file():
        raise InputError(
            f"there is no file {path}; give a picture, an .npy, a folder of them, noise or grey"
        )
    tensor, (low, high) = _tensor(bundle), bounds_of(bundle)
    image = read_array(path, tensor)
    image = image[None] if image.ndim == len(tensor.shape) - 1 else image
    wanted = (1, *tensor.example[1:])
    if (
        image.shape != wanted
        and path.suffix.lower() not in (".npy", ".npz")
        and tensor.layout == "NHWC"
    ):
        found, unit = image.shape, (image[0].astype(np.float32) - low) / np.float32(high - low)
        image = _in_range(fit_picture(unit, wanted[1], wanted[2]), (low, high))[None]
        print(
            f"{path.name} of {found[2]} x {found[1]} pixels: its middle, at {wanted[2]} x {wanted[1]}"
        )
    elif image.dtype == np.uint8 and tensor.dtype != "uint8":
        image = _in_range(image / np.float32(255), (low, high))
    if image.shape != wanted or image.dtype.kind not in "fiub":
        raise InputError(
            f"{path}: expected one image of {wanted[1:]}, received {image.dtype} {image.shape}"
        )
    image = image.astype(np.float32)
    if not np.isfinite(image).all():
        raise InputError(f"{path}: expected finite values, received some that are NaN or infinite")
    if image.min() < low or image.max() > high:
        raise InputError(
            f"{path}: expected values of {low:g} to {high:g}, as {bundle.path.name} takes them, received "
            f"{image.min():g} to {image.max():g}; uint8 of 0 to 255 is brought there"
        )
    return image


def _tensor(bundle: "Bundle") -> Any:
    """The image that the classifier takes."""
    from dimaging_edge.attacks.oracle import classifier_graphs

    (tensor,) = bundle.graph(classifier_graphs(bundle)[0]).inputs
    return tensor


def _said(bundle: "Bundle", odds: "np.ndarray") -> str:
    """The likeliest class and its probability, for a line of text."""
    best = int(odds.argmax())
    return f"{_class(bundle, best)} ({odds[best]:.1%})"


def _class(bundle: "Bundle", number: int) -> str:
    """A class by its number, and its name where it has one."""
    name = class_name(bundle, number)
    return f"class {number}{' ' * bool(name)}{name}"


def _words(bundle: "Bundle", odds: "np.ndarray") -> str:
    """The same below a picture."""
    best = int(odds.argmax())
    return f"{class_name(bundle, best) or f'class {best}'}, {odds[best]:.1%}"
