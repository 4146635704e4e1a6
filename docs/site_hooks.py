"""What mkdocs does to the pages of docs/ so that they read on a site as they do in the repository."""

import contextlib
import importlib
import io
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROGRAMS = {"dimaging": "dimaging_tf.commands.app", "dimaging-edge": "dimaging_edge.commands.main"}
"""Command -> the module of its `main`."""


def on_page_markdown(markdown: str, **kwargs) -> str:
    """Write the help of the commands where a page asks for it, and name files that no site holds.

    markdown    the text of a page; a line "::: commands" stands for the help of every verb, and
                "::: errors" for the sentences of every error
    kwargs      page, config and files, which mkdocs hands over by name
    """
    if "\n::: commands" in markdown:
        markdown = markdown.replace("::: commands", "\n".join(map(_program, PROGRAMS)))
    if "\n::: errors" in markdown:
        markdown = markdown.replace("::: errors", _errors())
    return re.sub(r"\[([^\]]+)\]\((?:\.\./)+([^)#]+\.\w+)\)", _named, markdown)


def _errors() -> str:
    """Return the list of all errors, from the file beside this one."""
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        return importlib.import_module("site_errors").markdown()
    finally:
        sys.path.remove(str(ROOT / "docs"))


def _named(link: re.Match) -> str:
    """Return a link as words where it leads out of docs/, and as it is elsewhere."""
    words, path = link.groups()
    if (ROOT / "docs" / path).exists():
        return link[0]
    return f"`{path}`" if words.strip("`") in path else f"{words} (`{path}`)"


def _program(name: str) -> str:
    """Return the help of a command, a heading for each verb."""
    verbs = re.findall(r"^ {2,4}([a-z]+)(?:  +\S.*)?$", _help(name), re.MULTILINE)
    helps = [f"### {name} {verb}\n\n```text\n{_help(name, verb).rstrip()}\n```\n" for verb in verbs]
    return "\n".join([f"## {name}\n", *helps])


def _help(name: str, *verb: str) -> str:
    """Return what `name VERB --help` prints, 100 columns wide."""
    for root in (".", "export", "edge"):
        if str(ROOT / root) not in sys.path:
            sys.path.insert(0, str(ROOT / root))
    os.environ["COLUMNS"], before, said = "100", sys.argv, io.StringIO()
    sys.argv = [name, *verb, "--help"]
    try:
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            importlib.import_module(PROGRAMS[name]).main()
    finally:
        sys.argv = before
    # The program is named after the one that runs here, which is mkdocs.
    return re.sub(rf"python -m mkdocs\.?{name}|python -m mkdocs", name, said.getvalue())
