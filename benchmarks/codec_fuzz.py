"""Damaged files: each is refused with words, or shown and its damage described. No crash, no hang, no bomb.

    python benchmarks/codec_fuzz.py [--count 100000] [--real 5000]

Six kinds of damage by chance (tests/helpers/codec_damage.py); in half of the files all check sums are right again, so
that the damage reaches what is behind them; every second file is read with --keep-going. Most files are of a
block DCT (tests/helpers/codec_dct.py), grey with alpha and two tiles; `--real` of them are of the weights that come
along. Each five thousand are a process of its own, so a crash would be counted too.
"""

import multiprocessing
import resource
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from pathlib import Path

import numpy as np
from parts import figures

sys.path.append(str(Path(__file__).parents[1] / "tests"))

MOST = 1 << 14  # pixels
CHUNK = 5000
OUTCOMES = {  # what may become of a file -> goal
    "refused": "",
    "shown, damage described": "",
    "shown whole, undamaged by chance": "",
    "shown, forged with right check sums": "",
    "refused in a word": "<= 0",
    "shown wrong without a word": "<= 0",
    "another exception": "<= 0",
}


def main() -> int:
    """Chunk by chunk."""
    p = figures.parser("codec_fuzz", __doc__)
    p.add_argument("--count", type=int, default=100_000, help="files in all")
    p.add_argument("--real", type=int, default=5_000, help="of them made by the shipped weights")
    p.add_argument("--model", default="unet_codec", help="bundle, or the name of a shipped one")
    args = p.parse_args()
    size = 500 if args.quick else CHUNK
    count, real = (2 * size, size) if args.quick else (args.count, args.real)
    jobs = [("", seed, size) for seed in range((count - real) // size)]
    jobs += [(args.model, seed, size) for seed in range(real // size)]

    out = figures.Figures("codec_fuzz", args.quick, args.json)
    for which in ("", args.model):
        found, crashes, slowest, grown = Counter[str](), 0, 0.0, 0
        with ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn"), max_tasks_per_child=1
        ) as pool:
            for answer in (pool.submit(chunk, *job) for job in jobs if job[0] == which):
                try:
                    outcomes, seconds, memory = answer.result()
                except BrokenProcessPool:
                    crashes += 1
                    break
                found.update(outcomes)
                slowest, grown = max(slowest, seconds), max(grown, memory)
        said = f"{Path(which).name or 'block DCT'}, {found.total():,} files"
        for outcome, goal in OUTCOMES.items():
            out.add(f"{said}: {outcome}", found[outcome], goal)
        out.add(f"{said}: processes that crashed", crashes, "<= 0")
        out.add(f"{said}: the slowest, processor time", slowest, "<= 5", "s")
        out.add(f"{said}: a process grew by at most", grown / 1024, "<= 64", "MB")
    return out.finish()


@cache
def subject(bundle: str):
    """(model, Damage) of a picture of 20 x 40 in two tiles, or 70 x 90 in four."""
    from dimaging_edge.photo.bundle_model import open_model
    from dimaging_edge.photo.codec import compress
    from helpers.codec_damage import Damage
    from helpers.codec_dct import Dct, picture

    model = open_model(bundle, threads=1) if bundle else Dct(channels=1)
    photo, quality, tile = (picture(70, 90), 30, 64) if bundle else (picture(20, 40, 1), 12, 32)
    photo.alpha, photo.icc = photo.image[..., 0], b"profile"
    return model, Damage(compress(model, photo, quality, tile=tile))


def chunk(bundle: str, seed: int, size: int) -> tuple[Counter[str], float, int]:
    """(outcomes, the slowest in s, KB by which this process grew) of so many files."""
    rng = np.random.default_rng([len(bundle), seed])
    found, slowest = Counter[str](), 0.0
    for _ in range(20):  # what is loaded and kept on first calls
        one(bundle, rng, 0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(size):
        started = time.process_time()
        found[one(bundle, rng, number)] += 1
        slowest = max(slowest, time.process_time() - started)
    return found, slowest, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before


def one(bundle: str, rng: np.random.Generator, number: int) -> str:
    """What became of one file."""
    from dimaging_edge.common.errors import CodecError
    from dimaging_edge.photo.codec import decompress

    model, damage = subject(bundle)
    data, forged = damage.one(rng)
    try:
        found, words = decompress(model, data, keep_going=number % 2 == 1, most_pixels=MOST)
    except CodecError as error:
        return "refused" if len(str(error)) > 20 else "refused in a word"
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return "another exception"
    if words:
        return "shown, damage described"
    if data == damage.data:
        return "shown whole, undamaged by chance"
    fits = forged and found.image.size <= 3 * MOST
    return "shown, forged with right check sums" if fits else "shown wrong without a word"


if __name__ == "__main__":
    sys.exit(main())
