"""What a verb shows: text for people, or JSON for programs."""

import json
from typing import Any

from dimaging_edge.common.files import write_text


def show(text: str, value: Any, as_json: str | None) -> None:
    """Print the text; write `value` to the file `as_json` too, or print it in place of the text for "-".

    value: what JSON holds, or JSON text that is ready. ValueError for NaN and infinity.
    """
    if as_json is None:
        print(text)
        return
    ready = value if isinstance(value, str) else json.dumps(value, indent=2, allow_nan=False) + "\n"
    if as_json == "-":
        print(ready, end="")
        return
    print(text)
    write_text(as_json, ready)
    print(f"\nwrote {as_json}")
