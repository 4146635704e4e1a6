"""The verb of a language model: write."""

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dimaging_edge.bundle.open import Bundle


def add_verbs(
    verb: Callable[[Any, str], argparse.ArgumentParser],
    device: Callable[[argparse.ArgumentParser], None],
) -> None:
    """Describe the verb to the parser of `dimaging-edge`."""
    one = verb(write, "go on with a text, character by character (char_lm)")
    one.add_argument("--prime", default="", metavar="TEXT", help="what the text begins with")
    one.add_argument("--n", type=int, default=500, help="how many characters (default: 500)")
    one.add_argument(
        "--temperature", type=float, default=0.8,
        help="1 as the model believes, less is more careful, 0 the likeliest (default: 0.8)",
    )  # fmt: skip
    one.add_argument("--seed", type=int, default=0, help="of the noise (default: 0)")
    one.add_argument("--out", metavar="FILE", help="write the text there instead of the terminal")
    device(one)


def write(options: argparse.Namespace, bundle: "Bundle") -> int:
    """Print the prime and each piece as soon as it is drawn, or write a file."""
    from dimaging_edge.common.files import write_text
    from dimaging_edge.generate import text

    pieces = text.write(
        bundle, options.prime, options.n, temperature=options.temperature, seed=options.seed
    )
    if options.out:
        write_text(options.out, options.prime + "".join(pieces))
        print(options.out)
        return 0
    print(options.prime, end="")
    for piece in pieces:
        print(piece, end="", flush=True)
    print()
    sys.stdout.flush()
    return 0
