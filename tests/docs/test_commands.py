"""Every command that the README or a page of docs/ names exists, with every option that is named there."""

import json
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest
from helpers.pages import COMMANDS, ROOT, commands, read, run

PAGES = ["README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md"))]
CALLS = list(dict.fromkeys(tuple(words) for page in PAGES for words in commands(read(page))))
HELPS = """
import contextlib, io, json, sys
from {module} import main
found = {{}}
for verb in sys.argv[1:]:
    sys.argv, said = [sys.argv[0], verb, "--help"], io.StringIO()
    with contextlib.redirect_stdout(said):
        try:
            code = main()
        except SystemExit as end:
            code = end.code
    found[verb] = [code or 0, said.getvalue()]
print(json.dumps(found))
"""


@cache
def helps(command: str) -> dict[str, tuple[int, str]]:
    """Verb -> (exit code, text of --help), of all verbs that are named, from one process."""
    verbs = sorted({words[1] for words in CALLS if words[0] == command})
    code = HELPS.format(module=COMMANDS[command])
    with tempfile.TemporaryDirectory() as folder:
        return json.loads(run([sys.executable, "-c", code, *verbs], Path(folder)))


@pytest.mark.parametrize("words", CALLS, ids=" ".join)
def test_command_exists(words):
    code, text = helps(words[0])[words[1]]
    assert code == 0
    for flag in [word for word in words if word.startswith("--")]:
        assert flag in text
