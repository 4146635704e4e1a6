"""The verb of text to image: imagine."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dimaging_edge.commands import generate as density_cli

if TYPE_CHECKING:
    from dimaging_edge.bundle.open import Bundle


def add_verbs(
    verb: Callable[[Any, str], argparse.ArgumentParser],
    device: Callable[[argparse.ArgumentParser], None],
) -> None:
    """Describe the verb to the parser of `dimaging-edge`."""
    one = verb(imagine, "draw what a caption says (StackGAN)")
    one.add_argument(
        "caption", metavar="CAPTION", help="such as: a small red circle at the top left"
    )
    density_cli.drawing(one, n=4, out="imagine.png")
    device(one)


def imagine(options: argparse.Namespace, bundle: "Bundle") -> int:
    """Draw and write a grid."""
    from dimaging_edge.generate import captions

    images = captions.imagine(bundle, options.caption, options.n, options.seed)
    return density_cli.write(images, options.out)
