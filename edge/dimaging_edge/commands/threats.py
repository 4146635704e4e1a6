"""Options that say what an attacker may do: --eps, --norm, --seed."""

import argparse

from dimaging_edge.commands.numbers import not_negative
from dimaging_edge.common.errors import InputError

EPS = "8/255"
"""The largest change that is taken where none is given."""


def add_options(one: argparse.ArgumentParser) -> None:
    """Describe --eps, --norm and --seed."""
    one.add_argument(
        "--eps", default=EPS, metavar="E",
        help="largest change; black to white is 1, a grey level 1/255; of l2 the length of all changes of an "
        f"image together (default: {EPS})",
    )  # fmt: skip
    one.add_argument(
        "--norm", default="linf", help="linf (each value) or l2 (the image) (default: linf)"
    )
    one.add_argument(
        "--seed", type=not_negative, default=0, metavar="N", help="seed of the attack (default: 0)"
    )


def eps_of(text: str, bounds: tuple[float, float], norm: str = "linf") -> float:
    """Eps in the unit of the bundle's range; InputError for more than black to white of every value."""
    from dimaging_edge.attacks import read_eps

    value = read_eps(text)
    if value > 1 and norm == "linf":
        mend = "give at most 1" if "/" in text else f"write {text}/255 for grey levels"
        raise InputError(f"--eps: black to white is 1, received {text}; {mend}")
    return value * (bounds[1] - bounds[0])
