"""The reader of a `.dimg` file, which checks each part; `container` and docs/format.md show the layout."""

from itertools import accumulate

from dimaging_edge.common.errors import CodecError
from dimaging_edge.entropy.crc32c import crc32c
from dimaging_edge.entropy.headers import AGAIN
from dimaging_edge.photo.container import (
    CHUNK,
    ENTRY,
    EXACT,
    FULL,
    HALF,
    MOST_PIXELS,
    RUNGS,
    SIZE,
    Container,
    Entry,
    check_area,
    read_header,
)
from dimaging_edge.photo.half import half_of
from dimaging_edge.photo.symbols import MOST_LANES


def read_container(
    data: bytes, most_pixels: int = MOST_PIXELS, *, keep_going: bool = False
) -> Container:
    """Return a file in parts, each checked against its CRC32C.

    A damaged or missing rung is None and its CRC is not looked at further; without `keep_going`
    anything that is not as written raises CodecError that says where. Header and directory must be whole.
    """
    header, size = read_header(data, most_pixels)
    found = Container(header, [], [], {}, size)
    fault = _Fault(found.damage, keep_going)
    if len(data) != size:
        short = len(data) < size
        fault(
            f"the file is {'truncated' if short else 'too long'}: expected {size} bytes, received "
            f"{len(data)}" + ("; --keep-going shows what is there" if short else "")
        )
    at = SIZE
    while True:
        kind, body, end = _read_chunk(data, at)
        if kind == b"TILE":
            break
        at = end
        _keep(found, kind, body, fault)
    if body is None:
        raise CodecError(
            f"the directory of tiles is damaged or not whole, nothing can be shown; {AGAIN}"
        )
    check_area(*found.shown, most_pixels)
    at = _read_rungs(found, body, data, end, fault)
    while at < min(size, len(data)):
        try:
            kind, body, at = _read_chunk(data, at)
        except CodecError as error:
            fault(str(error))
            break
        _keep(found, kind, body, fault)
    if found.half and EXACT in found.chunks:
        fault("the file is damaged or forged: it has exact pixels and is coded at half size")
        del found.chunks[EXACT]
    return found


def rung_ends(
    data: bytes | bytearray, most_pixels: int = MOST_PIXELS, at: int = SIZE
) -> tuple[list[int], int]:
    """Return where each rung of a file ends, in bytes, [] while its start is not there; and the next `at`.

    at: where the first chunk begins that no earlier call looked at, so that a file of a million tiny chunks
    is read once. CodecError as soon as the header shows that it is no file of ours.
    """
    if len(data) < SIZE:
        return [], at
    header, _ = read_header(bytes(data[:SIZE]), most_pixels)
    while len(data) >= at + CHUNK.size:
        kind, length, _ = CHUNK.unpack_from(data, at)
        end = at + CHUNK.size + length
        if kind != b"TILE":
            at = end
            continue
        if len(data) < end or length != header.columns * header.rows * ENTRY.size:
            return [], at
        entries = ENTRY.iter_unpack(bytes(data[at + CHUNK.size : end]))
        sizes = zip(*(pairs[0::2] for _, _, *pairs in entries), strict=True)  # of each rung
        return list(accumulate(map(sum, sizes), initial=end))[1:], at
    return [], at


class _Fault:
    """Raises CodecError, or with `keep_going` adds the words to `damage`."""

    def __init__(self, damage: list[str], keep_going: bool):
        self._damage, self._keep_going = damage, keep_going

    def __call__(self, words: str) -> None:
        if not self._keep_going:
            raise CodecError(words)
        self._damage.append(words)


def _read_chunk(data: bytes, at: int) -> tuple[bytes, bytes | None, int]:
    """Return (type, data or None if damaged, where the next begins); CodecError where the file ends."""
    if at + CHUNK.size > len(data):
        raise CodecError(f"the file is truncated: a chunk is missing at byte {at}")
    kind, length, stored = CHUNK.unpack_from(data, at)
    if not kind.isalpha() or not kind.isascii():
        raise CodecError(f"the file is damaged: no chunk at byte {at}, found {kind!r}; {AGAIN}")
    end = at + CHUNK.size + length
    if end > len(data):
        raise CodecError(
            f"the file is truncated or damaged: chunk {kind.decode()} ends at byte {end}, the file "
            f"at {len(data)}"
        )
    body = data[at + CHUNK.size : end]
    return kind, body if crc32c(kind + body) == stored else None, end


def _keep(found: Container, kind: bytes, body: bytes | None, fault: _Fault) -> None:
    name = kind.decode()
    if body is None:
        fault(f"chunk {name} is damaged: another CRC32C; {AGAIN}")
    elif kind in found.chunks:
        fault(f"the file is damaged or forged: two chunks {name}")
    elif kind in (b"iccp", b"exif", b"alph", EXACT):
        found.chunks[kind] = body
    elif kind == HALF:
        if why := _misfit(found, body):
            fault(f"the file is damaged or forged: its chunk HALF {why}")
        else:
            found.chunks[kind] = body
    elif kind[:1].isupper():
        fault(
            f"the file needs chunk {name}, which this dimaging_edge does not know. "
            "Update it: pip install -U dimaging"
        )


def _misfit(found: Container, body: bytes) -> str:
    """Return what is wrong with a chunk HALF, in words; "" if nothing is."""
    if found.rungs:
        return "stands behind TILE"
    if len(body) != FULL.size:
        return f"has {len(body)} bytes, expected {FULL.size}"
    head, (width, height) = found.header, FULL.unpack(body)
    if (half_of(width), half_of(height)) != (head.width, head.height):
        return f"says {width} x {height} pixels, of which {head.width} x {head.height} are not half"
    return ""


def _read_rungs(found: Container, directory: bytes, data: bytes, at: int, fault: _Fault) -> int:
    """Fill in entries and rungs; return where the rungs end."""
    tiles = found.header.columns * found.header.rows
    if len(directory) != tiles * ENTRY.size:
        raise CodecError(
            f"the header is damaged or forged: its {tiles} tiles need a directory of "
            f"{tiles * ENTRY.size} bytes, received {len(directory)}"
        )
    for lanes, latents, *pairs in ENTRY.iter_unpack(directory):
        lengths, sums = tuple(pairs[0::2]), tuple(pairs[1::2])
        found.entries.append(Entry(lanes, latents, lengths, sums))
    total = sum(sum(entry.lengths) for entry in found.entries)
    if at + total > found.size:
        raise CodecError(
            f"the directory is damaged or forged: its rungs end at byte {at + total}, the file at "
            f"{found.size}"
        )
    for rung, name in enumerate(RUNGS):
        found.rungs.append([])
        for tile, entry in enumerate(found.entries):
            part = data[at : at + entry.lengths[rung]]
            at += entry.lengths[rung]
            why = ""
            if not 1 <= entry.lanes <= MOST_LANES:
                why = f"says {entry.lanes} lanes, expected 1 to {MOST_LANES}"
            elif len(part) < entry.lengths[rung]:
                why = "is missing: the file is truncated"
            elif crc32c(part) != entry.sums[rung]:
                why = f"is damaged: another CRC32C; {AGAIN}"
            if why:
                fault(f"tile {tile}, rung {name} {why}")
            found.rungs[rung].append(None if why else part)
    return at
