"""The page of extras says what the last measurement found, of all extras that there are."""

import json
import runpy
import sys
import tomllib

from helpers.pages import ROOT, read


def test_the_page_is_made_of_the_last_result(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    extras = runpy.run_path(str(ROOT / "benchmarks" / "extras.py"))
    record = json.loads(read("benchmarks/results/extras.json"))
    page = read("docs/reference/extras.md")
    assert page == extras["with_table"](page, record)
    named = {name for row in extras["ROWS"] for name in row.extras.split(",")}
    assert named == set(tomllib.loads(read("pyproject.toml"))["project"]["optional-dependencies"])
    sys.modules.pop("parts", None)
