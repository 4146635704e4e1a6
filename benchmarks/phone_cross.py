"""Every file of the photo codec goes both ways between Python and the page: 162 kinds of pictures.

    python benchmarks/phone_cross.py

Three shipped models x 1x1, 31x33, 512x512 and 769x513 pixels x grey, colour and colour with alpha x tiles of 32, 256,
768 and 1024 pixels; and colour coded at half its width and height, of all sizes but the first, with tiles of 32 and 768.
Python and the page each compress the picture, and each opens both files. The latents' check sums must be equal and the
pixels within one level, which the page compares. One page, one thread of WebAssembly.
A few of the rows are part of the tests (tests/web/test_codec.py).
"""

import sys
import time
from collections import Counter
from dataclasses import asdict

from parts import figures
from parts.page import a_page, begin, cpu_seconds
from parts.page_cross import ALL, MODELS, cross, model
from parts.page_kit import load_kit


def main() -> int:
    """Row by row."""
    args = figures.parser("phone_cross", __doc__).parse_args()
    out = figures.Figures("phone_cross", args.quick, args.json)
    rows = ALL[:8] if args.quick else ALL
    found = []
    with a_page() as (page, browser, _, address):
        load_kit(begin(page, address, 1))
        started = time.process_time() + cpu_seconds(browser)
        for row in rows:
            found.append(cross(page, row))
            print(*row, found[-1], file=sys.stderr, flush=True)
        spent = time.process_time() + cpu_seconds(browser) - started
    count = len(rows)
    out.add("kinds of pictures", count, "" if args.quick else ">= 162")
    out.add(
        "kinds with latents that are not Python's", count - sum(x.latents for x in found), "<= 0"
    )
    out.add("largest difference of a pixel", max(x.pixels for x in found), "<= 1", "levels")
    out.add("largest difference of alpha", max(x.alpha for x in found), "<= 0", "levels")
    out.add("files with a word of damage", sum(bool(x.damage) for x in found), "<= 0")
    out.add("kinds where page and Python wrote the same bytes", sum(x.same_file for x in found))
    out.add("tiles of all pictures", sum(x.tiles for x in found))
    out.add("processor time of page and Python", spent / 60, "", "minutes")
    out.facts["models"] = {name: model(name).model_id.hex() for name in MODELS}
    out.facts["largest differences of pixels"] = dict(Counter(str(x.pixels) for x in found))
    out.facts["rows"] = [[*row, asdict(one)] for row, one in zip(rows, found, strict=True)]
    return out.finish()


if __name__ == "__main__":
    sys.exit(main())
