"""The command `dimaging-edge` in this process."""

from dimaging_edge.commands.main import main


def run(*words: object) -> int:
    """Run the command with these words, and return its exit code."""
    return main([str(word) for word in words])
