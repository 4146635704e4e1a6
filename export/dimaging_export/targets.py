"""Where a bundle goes, as rows of data; a new device is a new row."""
import difflib
from collections.abc import Iterable
def near(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'? Known: ...` for an error about a name that does not exist."""
    known = list(known)
    close = difflib.get_close_matches(word, known, 1)
    return (f"; did you mean {close[0]!r}?" if close else ".") + f" Known: {', '.join(known)}"
