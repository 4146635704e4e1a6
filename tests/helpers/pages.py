"""What the tests of the README and of docs/ share: code blocks, and processes that see the project alone."""

import os
import re
import subprocess
import sys
from pathlib import Path

from helpers import forked

ROOT = Path(__file__).parents[2]
ENV = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in (".", "export", "edge")),
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "COLUMNS": "300",  # of --help
}
COMMANDS = {"dimaging": "dimaging_tf.commands.app", "dimaging-edge": "dimaging_edge.commands.main"}


def read(page: Path | str) -> str:
    """The text of a page, named from the root of the project."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(text: str, *languages: str) -> list[str]:
    """The code blocks of these languages, in order."""
    return re.findall(rf"```(?:{'|'.join(languages)})\n(.*?)```", text, re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """Every dimaging or dimaging-edge call with a verb, in shell blocks or inside of sentences, as words."""
    lines = "\n".join(blocks(text, "sh")).replace(" && ", "\n").splitlines()
    lines += re.findall(r"`(dimaging(?:-edge)? [a-z][^`]*)`", text)
    calls = [line.split("#")[0].split() for line in lines]
    return [words for words in calls if len(words) > 1 and words[0] in COMMANDS]


def run(words: list[str], folder: Path) -> str:
    """What a process says that ends well."""
    done = subprocess.run(words, cwd=folder, env=ENV, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_warm(words: list[str], folder: Path) -> str:
    """The same of a program of ours that may find TensorFlow imported; it starts five seconds sooner."""
    program = forked.start(words, folder, ENV)
    said, errors = (text.decode() for text in program.communicate())
    assert program.returncode == 0, said + errors
    return said


def cli(words: list[str], folder: Path) -> str:
    """The same of a command."""
    return run_warm([sys.executable, "-m", COMMANDS[words[0]], *words[1:]], folder)
