"""Verbs about attacks: attack (an image), robustness (a figure with its gates), certify (a bound)."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dimaging_edge.commands import many
from dimaging_edge.commands.class_names import class_name, class_number
from dimaging_edge.common.errors import InputError, near

if TYPE_CHECKING:
    import numpy as np

    from dimaging_edge.bundle.open import Bundle

Verb = Callable[[Any, str], argparse.ArgumentParser]
STARTS = ("noise", "grey")
"""Words that stand for an image to begin with."""
WITHHELD = 3
"""Exit code of `robustness` where a gate failed, so that there is no figure."""


def add_verbs(verb: Verb, device: Callable[[argparse.ArgumentParser], None]) -> None:
    """Describe the verbs to the parser of `dimaging-edge`."""
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
        "--steps", type=int, metavar="N", help="steps of the method (default: its own)"
    )
    _threat(one)
    many.add_options(one)
    one.add_argument(
        "--out", default="attacked.png", metavar="FILE",
        help="picture to write, and beside it NAME-compare.png: before, after, difference (default: "
        "attacked.png)",
    )  # fmt: skip
    device(one)
    one = verb(
        robustness, "measure how robust a classifier is, and say no figure where a gate fails"
    )
    one.epilog = (
        f"exit code: 0 there is a figure, {WITHHELD} a gate failed, 1 another error, 2 usage"
    )
    one.add_argument(
        "data", metavar="DATA.npz", help="arrays x [N, H, W, C] and y [N], the right classes"
    )
    _threat(one)
    one.add_argument(
        "--plan", default="standard", metavar="NAME",
        help="quick, standard or thorough; thorough compares with the literature (default: standard)",
    )  # fmt: skip
    one.add_argument(
        "--n", type=int, default=1000, metavar="N", help="images, the first N (default: 1000)"
    )
    one.add_argument("--claim", type=float, metavar="SHARE", help="a figure from 0 to 1 to examine")
    one.add_argument(
        "--json", metavar="FILE", help="file for the whole report; - prints that alone"
    )
    device(one)
    one = verb(certify, "prove how many images no attack within eps can change")
    one.add_argument(
        "data", metavar="DATA.npz", help="arrays x [N, H, W, C] and y [N], the right classes"
    )
    one.add_argument(
        "--eps", default="8/255", metavar="E[,E...]",
        help="largest change of every value, one or several; black to white is 1, a grey level 1/255 "
        "(default: 8/255)",
    )  # fmt: skip
    one.add_argument(
        "--n", type=int, default=10_000, metavar="N", help="images, the first N (default: 10000)"
    )
    one.add_argument("--json", metavar="FILE", help="file for the worst margin of every image")
    device(one)


def _threat(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "--eps", default="8/255", metavar="E",
        help="largest change; black to white is 1, a grey level 1/255 (default: 8/255)",
    )  # fmt: skip
    one.add_argument(
        "--norm", default="linf", help="linf (each value) or l2 (the image) (default: linf)"
    )
    one.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of the attack (default: 0)"
    )


def attack(options: argparse.Namespace, bundle: "Bundle") -> int:
    """Attack one image, write it, and say what the model sees before and after."""
    import numpy as np

    from dimaging_edge import attacks
    from dimaging_edge.attacks.synthesis import probability
    from dimaging_edge.commands.attack_pictures import write_attack

    oracle, bounds = attacks.of_bundle(bundle), attacks.bounds_of(bundle)
    if many.stands_for_several(options.image):
        return _attack_all(options, bundle)
    if options.resume or options.shard != (1, 1):
        raise InputError("--resume and --shard are of a folder of images")
    if options.image in STARTS:
        return _synthesise(options, bundle, oracle, bounds)
    if options.method not in attacks.ATTACKS:
        raise InputError(
            f"--method: unknown {options.method!r}; {near(options.method, tuple(attacks.ATTACKS))}"
        )
    image = _image(bundle, Path(options.image))
    before = probability(oracle.score(image))[0]
    label = class_number(bundle, options.label, len(before), "--label")
    label = int(before.argmax()) if label is None else label
    target = class_number(bundle, options.target, len(before), "--target")
    threat = attacks.Threat(options.norm, _eps(options.eps, bounds), bounds, target)
    given = {} if options.steps is None else {"steps": options.steps}
    given |= {"confident": True} if options.confident else {}
    try:
        result = attacks.ATTACKS[options.method].run(
            oracle, image, np.array([label]), threat, seed=options.seed, **given
        )
    except TypeError:
        words = ", ".join(f"--{name}" for name in given)
        raise InputError(f"{words}: {options.method} takes none; leave it out") from None
    span = bounds[1] - bounds[0]
    moved = np.rint((result.x - bounds[0]) / span * 255) / 255  # as the picture holds it
    after = probability(oracle.score((bounds[0] + moved * span).astype(np.float32)))[0]
    print(f"before  {_said(bundle, before)}")
    print(f"after   {_said(bundle, after)}, as a picture of 8 bits")
    print(f"moved by {result.norms[0] / span:.4g} ({options.norm}; black to white is 1)")
    print(f"{result.queries} queries; {'fooled' if result.success[0] else 'not fooled'}")
    words = (
        _words(bundle, before),
        _words(bundle, after),
        f"difference, {options.norm} {result.norms[0] / span:.4g}",
    )
    write_attack((image[0] - bounds[0]) / span, moved[0], words, Path(options.out))
    return 0


def _attack_all(options: argparse.Namespace, bundle: "Bundle") -> int:
    """Attack each image of a folder or a list, into the folder --out."""
    from dimaging_edge.photo.picture import SUFFIXES

    sources = many.files_of([options.image], (*SUFFIXES, ".npy"), options.shard)
    many.check_stems(sources)
    if Path(options.out).suffix.lower() in SUFFIXES:
        raise InputError(f"--out is a folder for several images; received {options.out}")

    def work(source: Path, out: Path) -> list[Path]:
        made = out / f"{source.stem}.png"
        once = {"image": str(source), "out": str(made), "resume": False, "shard": (1, 1)}
        attack(argparse.Namespace(**{**vars(options), **once}), bundle)
        return [made, made.with_name(f"{made.stem}-compare.png")]

    Path(options.out).mkdir(parents=True, exist_ok=True)
    return many.each(options, sources, many.digest(options, [bundle.path]), work)


def _synthesise(
    options: argparse.Namespace, bundle: "Bundle", oracle: Any, bounds: tuple[float, float]
) -> int:
    """Make an image of the target out of noise or grey, write it, and say what the model sees."""
    import numpy as np

    from dimaging_edge.attacks.synthesis import probability, synthesise
    from dimaging_edge.commands.attack_pictures import write_attack

    tensor, (low, high) = _tensor(bundle), bounds
    shape = (1, *tensor.example[1:])
    rng = np.random.default_rng(options.seed)
    start = rng.random(shape, np.float32) if options.image == "noise" else np.full(shape, 0.5, "f4")
    start = (low + start * (high - low)).astype(np.float32)
    before = probability(oracle.score(start))[0]
    target = class_number(bundle, options.target, len(before), "--target")
    if target is None:
        raise InputError(f"{options.image} becomes nothing by itself; give a --target")
    made, odds = synthesise(oracle, start, target, step=(high - low) / 255, bounds=bounds)
    print(f"before  {_said(bundle, before)}")
    name = class_name(bundle, target)
    print(f"after   class {target}{' ' * bool(name)}{name} ({odds[0]:.1%})")
    moved, first = ((image[0] - low) / (high - low) for image in (made, start))
    made = f"{class_name(bundle, target) or target}, {odds[0]:.1%}"
    write_attack(first, moved, (_words(bundle, before), made, "difference"), Path(options.out))
    return 0


def robustness(options: argparse.Namespace, bundle: "Bundle") -> int:
    """Attack many images, print the report; exit code 3 where its figure is withheld."""
    from dimaging_edge.attacks import bounds_of
    from dimaging_edge.common.output import show, tell
    from dimaging_edge.robustness import Claim, evaluate_bundle

    x, y = _data(bundle, Path(options.data), options.n)
    eps = _eps(options.eps, bounds_of(bundle))
    report = evaluate_bundle(
        bundle, x, y, options.norm, eps, plan=options.plan, seed=options.seed,
        claim=None if options.claim is None else Claim(options.claim),
        progress=tell,
    )  # fmt: skip
    show(report.table(), report.to_json(), options.json)
    return 0 if report.robust else WITHHELD


def certify(options: argparse.Namespace, bundle: "Bundle") -> int:
    """Print the certified share at every eps, a lower bound of the accuracy under any attack."""
    import json

    from dimaging_edge.attacks import bounds_of
    from dimaging_edge.common.files import write_text
    from dimaging_edge.common.tables import table
    from dimaging_edge.robustness.certificate import certify as prove

    x, y = _data(bundle, Path(options.data), options.n)
    bounds = bounds_of(bundle)
    found = {text: prove(bundle, x, y, _eps(text, bounds)) for text in options.eps.split(",")}
    rows = [["eps (linf)", "certified"]]
    rows += [[text, str(one.figure)] for text, one in found.items()]
    clean = next(iter(found.values())).clean
    print(f"{table(rows)}\n\n{len(x)} images, right as they are: {clean}")
    if options.json:
        facts = {text: [float(m) for m in one.worst_margin] for text, one in found.items()}
        write_text(options.json, json.dumps({"worst_margin": facts}) + "\n")
        print(f"wrote {options.json}")
    return 0


def _eps(text: str, bounds: tuple[float, float]) -> float:
    """Eps in the unit of the bundle's range; InputError for more than black to white."""
    from dimaging_edge.attacks import read_eps

    value = read_eps(text)
    if value > 1 and "/" not in text:
        raise InputError(
            f"--eps: black to white is 1, received {text}; write {text}/255 for grey levels"
        )
    return value * (bounds[1] - bounds[0])


def _image(bundle: "Bundle", path: Path) -> "np.ndarray":
    """One image as the oracle takes it: float32 [1, ...] in the bundle's range."""
    import numpy as np

    from dimaging_edge.commands.array_files import read_array
    from dimaging_edge.commands.attack_pictures import fit_picture

    tensor = _tensor(bundle)
    image = read_array(path, tensor)
    image = image[None] if image.ndim == len(tensor.shape) - 1 else image
    wanted = (1, *tensor.example[1:])
    if image.shape != wanted and path.suffix not in (".npy", ".npz") and tensor.layout == "NHWC":
        found, image = image.shape, fit_picture(image[0], wanted[1], wanted[2])[None]
        print(
            f"{path.name} of {found[2]} x {found[1]} pixels: its middle, at {wanted[2]} x {wanted[1]}"
        )
    if image.shape != (1, *tensor.example[1:]):
        raise InputError(
            f"{path}: expected one image of {tensor.example[1:]}, received {image.shape}"
        )
    return image.astype(np.float32)


def _tensor(bundle: "Bundle") -> Any:
    """The image that the classifier takes."""
    from dimaging_edge.attacks.oracle import GRAPH

    (tensor,) = bundle.graph(next(name for name in bundle.graphs if name != GRAPH)).inputs
    return tensor


def _data(bundle: "Bundle", path: Path, count: int) -> "tuple[np.ndarray, np.ndarray]":
    """Arrays x and y of a .npz: bytes as the bundle's range, float32 as it is."""
    import numpy as np

    from dimaging_edge.attacks import bounds_of

    try:
        with np.load(path, allow_pickle=False) as stored:
            x, y = stored["x"][:count], stored["y"][:count]
    except KeyError:
        raise InputError(
            f"{path}: expected the arrays x and y; save them: np.savez(FILE, x=x, y=y)"
        ) from None
    except Exception as error:  # numpy, zipfile and zlib raise unrelated types
        raise InputError(
            f"{path} cannot be read: {error}; expected a .npz with the arrays x and y"
        ) from None
    if x.dtype == np.uint8:
        low, high = bounds_of(bundle)
        x = (low + x.astype(np.float32) * np.float32((high - low) / 255)).clip(low, high)
    return x.astype(np.float32, copy=False), y


def _said(bundle: "Bundle", odds: "np.ndarray") -> str:
    """The likeliest class and its probability, for a line of text."""
    best = int(odds.argmax())
    name = class_name(bundle, best)
    return f"class {best}{' ' * bool(name)}{name} ({odds[best]:.1%})"


def _words(bundle: "Bundle", odds: "np.ndarray") -> str:
    """The same below a picture."""
    best = int(odds.argmax())
    return f"{class_name(bundle, best) or f'class {best}'}, {odds[best]:.1%}"
