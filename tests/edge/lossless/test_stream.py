"""Lossless images: exact round trips at the promised size; whatever is wrong with a stream is told."""

import json
import struct
import time
import tracemalloc
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from dimaging_edge.bundle.open import open_bundle
from dimaging_edge.commands.main import main
from dimaging_edge.common.errors import CodecError, InputError
from dimaging_edge.entropy.crc32c import crc32c
from dimaging_edge.lossless import info, pack, unpack
from dimaging_edge.lossless.bundle_predictor import BundlePredictor
from dimaging_edge.photo.bundle_model import SHIPPED
from helpers.damage import a_byte, damaged
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

GOLDEN = Path(__file__).parents[2] / "golden" / "pixels-v1.json"
MODEL = "0123456789abcdef" * 4


@dataclass(frozen=True)
class Neighbours:
    """Near the mean of the pixels to the left and above: 1 + 4000 // (1 + (2 s - a - b)^2)."""

    levels: int
    shape: tuple[int, int, int]

    def weights(self, left: np.ndarray, above: np.ndarray) -> np.ndarray:
        s = np.arange(self.levels)
        return 1 + 4000 // (1 + (2 * s - left[..., None] - above[..., None]) ** 2)

    def parallel(self, symbols: np.ndarray) -> np.ndarray:
        padded = np.pad(symbols.astype(np.int64), ((0, 0), (1, 0), (1, 0)))
        return self.weights(padded[:, 1:, :-1], padded[:, :-1, 1:])

    def sequential(self, batch: int) -> Generator[np.ndarray, np.ndarray, None]:
        height, width, _ = self.shape
        padded = np.zeros((batch, height + 1, width + 1), np.int64)
        for y in range(1, height + 1):
            for x in range(1, width + 1):
                padded[:, y, x] = yield self.weights(padded[:, y, x - 1], padded[:, y - 1, x])


class Uniform(Neighbours):
    """Every symbol is as likely as the others."""

    def weights(self, left: np.ndarray, above: np.ndarray) -> np.ndarray:
        return np.ones((*left.shape, self.levels), np.int64)


class Other(Neighbours):
    """Sequential weights that differ now and then: a machine that computes the model otherwise."""

    def sequential(self, batch: int) -> Generator[np.ndarray, np.ndarray, None]:
        steps = super().sequential(batch)
        weights, pixel = next(steps), 0
        while True:
            symbols = yield weights + (pixel == 7)
            weights, pixel = steps.send(symbols), pixel + 1


def smooth(model: Neighbours, images: int, seed: int = 0) -> np.ndarray:
    """Random walks along the rows."""
    steps = np.random.default_rng(seed).integers(-1, 2, (images, *model.shape[:2]))
    return (np.cumsum(steps, axis=2) % model.levels).astype(np.uint8)


def reseal(data: bytes) -> bytes:
    """Make a stream's length and check sums right, so that damage reaches what is behind them."""
    payload = data[56:]
    fields = data[:44] + struct.pack("<II", crc32c(payload), len(payload))
    return fields + struct.pack("<I", crc32c(fields)) + payload


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from([Uniform, Neighbours]),
    st.integers(2, 9) | st.just(256),
    st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(1)),
    st.integers(1, 11),
    st.integers(1, 11),
    st.integers(0, 99),
)
def test_round_trip(kind, levels: int, shape, images: int, lanes: int, seed: int) -> None:
    model, lanes = kind(levels, shape), min(lanes, images)
    symbols = np.random.default_rng(seed).integers(0, levels, (images, *shape[:2])).astype(np.uint8)
    data = pack(model, symbols, MODEL, lanes=lanes)
    found = unpack(model, data, MODEL)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, symbols)
    assert info(data)["bytes"] == len(data) == 56 + info(data)["payload_bytes"]


@pytest.mark.parametrize(("levels", "images"), [(2, 400), (7, 400), (256, 100)])
def test_size(levels: int, images: int) -> None:
    """Header, 4 bytes a lane, and the code length that the weights promise, to 0.1 %."""
    model = Neighbours(levels, (20, 20, 1))
    symbols = smooth(model, images)
    weights = model.parallel(symbols)
    own = np.take_along_axis(weights, symbols[..., None].astype(int), -1)[..., 0]
    ideal = np.log2(weights.sum(-1) / own).sum() / 8
    data = pack(model, symbols, MODEL)
    said = info(data)
    assert said["lanes"] == images * 400 >> 15
    assert len(data) - 56 - 4 * said["lanes"] <= 1.001 * ideal + 1
    assert said["bits_per_pixel"] == pytest.approx(8 * len(data) / symbols.size)


def test_golden() -> None:
    """Frozen: a stream written once is read for ever, here and in other languages."""
    golden = json.loads(GOLDEN.read_text())
    symbols = np.array(golden["symbols"], np.uint8)
    model, data = (
        Neighbours(golden["levels"], (*symbols.shape[1:], 1)),
        bytes.fromhex(golden["stream"]),
    )
    np.testing.assert_array_equal(unpack(model, data, golden["model_id"]), symbols)
    assert pack(model, symbols, golden["model_id"], lanes=golden["lanes"]) == data
    said = info(data)
    assert list(said.values())[:6] == [1, 4, 3, 5, 5, 2]
    assert said["model_id"] == golden["model_id"][:32]
    assert (said["symbols_crc"], said["payload_crc"]) == (crc32c(symbols), crc32c(data[56:]))


def by_the_page(data: bytes, weight) -> np.ndarray:
    """docs/lossless.md word for word, in Python's integers: a second decoder."""
    levels, height, width, images, lanes = struct.unpack("<xxxxxxHIIII", data[:24])
    state = [int.from_bytes(data[56 + 4 * k : 60 + 4 * k], "little") for k in range(lanes)]
    source = iter(data[56 + 4 * lanes :])
    found = np.zeros((images, height, width), np.uint8)
    for first in range(0, images, lanes):
        busy = range(min(lanes, images - first))
        for y in range(height):
            for x in range(width):
                for k in busy:
                    image = found[first + k].tolist()
                    w = [
                        weight(s, image[y][x - 1] * (x > 0), image[y - 1][x] * (y > 0))
                        for s in range(levels)
                    ]
                    f = [1 + one * (65536 - levels) // sum(w) for one in w]
                    f[w.index(max(w))] += 65536 - sum(f)
                    slot = state[k] % 65536
                    s = next(s for s in range(levels) if slot < sum(f[: s + 1]))
                    state[k] = f[s] * (state[k] // 65536) + slot - sum(f[:s])
                    found[first + k, y, x] = s
                for _ in range(2):
                    for k in busy:
                        state[k] = (
                            state[k] if state[k] >= 1 << 23 else state[k] * 256 + next(source)
                        )
    assert state == [1 << 23] * lanes
    assert not list(source)
    return found


def test_page_is_the_format() -> None:
    golden = json.loads(GOLDEN.read_text())
    data = bytes.fromhex(golden["stream"])
    found = by_the_page(data, lambda s, a, b: 1 + 4000 // (1 + (2 * s - a - b) ** 2))
    assert found.tolist() == golden["symbols"]


def test_progress() -> None:
    model, heard = Uniform(3, (2, 2, 1)), []
    data = pack(model, smooth(model, 7), MODEL, lanes=3, progress=lambda *now: heard.append(now))
    assert heard == [(1, 7), (4, 7), (7, 7)]  # the encoder begins with the last
    unpack(model, data, MODEL, progress=lambda *now: heard.append(now))
    assert heard[3:] == [(3, 7), (6, 7), (7, 7)]


TOY = Neighbours(5, (4, 5, 1))
IMAGES = smooth(TOY, 6)
STREAM = pack(TOY, IMAGES, MODEL, lanes=2)


def put(at: int, data: bytes) -> bytes:
    return reseal(STREAM[:at] + data + STREAM[at + len(data) :])


DAMAGE = [
    (b"", "expected it to begin with b'DPIX', received b''"),
    (b"\x89PNG" + STREAM[4:], r"this is no stream of packed images: .*received b'\\x89PNG'"),
    (
        STREAM[:40],
        "the stream of packed images is truncated: expected a header of 56 bytes, received 40",
    ),
    (STREAM[:-1], f"the stream is truncated: expected {len(STREAM)} bytes, received"),
    (STREAM + b"0", f"the stream is too long: expected {len(STREAM)} bytes, received"),
    (put(4, b"\2"), "has version 2; this dimaging_edge reads up to 1. Update it: pip install -U"),
    (put(4, b"\0"), "it says version 0, expected 1"),
    (STREAM[:8] + b"\x09" + STREAM[9:], "the header is damaged: expected CRC32C"),
    (
        STREAM[:60] + bytes([STREAM[60] ^ 4]) + STREAM[61:],
        "the payload is damaged: expected CRC32C",
    ),
    (put(6, struct.pack("<H", 257)), "it says 257 levels, expected 2 to 256"),
    (put(16, bytes(4)), "it says no pixels"),
    (put(8, b"\xff" * 12), "pixels, at most 268435456 fit"),
    (put(16, struct.pack("<I", 1 << 22)), r"pixels in \d+ bytes, expected 640 or more"),
    (put(20, bytes(4)), "it says 0 lanes, expected 1 to 6"),
    (put(20, b"\7"), "it says 7 lanes, expected 1 to 6"),
    (reseal(STREAM[:60]), "it says 4 bytes of payload, expected 8 or more"),
    (put(24, b"\xaa"), "packed with model aa23.*, this is model 0123456789abcdef0123456789abcdef;"),
    (put(8, b"\5"), "the stream holds images of 5 x 5 with 5 levels, the model knows 4 x 5 with 5"),
    (put(6, b"\4"), "with 4 levels, the model knows 4 x 5 with 5"),
    (put(16, b"\5"), r"decodes it to something else \(rANS: .* bytes are left at its end\)"),
    (put(40, b"\5"), r"\(the images have another CRC32C than those packed\); .* provider cpu"),
    (
        reseal(STREAM[:-4]),
        r"the file is whole, but .*\(rANS: .* are used up, and more are needed\)",
    ),
]


@pytest.mark.parametrize(("data", "says"), DAMAGE)
def test_damaged_stream(data: bytes, says: str) -> None:
    with pytest.raises(CodecError, match=says):
        unpack(TOY, data, MODEL)


def test_machine_that_computes_the_model_otherwise() -> None:
    with pytest.raises(CodecError, match="packed on a machine that computes the model differently"):
        unpack(Other(TOY.levels, TOY.shape), STREAM, MODEL)


WRONG = [
    (lambda: pack(TOY, IMAGES + np.uint8(5), MODEL), "symbols: expected 0 to 4, .* received 9"),
    (lambda: pack(TOY, IMAGES[:, :3], MODEL), r"expected uint8 \(images, 4, 5\), .*\(6, 3, 5\)"),
    (lambda: pack(TOY, IMAGES.astype(int), MODEL), "expected uint8 .*received int64"),
    (lambda: pack(TOY, IMAGES[:0], MODEL), "expected 1 to 268435456 pixels .*received 0"),
    (lambda: pack(TOY, IMAGES, MODEL, lanes=7), "lanes: expected 1 to 6, received 7"),
    (
        lambda: pack(TOY, IMAGES, "vae"),
        "model_id: expected 32 or more hexadecimal .*received 'vae'",
    ),
    (lambda: unpack(TOY, STREAM, MODEL[:31]), "model_id: expected 32 or more hexadecimal"),
]


@pytest.mark.parametrize(("call", "says"), WRONG)
def test_wrong_arguments(call, says: str) -> None:
    with pytest.raises(InputError, match=says):
        call()


def test_predictor_that_breaks_its_promise() -> None:
    class Broken(Neighbours):
        def parallel(self, symbols: np.ndarray) -> np.ndarray:
            return super().parallel(symbols)[..., :-1]

    with pytest.raises(
        InputError, match=r"expected weights \(2, 4, 5, 5\), received \(2, 4, 5, 4\)"
    ):
        pack(Broken(TOY.levels, TOY.shape), IMAGES, MODEL, lanes=2)


def mutate(rng: np.random.Generator, data: bytes) -> bytes:
    """One of five kinds of damage; half of the results have right check sums again."""
    wrong = damaged(rng, data, a_byte(rng, 6, 24))  # the sizes
    return reseal(bytes(wrong)) if rng.random() < 0.5 and len(wrong) >= 56 else bytes(wrong)


def slowest_refusal(count: int, seed: int) -> float:
    """Unpack `count` damaged streams: each is refused with words, or is still the same; seconds."""
    rng, model = np.random.default_rng(seed), Neighbours(3, (2, 3, 1))
    symbols = smooth(model, 4)
    data = pack(model, symbols, MODEL, lanes=2)
    refused, slowest = 0, 0.0
    for _ in range(count):
        started = time.perf_counter()
        try:
            found = unpack(model, mutate(rng, data), MODEL)
        except CodecError:
            refused += 1
        else:
            np.testing.assert_array_equal(found, symbols)
        slowest = max(slowest, time.perf_counter() - started)
    assert refused > 0.9 * count
    return slowest


def test_10_000_mutations() -> None:
    assert slowest_refusal(10_000, 0) < 5


def test_mutations_take_little_memory() -> None:
    slowest_refusal(1, 1)  # what is loaded and kept on the first call
    tracemalloc.start()
    slowest_refusal(500, 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 32 << 20


def test_a_bundle_for_phones_packs_images_and_completes_them(tmp_path: Path) -> None:
    """Its density takes bytes, and one image a call; two lanes are two of its steppers."""
    bundle = open_bundle(SHIPPED / "pixelcnn_digits", "cpu", 1)
    predictor, model_id = BundlePredictor(bundle), bundle.manifest.model_id
    y, x = np.mgrid[:28, :28]
    symbols = np.stack([(x + y) % 9 < 4, abs(x - y) < 4]).astype(np.uint8)
    data = pack(predictor, symbols, model_id, lanes=2)
    np.testing.assert_array_equal(unpack(predictor, data, model_id), symbols)
    Image.fromarray(255 * symbols[1]).save(tmp_path / "digit.png")
    names = [str(tmp_path / name) for name in ("digit.png", "digit.dpix", "back.npy", "whole.png")]
    folder = str(bundle.path)
    assert main(["pack", folder, names[0], "--out", names[1]]) == 0
    assert main(["unpack", folder, names[1], "--out", names[2]]) == 0
    np.testing.assert_array_equal(np.load(names[2]), symbols[1:])
    assert (
        main(["complete", folder, names[0], "--keep", "upper", "--n", "1", "--out", names[3]]) == 0
    )
    whole = np.asarray(Image.open(names[3]).convert("L"))
    assert whole.max() == 255
