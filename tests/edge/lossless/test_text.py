"""The golden streams of texts: what one machine packed and wrote, every machine packs and writes."""

import json
import re
from pathlib import Path

import pytest
from dimaging_edge import open_bundle
from dimaging_edge.common.errors import CodecError, InputError
from dimaging_edge.generate import text
from dimaging_edge.lossless import text as packed
from dimaging_edge.lossless.header import BITS

GOLDEN = Path(__file__).parents[2] / "golden"
RECORD = json.loads((GOLDEN / "text-v1.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=[1, 2], ids=["one thread", "two threads"])
def bundle(request):
    return open_bundle(GOLDEN / "older" / "char_lm-integer", threads=request.param)


@pytest.mark.parametrize("lanes", RECORD["streams"])
def test_golden_streams(bundle, lanes):
    stream = bytes.fromhex(RECORD["streams"][lanes])
    assert packed.pack(bundle, RECORD["text"], lanes=int(lanes)) == stream
    assert packed.unpack(bundle, stream) == RECORD["text"]


def test_golden_writing(bundle):
    given = {name: RECORD[name] for name in ("prime", "seed", "temperature")}
    assert "".join(text.write(bundle, n=100, **given)) == RECORD["written"]
    tokens = text.encode(RECORD["prime"], text.read_vocabulary(bundle))
    by_host = text._by_steps(bundle, tokens, 100, RECORD["temperature"], RECORD["seed"], 10)
    vocabulary = text.read_vocabulary(bundle)
    assert "".join(vocabulary[k] for piece in by_host for k in piece) == RECORD["written"]


def test_a_text_of_another_alphabet_is_told_in_a_sentence():
    known, other = (tuple(map(chr, range(a, a + 5000))) for a in (0x4E00, 0x7000))
    with pytest.raises(InputError) as caught:
        text.encode("".join(other), known)
    assert re.search(
        r"never seen '.', .*, \.\.\.; it knows '.{200}' and 4,800 more", str(caught.value)
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"vocabulary": 1}, "a vocabulary of 1, expected 2 to 65535"),
        ({"characters": 0}, "0 characters, expected 1 to"),
        ({"lanes": 0}, "0 lanes, expected 1 to 9"),
        ({"lanes": 10}, "10 lanes, expected 1 to 9"),
        ({"characters": 1 << 28, "vocabulary": 60000}, "characters in 100 bytes"),
        ({"payload_bytes": 101}, "the stream is truncated: expected 149 bytes, received 148"),
        ({"payload_bytes": 99}, "the stream is too long: expected 147 bytes, received 148"),
    ],
)
def test_headers_that_no_encoder_writes(fields, words):
    known = {"vocabulary": 10, "characters": 9, "lanes": 2, "payload_bytes": 100} | fields
    head = packed.headers.write_header(
        packed._FIELDS, packed.MAGIC, packed.VERSION, known["vocabulary"], known["characters"],
        known["lanes"], bytes(16), 0, 0, known["payload_bytes"],
    )  # fmt: skip
    with pytest.raises(CodecError) as error:
        packed.read_header(head + bytes(100))
    assert words in str(error.value)
    assert BITS == 16
