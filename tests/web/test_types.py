"""The page's modules are checked by TypeScript from their comments, without a build."""

import os
import shutil
import subprocess

from dimaging_edge.app.site import WEB
from helpers.browser import missing


def test_tsc_finds_nothing() -> None:
    tsc = os.environ.get("TSC") or shutil.which("tsc")
    if tsc is None:
        missing("there is no tsc: npm install --global typescript, or TSC=PATH")
    command = [tsc, "--noEmit", "--project", str(WEB)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_module_is_checked_and_none_is_long() -> None:
    for path in [*WEB.glob("*.mjs"), *WEB.glob("[!e]*/*.mjs"), *WEB.glob("entropy/*.mjs")]:
        lines = path.read_text().splitlines()
        assert lines[0] == "// @ts-check", path
        assert lines[1].startswith("/**"), path
        assert len(lines) <= 300, path
        assert max(map(len, lines)) <= 240, path
