"""`python -m dimaging_tf` and the entry point of the `dimaging` command."""

import sys


def main() -> None:
    """Say what to install where only the edge part is."""
    try:
        from dimaging_tf.commands.app import main as command
    except ModuleNotFoundError as missing:
        if missing.name not in ("typer", "rich"):
            raise
        sys.exit(
            f"error: the dimaging command needs {missing.name}: pip install 'dimaging[train,export,cpu]'. "
            "On a device without TensorFlow, use dimaging-edge."
        )
    command()


if __name__ == "__main__":
    main()
