"""`python -m dimaging_tf` and the entry point of the `dimaging` command."""


def main() -> None:
    """Run the command; where only the edge part is installed, the verbs that need no more."""
    try:
        from dimaging_tf.commands.app import main as command
    except ModuleNotFoundError as missing:
        if missing.name != "typer":
            raise
        from dimaging_tf.commands.edge_only import main as command
    command()


if __name__ == "__main__":
    main()
