"""The `dimaging` command where only the edge part is installed: the verbs that need no TensorFlow."""

import sys

from dimaging_edge.commands.main import main as edge_main
from dimaging_edge.common.errors import DimagingError

from dimaging_tf.commands.listing import list_main

EDGE_VERBS = ("run", "bench", "info", "check")
"""The verbs that are those of `dimaging-edge`, and need what it needs."""


def main() -> None:
    """Run a verb of the edge part, or `list`, and exit; say what to install for any other."""
    words = sys.argv[1:]
    verb = words[0] if words else ""
    if verb in (*EDGE_VERBS, "--version"):
        sys.exit(edge_main(words))
    if verb != "list" or len(words) > 2:
        sys.exit(
            f"error: dimaging {verb} needs typer and more: pip install 'dimaging[train,export,cpu]'. Without "
            f"them there are dimaging {', '.join((*EDGE_VERBS, 'list'))}, and dimaging-edge."
        )
    try:
        list_main(*words[1:])
    except DimagingError as error:
        sys.exit(f"error: {error}")
