"""Mistakes in a command line: they are said before anything begins, and the exit code is 2."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from dimaging_edge.common import output
from typer.core import TyperCommand

from dimaging_tf.errors import UserError


class UsageError(UserError):
    """A command line that cannot be carried out; nothing was begun."""


@contextmanager
def usage() -> Iterator[None]:
    """Make every error of a check, within, a UsageError."""
    from dimaging_edge.common.errors import DimagingError

    try:
        yield
    except (DimagingError, ValueError) as error:
        raise UsageError(str(error)) from error


class OfBundles(TyperCommand):
    """A verb of both commands: given a bundle, it is that of `dimaging-edge`, with all of its options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Hand over to `dimaging-edge` where an argument is a bundle, and end with its exit code."""
        if not {"--image", "--data", "--help"} & set(args) and any(map(_is_bundle, args)):
            from dimaging_edge.commands.main import main as edge_main

            raise typer.Exit(edge_main([*loudness(), str(ctx.info_name), *args]))
        return super().parse_args(ctx, args)


def loudness() -> list[str]:
    """Return --quiet or --verbose for `dimaging-edge`, as this command was told."""
    return {-1: ["--quiet"], 1: ["--verbose"]}.get(output.level, [])


def _is_bundle(word: str) -> bool:
    return not word.startswith("-") and (Path(word) / "bundle.json").is_file()
