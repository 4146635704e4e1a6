"""docs/reference/errors.md: what it quotes is in the source, and the list of all errors is read from there."""

import re
import runpy

import pytest
from helpers.pages import ROOT, read

ERRORS = runpy.run_path(str(ROOT / "docs" / "site_errors.py"))
SENTENCES = [text for root in ERRORS["ROOTS"] for _, text in ERRORS["sentences"](ROOT / root)]
QUOTED = re.findall(r"^\| ([^|]*…[^|]*?) \|", read("docs/reference/errors.md"), re.MULTILINE)


def skeleton(text: str) -> str:
    """The words of a message; what is filled in may be one part or several."""
    return re.sub(r"(?:…[ …]*)+", "…", text)


def test_there_are_quotations():
    assert len(QUOTED) > 10


@pytest.mark.parametrize("quoted", QUOTED)
def test_what_is_quoted_is_said(quoted):
    assert any(skeleton(quoted).rstrip("… ") in skeleton(text) for text in SENTENCES), quoted


def test_markup_in_a_message_stays_words():
    assert ERRORS["_escaped"]("a_b[0] <c> | d") == r"a\_b\[0\] &lt;c&gt; \| d"
    assert ERRORS["markdown"]().count("\n- ") > 300
