"""The `dimaging` command where only the edge part is installed: the verbs that need no TensorFlow."""

import argparse
import sys

from dimaging_edge.commands.main import main as edge_main
from dimaging_edge.common.errors import DimagingError

from dimaging_tf.commands.listing import list_main

EDGE_VERBS = {
    "info": "Print what a bundle or a compressed photo holds",
    "check": "Compare this device with the answers of Keras",
    "run": "Run one graph on files",
    "bench": "Time a bundle, and gate it on a budget",
    "sample": "Draw images from a model that generates",
    "imagine": "Draw what a caption says",
    "complete": "Fill in the unknown part of an image",
    "upscale": "Enlarge a small image",
    "write": "Go on with a text",
    "caption": "Say what a picture shows",
    "compress": "Compress photographs",
    "decompress": "Get compressed photographs back",
    "pack": "Compress images or a text without loss",
    "unpack": "Get packed images or a packed text back",
    "attack": "Change an image a little, so that a classifier errs",
    "robustness": "Measure how robust a classifier is",
    "certify": "Prove how many images no attack can change",
    "app": "Serve the page for phones",
}
"""The verbs of `dimaging-edge`, which mean the same in `dimaging`, and what each does."""


def main() -> None:
    """Run a verb of the edge part, or `list`, and exit; say what to install for any other."""
    words = sys.argv[1:]
    verb = next((word for word in words if not word.startswith("-")), "")
    if verb in EDGE_VERBS or "--version" in words[:1]:
        sys.exit(edge_main(words))
    if verb != "list":
        sys.exit(
            f"error: dimaging {verb} needs typer and more: pip install 'dimaging[train,export,cpu]'. Without "
            f"them there are dimaging list, {', '.join(EDGE_VERBS)}."
        )
    parser = argparse.ArgumentParser(prog="dimaging list")
    parser.add_argument("model", nargs="?", default="", help="a model, to see its settings")
    parser.add_argument("--json", metavar="FILE", help="file for the same as JSON; - prints it")
    options = parser.parse_args(words[words.index("list") + 1 :])
    try:
        list_main(options.model, options.json)
    except DimagingError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
