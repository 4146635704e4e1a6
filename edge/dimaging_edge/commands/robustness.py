"""Verbs about many images: robustness (a figure with its gates), certify (a bound)."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dimaging_edge.commands import threats
from dimaging_edge.commands.numbers import positive
from dimaging_edge.common.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from dimaging_edge.bundle.open import Bundle

Verb = Callable[[Any, str], argparse.ArgumentParser]
WITHHELD = 3
"""Exit code of `robustness` where a gate failed, so that there is no figure."""


def add_verbs(verb: Verb, device: Callable[[argparse.ArgumentParser], None]) -> None:
    """Describe the verbs to the parser of `dimaging-edge`."""
    one = verb(
        robustness, "measure how robust a classifier is, and say no figure where a gate fails"
    )
    one.epilog = (
        f"exit code: 0 there is a figure, {WITHHELD} a gate failed, 1 another error, 2 usage"
    )
    one.add_argument(
        "data", metavar="DATA.npz", help="arrays x [N, H, W, C] and y [N], the right classes"
    )
    threats.add_options(one)
    one.add_argument(
        "--plan", default="standard", metavar="NAME",
        help="quick, standard or thorough; thorough compares with the literature (default: standard)",
    )  # fmt: skip
    one.add_argument(
        "--n", type=positive, default=1000, metavar="N", help="images, the first N (default: 1000)"
    )
    one.add_argument(
        "--claim", type=_share, metavar="SHARE", help="a figure from 0 to 1 to examine"
    )
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
        "--n",
        type=positive,
        default=10_000,
        metavar="N",
        help="images, the first N (default: 10000)",
    )
    one.add_argument(
        "--json",
        metavar="FILE",
        help="file for the worst margin of every image; - prints that alone",
    )
    device(one)


def robustness(options: argparse.Namespace, bundle: "Bundle") -> int:
    """Attack many images, print the report; exit code 3 where its figure is withheld."""
    from dimaging_edge.attacks import bounds_of
    from dimaging_edge.common.output import show, tell
    from dimaging_edge.robustness import Claim, evaluate_bundle

    x, y = _data(bundle, Path(options.data), options.n)
    eps = threats.eps_of(options.eps, bounds_of(bundle), options.norm)
    report = evaluate_bundle(
        bundle, x, y, options.norm, eps, plan=options.plan, seed=options.seed,
        claim=None if options.claim is None else Claim(options.claim),
        progress=tell,
    )  # fmt: skip
    show(report.table(), report.to_json(), options.json)
    return 0 if report.robust else WITHHELD


def certify(options: argparse.Namespace, bundle: "Bundle") -> int:
    """Print the certified share at every eps, a lower bound of the accuracy under any attack."""
    from dimaging_edge.attacks import bounds_of
    from dimaging_edge.common.output import show
    from dimaging_edge.common.tables import table
    from dimaging_edge.robustness.certificate import certify as prove

    bounds = bounds_of(bundle)
    radii = {text: threats.eps_of(text, bounds) for text in options.eps.split(",")}
    x, y = _data(bundle, Path(options.data), options.n)
    found = {text: prove(bundle, x, y, eps) for text, eps in radii.items()}
    rows = [["eps (linf)", "certified"]]
    rows += [[text, str(one.figure)] for text, one in found.items()]
    clean = next(iter(found.values())).clean
    facts = {text: [float(m) for m in one.worst_margin] for text, one in found.items()}
    said = f"{table(rows)}\n\n{len(x)} images, right as they are: {clean}"
    show(said, {"worst_margin": facts}, options.json)
    return 0


def _share(text: str) -> float:
    """Read a figure from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:  # NaN fails too
        raise argparse.ArgumentTypeError(
            f"expected a share of 0 to 1, received {text}; 93 % is 0.93"
        )
    return value


def _data(bundle: "Bundle", path: Path, count: int) -> "tuple[np.ndarray, np.ndarray]":
    """The first arrays x and y of a .npz: bytes in the bundle's range, other numbers as they are.

    InputError for another file, arrays of two lengths, and images outside the range.
    """
    import numpy as np

    from dimaging_edge.attacks import bounds_of

    x, y = _arrays(path)
    if not x.ndim or not y.ndim or len(x) != len(y):
        raise InputError(
            f"{path}: expected one label in y for each image of x; received x {list(x.shape)} and y "
            f"{list(y.shape)}"
        )
    x, y = x[:count], y[:count]
    low, high = bounds_of(bundle)
    if x.dtype == np.uint8:
        x = (low + x.astype(np.float32) * np.float32((high - low) / 255)).clip(low, high)
    x = x.astype(np.float32, copy=False)
    if x.size and (x.min() < low or x.max() > high):  # NaN is said where images are checked
        raise InputError(
            f"{path}: x: expected values of {low:g} to {high:g}, as {bundle.path.name} takes them, received "
            f"{x.min():g} to {x.max():g}; uint8 of 0 to 255 is brought there, other numbers are as they are"
        )
    return x, y


def _arrays(path: Path) -> "tuple[np.ndarray, np.ndarray]":
    import zipfile

    from dimaging_edge.bundle.arrays import read_npz
    from dimaging_edge.commands.array_files import MOST_INPUT

    arrays = "the arrays x and y; save them: np.savez(FILE, x=x, y=y)"
    mend = f"expected a .npz with {arrays}"
    if path.is_dir():
        raise InputError(
            f"{path} is a folder; {mend}. A folder of class folders is the --data of dimaging robustness RUN"
        )
    if not path.exists():
        raise InputError(f"there is no file {path}; {mend}")
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path} cannot be read: it is no .npz; {mend}")
    found = read_npz(path.read_bytes(), str(path), {"x", "y"}, most=MOST_INPUT, mend=mend)
    if len(found) < 2:
        names = ", ".join(name.removesuffix(".npy") for name in zipfile.ZipFile(path).namelist())
        raise InputError(f"{path}: expected {arrays}; found {names or 'none'}")
    return found["x"], found["y"]
