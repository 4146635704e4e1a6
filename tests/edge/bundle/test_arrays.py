"""Arrays of strangers: whatever a .npz holds, the answer is arrays or BundleError, and no bomb goes off."""

import io
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
import pytest
from dimaging_edge.bundle.arrays import MOST_ARRAY, read_npz
from dimaging_edge.common.errors import BundleError
from hypothesis import given, settings
from hypothesis import strategies as st


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    members: Any = arrays
    np.savez_compressed(buffer, **members)
    return buffer.getvalue()


def archive(*members: tuple[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as file:
        for name, data in members:
            file.writestr(name, data)
    return buffer.getvalue()


def npy(header: str, body: bytes = b"", version: bytes = b"\1\0") -> bytes:
    text = header.encode()
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + body


HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s,), }"
ARRAYS = {
    "graph/x": np.arange(6, dtype=np.float32).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6, dtype=np.int64).reshape(2, 3)),
    "scalar": np.array(True),
    "empty": np.zeros((0, 4), np.uint16),
    "half": np.ones(5, np.float16),
}


def test_every_kind_comes_back() -> None:
    found = read_npz(npz(**ARRAYS), "x.npz")
    assert set(found) == set(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array, strict=True)
        assert found[name].flags.writeable
    assert set(read_npz(npz(**ARRAYS), "x.npz", {"half", "none"})) == {"half"}


def _bomb() -> bytes:
    """268 million zeros in a quarter of a megabyte, written without ever holding them."""
    count = MOST_ARRAY // 4 + 4
    size = 4 * count
    head = npy(HEADER % count)
    packer, crc = zlib.compressobj(9, zlib.DEFLATED, -15), zlib.crc32(head)
    parts, left, zeros = [packer.compress(head)], size, bytes(1 << 20)
    while left:
        part = zeros[:left]
        parts.append(packer.compress(part))
        crc, left = zlib.crc32(part, crc), left - len(part)
    body = b"".join([*parts, packer.flush()])
    sizes = struct.pack("<III", crc, len(body), size + len(head))
    local = (
        b"PK\3\4"
        + struct.pack("<HHHHH", 20, 0, 8, 0, 0)
        + sizes
        + struct.pack("<HH", 5, 0)
        + b"x.npy"
    )
    central = (
        b"PK\1\2" + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 0) + sizes
        + struct.pack("<HHHHHII", 5, 0, 0, 0, 0, 0, 0) + b"x.npy"
    )  # fmt: skip
    end = struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local) + len(body), 0)
    return local + body + central + b"PK\5\6" + end


WRONG = [
    (b"", "not a zip file"),
    (b"hello", "not a zip file"),
    (npz(x=np.zeros(2))[:-9], "zip"),
    (archive(("x.npy", b"")), "EOF: reading magic string"),
    (archive(("x.npy", b"hello, numpy")), "magic"),
    (archive(("x.npy", npy("{}"))), "does not contain the correct keys"),
    (archive(("x.npy", npy("__import__('os').abort()"))), "malformed node"),
    (archive(("x.npy", npy(HEADER % 2, bytes(8), b"\3\0"))), r"version \(3, 0\)"),
    (archive(("x.npy", npy(HEADER % 2, bytes(4)))), "states the shape"),
    (archive(("x.npy", npy(HEADER % 2, bytes(9)))), "states the shape"),
    (archive(("x.npy", npy(HEADER % (1 << 60)))), "has 4611686018427387904 bytes, at most"),
    (archive(("x.npy", npy(HEADER % -1, b""))), "states the shape"),
    (archive(("x.npy", npy((HEADER % 2).replace("<f4", ">f4"), bytes(8)))), "holds >f4, expected one of"),
    (archive(("x.npy", npy((HEADER % 2).replace("<f4", "|O"), bytes(16)))), "holds object, expected one of"),
    (archive(("x.npy", npy((HEADER % 2).replace("<f4", "<U9"), bytes(72)))), "expected one of"),
    (archive(("x.npy", npy(HEADER % 2, bytes(8))), ("x", b"")), "two arrays of one name"),
    (archive(("x.npy", npy(HEADER % 2, bytes(8))), how=zipfile.ZIP_LZMA), "in a way that numpy does not use"),
    (archive(*((f"{n}.npy", b"") for n in range(10_001))), "holds 10001 arrays"),
    (_bomb(), "has .* bytes, at most 268435456 are read"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "says"), WRONG)
def test_what_is_wrong_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(BundleError, match=rf"^x\.npz cannot be read: .*{says}"):
        read_npz(data, "x.npz")


def test_many_arrays_are_limited_together() -> None:
    data = npz(**{str(k): np.zeros(100, np.uint8) for k in range(20)})
    assert len(read_npz(data, "x.npz", most=2000)) == 20
    with pytest.raises(BundleError, match="its arrays have 4560 bytes, at most 4000 are read"):
        read_npz(data, "x.npz", most=1000)
    assert len(read_npz(data, "x.npz", {"1", "2"}, most=1000)) == 2


def test_a_pickle_is_not_loaded() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, x=np.array([print], dtype=object))
    with pytest.raises(BundleError, match="holds object"):
        read_npz(buffer.getvalue(), "x.npz")


GOOD = npz(**ARRAYS)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(GOOD)), st.binary(max_size=3)), min_size=1, max_size=5)
)
def test_damage_ends_in_arrays_or_in_bundle_error(edits: list[tuple[int, bytes]]) -> None:
    data = bytearray(GOOD)
    for at, new in edits:
        data[at : at + len(new)] = new
    try:
        found = read_npz(bytes(data), "x.npz")
    except BundleError:
        return
    assert all(isinstance(array, np.ndarray) for array in found.values())
