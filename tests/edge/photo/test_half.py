"""Pictures coded at half their width and height: resampling, round trips, files that do not fit, targets."""

import struct
import tracemalloc

import numpy as np
import pytest
from dimaging_edge.common.errors import CodecError, InputError
from dimaging_edge.entropy.crc32c import crc32c
from dimaging_edge.photo import search
from dimaging_edge.photo.codec import Photo, compress, decompress
from dimaging_edge.photo.half import enlarged, half_of, reduced
from dimaging_edge.photo.progressive import previews
from dimaging_edge.photo.reading import read_container
from dimaging_edge.photo.region import with_region
from dimaging_edge.photo.search import to_target
from helpers.codec_dct import Dct, picture, psnr

RGB, GREY, DEEP = Dct(), Dct(channels=1), Dct(channels=1, bit_depth=16)
KINDS = [("u1", 3), ("u1", 1), ("u2", 1), ("u2", 3)]
SIZES = [(2, 2), (2, 90), (33, 7), (64, 64), (65, 129), (37, 40)]


def oracle(small: np.ndarray, height: int, width: int) -> np.ndarray:
    """Catmull-Rom in float64, from its formula: pixel x of the large picture lies at x / 2 - 1 / 4."""

    def matrix(size: int, of: int) -> np.ndarray:
        found = np.zeros((size, of))
        for x in range(size):
            at = x / 2 - 1 / 4
            first = int(np.floor(at))
            for tap in range(first - 1, first + 3):
                d = abs(at - tap)
                near, far = 1.5 * d**3 - 2.5 * d**2 + 1, -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
                found[x, min(max(tap, 0), of - 1)] += near if d <= 1 else far
        return found

    rows, columns = matrix(height, small.shape[0]), matrix(width, small.shape[1])
    exact = np.einsum("yh,xw,hwc->yxc", rows, columns, small.astype(float))
    return np.floor(exact + 0.5).clip(0, np.iinfo(small.dtype).max)


@pytest.mark.parametrize(("kind", "channels"), KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_enlarging_is_catmull_rom(size: tuple[int, int], kind: str, channels: int) -> None:
    """The weights are whole in 1/128, so float64 gives the same to the last bit; extremes are cut."""
    top = np.iinfo(kind).max
    shape = (half_of(size[0]), half_of(size[1]), channels)
    small = np.random.default_rng(1).choice(np.array([0, 1, top // 3, top], kind), shape)
    found = enlarged(small, *size)
    assert found.dtype == small.dtype
    np.testing.assert_array_equal(found, oracle(small, *size))


@pytest.mark.parametrize(("kind", "channels"), KINDS)
@pytest.mark.parametrize("value", [0, 7, 255, 65535])
def test_a_plain_picture_stays_as_it_is(kind: str, channels: int, value: int) -> None:
    plain = np.full((35, 50, channels), min(value, np.iinfo(kind).max), kind)
    small = reduced(plain)
    assert small.shape == (18, 25, channels)
    assert (small == plain[0, 0]).all()
    np.testing.assert_array_equal(enlarged(small, 35, 50), plain)


def test_a_ramp_stays_a_ramp_inside() -> None:
    ramp = (100 * np.arange(80)[:, None] + 300 * np.arange(60)).astype(np.uint16)[..., None]
    small = reduced(ramp)
    inside = small[2:-2, 2:-2, 0]
    np.testing.assert_array_equal(inside, ramp[4:-4:2, 4:-4:2, 0] + 200)  # the middle of four
    np.testing.assert_array_equal(enlarged(small, 80, 60)[8:-8, 8:-8], ramp[8:-8, 8:-8])


def test_bands_make_no_seams_and_take_little_memory() -> None:
    image = picture(300, 200).image
    small = reduced(image)
    np.testing.assert_array_equal(small[20:130], reduced(image[24:276])[8:118])
    tall = np.zeros((4000, 500, 3), np.uint8)
    tracemalloc.start()
    enlarged(reduced(tall), 4000, 500)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.5 * tall.nbytes


MODELS = [(RGB, 3, 8), (RGB, 1, 8), (GREY, 1, 8), (DEEP, 1, 16)]


@pytest.mark.parametrize(("model", "channels", "depth"), MODELS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tile", [32, 768])
def test_there_and_back(
    model: Dct, channels: int, depth: int, size: tuple[int, int], tile: int
) -> None:
    photo = picture(*size, channels, depth)
    photo.alpha, photo.icc = picture(*size, 1).image[..., 0], b"profile"
    data = compress(model, photo, 60, tile=tile, half=True)
    found, damage = decompress(model, data)
    container = read_container(data)
    assert (container.header.height, container.header.width) == tuple(map(half_of, size))
    assert container.shown == size[::-1]
    assert (found.image.shape, found.image.dtype) == (photo.image.shape, photo.image.dtype)
    small = decompress(model, compress(model, Photo(reduced(photo.image)), 60, tile=tile))[0].image
    np.testing.assert_array_equal(found.image, enlarged(small, *size))
    np.testing.assert_array_equal(found.alpha, photo.alpha)
    assert (found.icc, damage) == (b"profile", [])


def test_every_quality_is_larger_and_no_worse() -> None:
    photo, sizes, levels = picture(96, 128), [], []
    for quality in (0, 12, 24, 40):
        data = compress(RGB, photo, quality, half=True)
        sizes.append(len(data))
        levels.append(psnr(decompress(RGB, data)[0].image, photo.image))
    assert sizes == sorted(sizes)
    assert levels == sorted(levels)
    assert sizes[0] < 0.6 * len(compress(RGB, photo, 0))


PHOTO = picture(99, 130, seed=2)
DATA = compress(RGB, PHOTO, 40, tile=32, half=True)
AT, DIRECTORY = 44, 44 + 20


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack("<4sII", kind, len(data), crc32c(kind + data)) + data


def sized(data: bytes) -> bytes:
    fields = data[:36] + struct.pack("<I", len(data))
    return fields + struct.pack("<I", crc32c(fields)) + data[44:]


def stated(width: int, height: int) -> bytes:
    """Return DATA with another size in its chunk."""
    return sized(DATA[:AT] + chunk(b"HALF", struct.pack("<II", width, height)) + DATA[DIRECTORY:])


BEFORE, AFTER, OWN = DATA[:AT], DATA[DIRECTORY:], DATA[AT:DIRECTORY]
FORGED = [
    (stated(131, 99), "its chunk HALF says 131 x 99 pixels, of which 65 x 50 are not half"),
    (stated(130, 98), "says 130 x 98 pixels, of which 65 x 50 are not half"),
    (stated(65, 50), "says 65 x 50 pixels"),
    (stated(0, 0), "says 0 x 0 pixels"),
    (stated((1 << 32) - 1, 99), "says 4294967295 x 99 pixels"),
    (sized(BEFORE + chunk(b"HALF", bytes(9)) + AFTER), "HALF has 9 bytes, expected 8"),
    (sized(BEFORE + OWN + OWN + AFTER), "two chunks HALF"),
    (sized(BEFORE + OWN[:-1] + b"\7" + AFTER), "chunk HALF is damaged: another CRC32C"),
    (sized(BEFORE + AFTER + OWN), "its chunk HALF stands behind TILE"),
    (sized(DATA + chunk(b"PIXL", bytes(9))), "it has exact pixels and is coded at half size"),
]


@pytest.mark.parametrize(("data", "says"), FORGED)
def test_forged(data: bytes, says: str) -> None:
    """--keep-going shows the picture, of the small size where the other is not known."""
    with pytest.raises(CodecError, match=says):
        decompress(RGB, data)
    found, damage = decompress(RGB, data, keep_going=True)
    assert [says in words for words in damage] == [True]
    whole = "two chunks" in says or "exact" in says
    assert found.image.shape == ((99, 130, 3) if whole else (50, 65, 3))


def test_a_file_without_its_chunk_is_the_small_picture() -> None:
    """So the header alone says everything about what is coded; alpha of another size is damage."""
    small = decompress(RGB, sized(BEFORE + AFTER))[0].image
    np.testing.assert_array_equal(enlarged(small, 99, 130), decompress(RGB, DATA)[0].image)
    clear = Photo(PHOTO.image, PHOTO.image[..., 0])
    data = compress(RGB, clear, 40, half=True)
    found, damage = decompress(RGB, sized(data[:AT] + data[DIRECTORY:]), keep_going=True)
    assert found.alpha is None
    assert ["alpha plane is damaged: expected" in words for words in damage] == [True]


@pytest.mark.parametrize("keep_going", [False, True])
def test_the_limit_holds_for_the_picture_itself(keep_going: bool) -> None:
    assert decompress(RGB, DATA, most_pixels=99 * 130)[0].image.shape == (99, 130, 3)
    with pytest.raises(CodecError, match=r"130 x 99 pixels, this reader stops at 12869; .*12870"):
        decompress(RGB, DATA, most_pixels=99 * 130 - 1, keep_going=keep_going)


def test_cut_files_and_previews_are_of_the_whole_size() -> None:
    tiles = 6
    container = read_container(DATA)
    start = DIRECTORY + 12 + 30 * tiles
    ends = start + np.cumsum([sum(e.lengths[r] for e in container.entries) for r in range(3)])
    pieces = np.split(np.frombuffer(DATA, np.uint8), [10, 50, 70, *ends[:2].tolist()])
    seen = list(previews(RGB, (piece.tobytes() for piece in pieces)))
    assert [rungs for rungs, _, _ in seen] == [1, 2, 3]
    levels = [psnr(photo.image, PHOTO.image) for _, photo, _ in seen]
    assert levels == sorted(levels)
    for rungs, photo, _ in seen:
        np.testing.assert_array_equal(photo.image, decompress(RGB, DATA, rungs=rungs)[0].image)
    with pytest.raises(CodecError, match="the file is truncated"):
        decompress(RGB, DATA[:-1])
    cut, damage = decompress(RGB, DATA[: ends[1]], keep_going=True)
    np.testing.assert_array_equal(cut.image, seen[1][1].image)
    assert damage


def test_a_region_takes_the_bytes() -> None:
    mask = np.zeros((99, 130), np.uint8)
    mask[16:80, 32:112] = 255  # whole blocks of the codec
    mixed = with_region(RGB, PHOTO, mask, 0, half=True)
    data = compress(RGB, mixed, 40, tile=32, half=True)
    assert len(data) < 0.8 * len(DATA)
    shown, whole = (decompress(RGB, x)[0].image for x in (data, DATA))
    assert psnr(shown[32:64, 48:96], whole[32:64, 48:96]) > 3 + psnr(shown, whole)


WRONG = [
    (lambda: compress(RGB, picture(1, 90), 3, half=True), "at least 2 x 2 pixels, received 90 x 1"),
    (lambda: compress(RGB, PHOTO, 3, half=True, max_error=0), "leave half or max_error out"),
    (lambda: to_target(RGB, PHOTO, bpp=0.01), "0.01 bits a pixel cannot be met: .* at least 0.154"),
    (lambda: to_target(RGB, picture(1, 90), bpp=0.01), "cannot be met: .* at least"),
]


@pytest.mark.parametrize(("call", "says"), WRONG)
def test_wrong_arguments(call, says: str) -> None:
    with pytest.raises(InputError, match=says):
        call()


def test_targets_take_the_better_of_both() -> None:
    """Within a rate the higher PSNR, for a PSNR the fewer bytes; and what the whole size cannot reach."""
    photo = picture(50, 64, seed=2)

    def level(data: bytes) -> float:
        return psnr(decompress(RGB, data)[0].image, photo.image)

    tried = {
        (half, quality): (len(data), level(data))
        for half in (False, True)
        for quality in range(32)
        for data in [compress(RGB, photo, quality, half=half)]
    }
    least, seen = tried[False, 0][0], set()
    for most in (0.8 * least, 1.1 * least, 1.6 * least):
        data, quality, half = to_target(RGB, photo, bpp=8 * most / (50 * 64))
        assert (len(data), level(data)) == tried[half, quality]
        within = [db for size, db in tried.values() if size <= most]
        assert len(data) <= most
        assert (
            level(data) > max(within) - 0.02
        )  # this codec's PSNR does not rise with every quality
        seen.add(half)
    assert seen == {False, True}
    for wanted in (19, 21, 23):
        data, quality, half = to_target(RGB, photo, decibel=wanted)
        assert (len(data), level(data)) == tried[half, quality]
        assert level(data) >= wanted
        assert len(data) == min(size for size, db in tried.values() if db >= wanted)


def test_targets_of_a_region_are_of_what_is_inside() -> None:
    """Half size has a background of its own; the region is judged beside the picture as it was given."""
    photo, mask = picture(64, 96, seed=3), np.zeros((64, 96), np.uint8)
    mask[16:48, 32:64] = 255
    inside = np.s_[16:48, 32:64]

    def level(data: bytes) -> float:
        return psnr(decompress(RGB, data)[0].image[inside], photo.image[inside])

    tried = {}
    for half in (False, True):
        mixed = with_region(RGB, photo, mask, 0, half=half)
        for quality in range(32):
            tried[half, quality] = compress(RGB, mixed, quality, half=half)
    seen = set()
    for most in (0.9, 1.1, 2):
        size = most * len(tried[False, 0])
        rate = 8 * size / mask.size
        data, quality, half = to_target(RGB, photo, bpp=rate, region=(mask, 0))
        assert data == tried[half, quality]
        within = [level(one) for one in tried.values() if len(one) <= size]
        assert level(data) > max(within) - 0.1
        seen.add(half)
    assert seen == {False, True}
    wanted = level(tried[False, 20])
    data, *_ = to_target(RGB, photo, decibel=wanted, region=(mask, 0))
    assert level(data) >= wanted
    assert len(data) <= len(tried[False, 20])


@pytest.mark.parametrize("depth", [1, 2])
def test_psnr_of_a_mask_counts_pixels_as_it_is_white(depth: int) -> None:
    a, b = (picture(20, 30, seed=seed).image for seed in (1, 2))
    white = 256**depth - 1
    mask = np.zeros((20, 30), f"u{depth}")
    mask[5:9, 10:20] = white
    assert search.psnr(a, b, mask) == pytest.approx(psnr(a[5:9, 10:20], b[5:9, 10:20]))
    assert search.psnr(a, b, np.full_like(mask, 7)) == pytest.approx(psnr(a, b))
    mask[12:16, 10:20] = white // 3
    errors = [
        np.square(x.astype(float) - y)
        for x, y in ((a[5:9, 10:20], b[5:9, 10:20]), (a[12:16, 10:20], b[12:16, 10:20]))
    ]
    mean = (errors[0].mean() + errors[1].mean() / 3) / (1 + 1 / 3)
    assert search.psnr(a, b, mask) == pytest.approx(10 * np.log10(255**2 / mean))
