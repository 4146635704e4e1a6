"""What must be equal to the last bit in the page of `dimaging-edge app`, and 10,000 mutated files in it.

    python benchmarks/phone_bits.py

With one and with two threads: a million values of the codec's prior, of what a PixelCNN of whole numbers draws, and of
the generator of random numbers, against those of this machine. Then damaged `.dimg` files: each a sentence or a
picture whose damage is described, and no hang.
"""

import sys
from pathlib import Path
from typing import Any

from dimaging_edge.bundle.open import open_bundle
from parts import figures, page_exact, page_fuzz
from parts.page import a_page, begin, cpu_seconds
from parts.page_kit import load_kit

TESTS = Path(__file__).parents[1] / "tests"
SEEDS = (0, 7, 2**40 + 3)


def main() -> int:
    """Values, then files."""
    args = figures.parser("phone_bits", __doc__).parse_args()
    out = figures.Figures("phone_bits", args.quick, args.json)
    bundle = TESTS / "golden" / "older" / "pixelcnn-integer"
    for threads in (1, 2):
        with a_page([bundle]) as (page, _, _, url):
            load_kit(begin(page, url, threads))
            exact(page, threads, bundle, out, 1 if args.quick else 1_000_000)
    with a_page() as (page, browser, _, url):
        load_kit(begin(page, url, 1))
        mutated(page, browser, out, 500 if args.quick else 10_000)
        mutated(page, browser, out, 100 if args.quick else 2_000, exact=True)
    return out.finish()


def exact(page: Any, threads: int, bundle: Path, out: figures.Figures, values: int) -> None:
    """How many of a million values of each kind differ from those of this machine."""
    seeds = SEEDS[:1] if values == 1 else SEEDS
    drawn = [page_exact.generator(page, seed) for seed in seeds]
    counts = {
        "prior": page_exact.prior(page),
        "PixelCNN's sampler": page_exact.sampler(page, open_bundle(bundle, "cpu", 1), values),
        "integer generator": (sum(seen for seen, _ in drawn), sum(wrong for _, wrong in drawn)),
    }
    for name, (seen, wrong) in counts.items():
        said = f"{name}, {threads} thread{'s' if threads > 1 else ''}"
        out.add(f"{said}: values that differ", wrong, "<= 0")
        out.facts[f"{said}: values compared"] = seen


def mutated(
    page: Any, browser: Any, out: figures.Figures, count: int, *, exact: bool = False
) -> None:
    """Damaged files in the page: a sentence each, and no hang."""
    sys.path.append(str(TESTS))
    from helpers.codec_damage import Damage

    whole, begun = page_fuzz.a_file(exact=exact), cpu_seconds(browser)
    said = f"of {count} mutated files{' with exact pixels' if exact else ''}"
    found, slowest = page_fuzz.decode(page, whole, Damage(whole).one, count, 1)
    for outcome, goal in page_fuzz.OUTCOMES.items():
        out.add(f"{said}: {outcome}", found[outcome], goal)
    out.add(f"{said}: the slowest", slowest, "<= 20", "s")
    out.facts[f"{said}: processor time s"] = cpu_seconds(browser) - begun


if __name__ == "__main__":
    sys.exit(main())
