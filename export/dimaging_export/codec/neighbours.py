"""Fit the tables of dimaging_edge/photo/neighbours.py to the symbols of calibration images.

A first pass over the latents finds the factors of the mean's shift, channel by channel, by weighted least
squares. With them a second pass finds, for each spread of the neighbours, the scale index that codes
cheapest. A third pass counts the symbols for the final probability tables.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from dimaging_edge.photo.neighbours import FACTOR, LEVELS, SPREADS, Field, Tables
from dimaging_edge.photo.symbols import ScaleTables

from dimaging_export.prove.runners import Graph
from dimaging_tf.compression.base import EIGHTHS, PARTS, RUNGS, SYMBOL
from dimaging_tf.layers.codec import QUALITIES, table_scale

RIDGE = 200.0
"""Weight of the ridge that draws factors to 0, in symbols."""
LOYALTY = 1.0
"""Bits that another scale index must save over all symbols to be chosen."""
REACH = 2.0
"""Distance of scale indices at which they still learn from each other: a Gaussian's standard deviation."""
STEADY = 300
"""Number of symbols other than 0 at which an image's symbols weigh half as much as those of an empty one."""


@dataclass(frozen=True)
class Seen:
    """What the coder meets at one rung of one image: z, or y in one of the two passes."""

    rung: int
    """0 for z, 1 and 2 for the passes of y."""
    image: int
    """Number of the image at one quality; its rungs share a Field."""
    exact: np.ndarray
    """[h, w, C]: values before rounding less the prior's mean, in 1/256 of a step."""
    index: np.ndarray
    """[h, w, C]: scale indices that the prior predicts."""
    weight: float = 1.0
    """How much each of its symbols counts."""


def latents(
    runs: dict[str, Graph], z_index: np.ndarray, image: np.ndarray, widest: int
) -> list[Seen]:
    """Encode images [N, H, W, C] at the qualities of RUNGS; returns what the coder meets at every rung.

    A percent of the bytes counts the same in an image of few symbols and in one of many, as in training:
    else the busy images at high rates would decide alone. widest: the largest symbol of y.
    """
    found: list[Seen] = []
    for quality in RUNGS:
        for pixels in image:
            number, feed = len(found), {"quality": np.array([quality], np.int64)}
            code = runs["encoder"]({"image": pixels[None], **feed})
            z, y = code["z"][0].astype(np.int32), code["y"].astype(np.int32)
            index = np.broadcast_to(z_index[quality].astype(np.int32), z.shape)
            found.append(Seen(0, number, PARTS * z, index))
            known = np.zeros_like(y)
            parity = np.add.outer(*map(np.arange, y.shape[1:3]))[None, :, :, None] % 2
            for rung in (1, 2):
                feed["pass"] = np.array([rung - 1], np.int64)
                prior = runs["prior"]({"z": code["z"], "y": known, **feed})
                index, mean = (prior[name].astype(np.int32) for name in ("index", "mean"))
                exact = y - PARTS // EIGHTHS * mean
                symbol = ((exact + PARTS // 2) // PARTS).clip(-widest, widest) * (index > 0)
                known = np.where(parity == rung - 1, EIGHTHS * symbol + mean, known)
                found.append(Seen(rung, number, exact[0], index[0]))
    spent = Counter[int]()
    for x in found:
        spent[x.image] += int(np.count_nonzero((np.abs(x.exact) > PARTS // 2) & (x.index > 0)))
    weight = {image: 1 / (STEADY + n) for image, n in spent.items()}
    even = sum(spent.values()) / max(1e-9, sum(weight[k] * n for k, n in spent.items()))
    return [replace(x, weight=even * weight[x.image]) for x in found]


class _Probe(Field):
    """A Field that keeps what it read of the neighbours, before the symbols are coded."""

    mean = spread = None
    number = 0

    def _factor(self, tables: Tables, number: int, channel: np.ndarray, mean: Any) -> np.ndarray:
        self.mean, self.number = mean, number
        return super()._factor(tables, number, channel, mean)

    def _index(self, tables: Tables, number: int, index: np.ndarray, spread: Any) -> np.ndarray:
        self.spread, self.old = spread, index
        return super()._index(tables, number, index, spread)


def no_tables(channels: int) -> Tables:
    """Return tables that shift no mean and change no scale index."""
    remap = np.broadcast_to(np.arange(QUALITIES)[:, None], (LEVELS, QUALITIES, SPREADS))
    return Tables(np.zeros((LEVELS, channels), np.int8), remap.astype(np.uint8))


def fit(seen: Sequence[Seen], counts: np.ndarray) -> tuple[Tables, Tables]:
    """Fit the tables of z and of y; counts: uint16 [64, 256], from which follow the bits of a symbol."""
    cost = _cost(counts)
    found = []
    for kind in (0, 1):
        mine = [x for x in seen if (x.rung > 0) == kind]
        tables = _factors(mine, no_tables(mine[0].exact.shape[-1]))
        found.append(_remap(mine, tables, cost))
    return found[0], found[1]


def count(seen: Sequence[Seen], both: tuple[Tables, Tables]) -> np.ndarray:
    """Count how often each symbol of y occurs at each scale index: [64, 256], those beyond +-127 in the last.

    both: the tables of z and of y.
    """
    total = np.zeros((QUALITIES, 2 * SYMBOL + 2))

    def note(x: Seen, probe: _Probe, index: np.ndarray, symbol: np.ndarray, *_: np.ndarray) -> None:
        column = np.where(np.abs(symbol) > SYMBOL, 2 * SYMBOL + 1, symbol + SYMBOL)
        np.add.at(total, (index, column), x.weight)

    _walk([x for x in seen if x.rung], both[1], note)
    return total


def _walk(seen: Sequence[Seen], tables: Tables, note: Callable[..., None]) -> None:
    """Code `seen` with these tables; at every level call note(seen, probe, index, symbol, exact, channel)."""
    field, image = None, None
    for x in seen:
        if field is None or image != x.image:
            field, image = _Probe(tables, x.exact.shape, whole=x.rung == 0), x.image
        probe = field

        def code(index: Any, shift: Any, where: Any, x: Seen = x, probe: _Probe = probe):
            exact = x.exact.reshape(-1)[where]
            symbol = (exact - 32 * shift + 128) >> 8
            note(x, probe, index, symbol, exact, where % x.exact.shape[-1])
            probe.mean = probe.spread = None
            return symbol

        field.walk(x.rung, x.index, code)


def _factors(seen: Sequence[Seen], tables: Tables) -> Tables:
    """Find the factors of the mean's shift by least squares; symbols of a small scale weigh more."""
    sums = np.zeros((2, *tables.factor.shape))

    def note(x: Seen, probe: _Probe, index: Any, symbol: Any, exact: Any, channel: Any) -> None:
        if probe.mean is None:
            return
        near = probe.mean / (12 * EIGHTHS)
        weight = x.weight / (table_scale(index) ** 2 * np.pi**2 / 3 + 1 / 12)
        np.add.at(sums[0, probe.number], channel, weight * near * exact / PARTS)
        np.add.at(sums[1, probe.number], channel, weight * near * near)

    _walk(seen, tables, note)
    factor = np.rint(FACTOR * sums[0] / (sums[1] + RIDGE)).clip(-127, 127)
    return Tables(factor.astype(np.int8), tables.remap)


def _remap(seen: Sequence[Seen], tables: Tables, cost: np.ndarray) -> Tables:
    """Find the scale index that codes cheapest in place of each, for each level and spread of neighbours.

    cost: bits [64, 255] of a symbol at a scale index.
    """
    met = np.zeros((LEVELS, QUALITIES, SPREADS, 2 * SYMBOL + 1))

    def note(x: Seen, probe: _Probe, index: Any, symbol: Any, exact: Any, channel: Any) -> None:
        if probe.spread is not None:
            column = symbol.clip(-SYMBOL, SYMBOL) + SYMBOL
            np.add.at(met[probe.number], (index, probe.spread, column), x.weight)

    _walk(seen, tables, note)
    index = np.arange(QUALITIES)
    moves = np.arange(-24, 25)
    bits = np.stack(
        [np.einsum("lksn,kn->lks", met, cost[(index + m).clip(1, QUALITIES - 1)]) for m in moves]
    )
    bits += LOYALTY * (moves != 0)[:, None, None, None]
    near = np.exp(-0.5 * ((index[:, None] - index) / REACH) ** 2)
    move = moves[np.einsum("mlks,jk->mljs", bits, near).argmin(0)]
    remap = (index[:, None] + move).clip(1, QUALITIES - 1)
    remap[:, 0] = 0
    return Tables(tables.factor, remap.astype(np.uint8))


def _cost(counts: np.ndarray) -> np.ndarray:
    """Return the bits of the symbols -127..127 at each scale index, [64, 255]."""
    return ScaleTables(counts).cost[:, : 2 * SYMBOL + 1] / 256
