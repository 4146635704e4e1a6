"""Lossless coding of a text with an integer-valued language model that predicts each character.

    stream = pack(bundle, "To be, or not to be")         bundle: precision "integer"
    unpack(bundle, stream) == "To be, or not to be"

A stream is a header and a payload; all numbers are unsigned and little-endian:

    byte  size  field
       0     4  magic "DTXT"
       4     2  version, 1
       6     2  size of the vocabulary, 2 to 65535
       8     4  characters, 1 to 2^28
      12     4  lanes, 1 to 1024 and no more than characters
      16    16  model id: the first 16 bytes of the bundle's model_id
      32     4  CRC32C of the tokens, int32 each
      36     4  CRC32C of the payload
      40     4  payload length in bytes
      44     4  CRC32C of bytes 0 to 43
      48        payload: one rANS stream (`rans`), 16-bit tables (`frequencies.normalise` of weights)

The text is cut into as many parts of equal length as there are lanes, the last one shorter; each begins from
the zero state behind a line break, so a decoder works on all of them at a time. A lane for 8,192 characters
costs about 1 %.
"""

import struct
from dataclasses import dataclass

import numpy as np

from dimaging_edge.bundle.open import Bundle
from dimaging_edge.common.errors import CodecError, InputError
from dimaging_edge.entropy import headers, rans
from dimaging_edge.entropy.crc32c import crc32c
from dimaging_edge.entropy.frequencies import cumulative, find, normalise, pick
from dimaging_edge.generate.text import encode, read_vocabulary
from dimaging_edge.lossless.header import BITS, MOST_LANES, MOST_SYMBOLS, short_id

MAGIC, VERSION = b"DTXT", 1
_FIELDS = struct.Struct("<4sHHII16sIII")
SIZE = _FIELDS.size + headers.CRC_SIZE
"""Bytes of the header, 48."""
_AT_ONCE = 1 << 21
"""The most weights that the encoder asks for at a time."""


@dataclass(frozen=True)
class Header:
    """What a stream says about itself."""

    vocabulary: int
    characters: int
    lanes: int
    model_id: str
    tokens_crc: int
    payload_crc: int
    payload_bytes: int

    @property
    def steps(self) -> int:
        """Characters of a lane; the last lane may have fewer, and lanes behind it none."""
        return -(-self.characters // self.lanes)


def pack(bundle: Bundle, text: str, *, lanes: int | None = None) -> bytes:
    """Return the stream of a text; InputError for an empty one, and for characters that the model has not."""
    vocabulary, start = _known(bundle)
    if not text:
        raise InputError("the text is empty; expected one character or more")
    tokens = np.array(encode(text, vocabulary), np.int32)
    if len(tokens) > MOST_SYMBOLS:
        raise InputError(f"{len(tokens)} characters; at most {MOST_SYMBOLS} fit: pack it in parts")
    lanes = min(max(1, len(tokens) >> 13), 128) if lanes is None else lanes
    if not 1 <= lanes <= min(len(tokens), MOST_LANES):
        most = min(len(tokens), MOST_LANES)
        raise InputError(f"lanes: expected 1 to {most}, received {lanes}")
    steps = -(-len(tokens) // lanes)
    rows = np.full(lanes * steps, start, np.int32)
    rows[: len(tokens)] = tokens
    starts, frequencies = _intervals(bundle, rows.reshape(lanes, steps), len(vocabulary), start)
    idle = np.arange(lanes * steps).reshape(lanes, steps).T >= len(tokens)
    starts[idle], frequencies[idle] = 0, 1 << BITS  # costs nothing
    encoder = rans.Encoder(lanes, BITS)
    encoder.put(starts, frequencies)
    payload = encoder.to_bytes()
    head = headers.write_header(
        _FIELDS, MAGIC, VERSION, len(vocabulary), len(tokens), lanes,
        bytes.fromhex(short_id(bundle.manifest.model_id)), crc32c(tokens), crc32c(payload), len(payload),
    )  # fmt: skip
    return head + payload


def unpack(bundle: Bundle, data: bytes) -> str:
    """Return the text of a stream: exactly the one that was packed.

    CodecError if the stream is damaged, cut, newer or of another model.
    """
    header, payload = read_header(data), data[SIZE:]
    vocabulary, start = _known(bundle)
    own = short_id(bundle.manifest.model_id)
    if header.model_id != own or header.vocabulary != len(vocabulary):
        raise CodecError(
            f"the stream was packed with model {header.model_id}, this is model {own}; unpack it with the "
            "bundle that packed it"
        )
    if (found := crc32c(payload)) != header.payload_crc:
        raise CodecError(
            f"the payload is damaged: expected CRC32C {header.payload_crc:08x}, received {found:08x}; "
            f"{headers.AGAIN}"
        )
    try:
        tokens = _decode(bundle, header, payload, start)
    except CodecError as error:
        raise CodecError(
            f"the file is whole, but this model decodes it to something else ({error}); it was packed on a "
            "machine that computes the model differently: unpack with the provider cpu"
        ) from None
    return "".join(vocabulary[token] for token in tokens)


def read_header(data: bytes) -> Header:
    """Return the header of a whole stream; CodecError if it is none, damaged, newer or cut."""
    size, characters, lanes, model, *rest = headers.read_header(
        data, _FIELDS, MAGIC, VERSION, "packed text"
    )
    header = Header(size, characters, lanes, model.hex(), *rest)
    most = min(MOST_LANES, characters)
    # No character owns more than 2^16 - (vocabulary - 1) slots: a short file cannot ask for much memory.
    floor = characters * (size - 1) >> (BITS + 3)
    headers.check_rules(
        [
            (2 <= size < 1 << 16, f"a vocabulary of {size}, expected 2 to 65535"),
            (
                1 <= characters <= MOST_SYMBOLS,
                f"{characters} characters, expected 1 to {MOST_SYMBOLS}",
            ),
            (1 <= lanes <= most, f"{lanes} lanes, expected 1 to {most}"),
            (
                header.payload_bytes >= max(floor, 4 * lanes),
                f"{characters} characters in {header.payload_bytes} bytes",
            ),
        ]
    )
    expected = SIZE + header.payload_bytes
    if len(data) != expected:
        word = "truncated" if len(data) < expected else "too long"
        raise CodecError(f"the stream is {word}: expected {expected} bytes, received {len(data)}")
    return header


def _known(bundle: Bundle) -> tuple[tuple[str, ...], int]:
    """Return the vocabulary and the token before a text; InputError where the bundle cannot pack one."""
    vocabulary = read_vocabulary(bundle)
    if all(t.name != "weights" for t in bundle.graph("step").outputs):
        raise InputError(
            f"{bundle.path.name} gives float logits, and no two devices agree on those to the last bit; "
            "export it again: --precision integer"
        )
    return vocabulary, vocabulary.index("\n") if "\n" in vocabulary else 0


def _states(bundle: Bundle, lanes: int) -> dict[str, np.ndarray]:
    inputs = [t for t in bundle.graph("step").inputs if t.name != "tokens"]
    return {t.name: np.zeros((lanes, *t.example[1:]), np.float32) for t in inputs}


def _intervals(
    bundle: Bundle, rows: np.ndarray, size: int, start: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first slot and the frequency of every token, uint32 [steps, lanes]."""
    lanes, steps = rows.shape
    before = np.concatenate([np.full((lanes, 1), start, np.int32), rows[:, :-1]], 1)
    states, found = _states(bundle, lanes), np.zeros((2, steps, lanes), np.uint32)
    some = max(1, _AT_ONCE // (lanes * size))
    for first in range(0, steps, some):
        part = slice(first, first + some)
        read = bundle.run("reader", tokens=np.ascontiguousarray(before[:, part]), **states)
        states = {name: read[f"{name}_out"] for name in states}
        frequency = normalise(read["weights"].astype(np.int64), BITS)
        for k, table in enumerate((cumulative(frequency), frequency)):
            found[k, part] = pick(table, rows[:, part]).T
    return found[0], found[1]


def _decode(bundle: Bundle, header: Header, payload: bytes, start: int) -> np.ndarray:
    lanes, steps = header.lanes, header.steps
    decoder, states = rans.Decoder(payload, lanes, BITS), _states(bundle, lanes)
    tokens = np.zeros((lanes, steps), np.int32)
    last = np.full(lanes, start, np.int32)
    for step in range(steps):
        active = np.arange(lanes) * steps + step < header.characters
        found = bundle.run("step", tokens=last[:, None], **states)
        states = {name: found[f"{name}_out"] for name in states}
        frequency = normalise(found["weights"][:, 0].astype(np.int64), BITS)
        first = cumulative(frequency)
        last = find(first, decoder.peek()).astype(np.int32)
        decoder.advance(pick(first, last), pick(frequency, last), active)
        last[~active] = start
        tokens[:, step] = last
    decoder.finish()
    whole = tokens.ravel()[: header.characters]
    if crc32c(whole) != header.tokens_crc:
        raise CodecError("the text has another CRC32C than the one packed")
    return whole
