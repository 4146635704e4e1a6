"""Arrays and pictures in files: nothing too large is decoded, nothing is written over."""

import io
import struct
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from dimaging_edge.bundle.schema import Graph, Tensor
from dimaging_edge.commands.array_files import read_array, read_square, write_outputs
from dimaging_edge.common.errors import InputError
from dimaging_edge.photo.picture import read_picture
from PIL import Image

IMAGE = Tensor("image", "float32", ("batch", "h", "w", 1), (0, 1), "NHWC", (1, 8, 8, 1))


def png(width: int, height: int) -> bytes:
    """A picture of 1-bit zeros, whose rows are never made."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [8, 20])
def test_a_colour_that_a_square_loses_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], size: int
) -> None:
    Image.new("RGB", (size, size), "orange").save(tmp_path / "photo.png")
    assert read_square(tmp_path / "photo.png", IMAGE).shape == (1, 8, 8, 1)
    assert "note: photo.png is in colour, and 'image' is grey" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("declared", "black", "white"),
    [((0, 255), 0, 255), ((-1, 1), -1, 1), ((0, 1), 0, 1), (None, 0, 1), ((-1, 2), 0, 1)],
)
def test_a_picture_fills_the_range_of_its_tensor(tmp_path: Path, declared, black, white) -> None:
    """Only a range with room for noise on both sides of [0, 1] is not filled."""
    Image.fromarray(np.array([[0, 255]], np.uint8)).save(tmp_path / "two.png")
    tensor = replace(IMAGE, range=declared)
    assert read_array(tmp_path / "two.png", tensor).ravel().tolist() == [black, white]


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("read", [read_picture, lambda path: read_array(path, IMAGE)])
def test_a_picture_that_is_too_large_is_not_decoded(tmp_path: Path, read) -> None:
    (tmp_path / "big.png").write_bytes(png(12_000, 12_000))
    with pytest.raises(InputError, match="it has 12000 x 12000 pixels, at most 134217728 are read"):
        read(tmp_path / "big.png")


def test_colour_of_16_bits_is_told_or_refused(tmp_path: Path, capsys) -> None:
    """Of a TIFF in planes Pillow takes the halves of 16-bit samples for samples."""
    deep = np.arange(64 * 3, dtype=np.uint16).reshape(8, 8, 3) * 300
    tifffile.imwrite(tmp_path / "a.tif", deep, photometric="rgb")
    assert read_array(tmp_path / "a.tif", IMAGE).shape == (1, 8, 8, 1)
    assert "a.tif has colour of 16 bits a sample, which is read as 8" in capsys.readouterr().err
    planes = deep.transpose(2, 0, 1)
    tifffile.imwrite(tmp_path / "b.tif", planes, photometric="rgb", planarconfig="separate")
    with pytest.raises(InputError, match="stores each colour of 16 bits by itself"):
        read_array(tmp_path / "b.tif", IMAGE)


def test_a_bomb_of_zeros_is_not_inflated(tmp_path: Path) -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1073741825,), }"
    member = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image.npy", member)
    (tmp_path / "bomb.npz").write_bytes(buffer.getvalue())
    with pytest.raises(
        InputError,
        match=r"bomb\.npz cannot be read: .*has 4294967300 bytes, at most 4294967296 are read",
    ):
        read_array(tmp_path / "bomb.npz", IMAGE)


def test_outputs_of_one_file_name_are_all_written(tmp_path: Path) -> None:
    names = ["a/b", "a_b", "A_b", "c", "c-0", ".."]
    tensors = tuple(
        Tensor(name, "uint8", (2, 4, 4, 1), None, "NHWC", (2, 4, 4, 1)) for name in names
    )
    arrays = {name: np.full((2, 4, 4, 1), k, np.uint8) for k, name in enumerate(names)}
    graph = Graph("g", "g.onnx", (), tensors, 17, None, {}, {})
    written = write_outputs(graph, arrays, tmp_path / "out")
    assert len(written) == len({str(path).lower() for path in written}) == 3 * len(names)
    assert {path.parent for path in written} == {tmp_path / "out"}
    assert not any(path.name.startswith(".") for path in written), "a hidden file"
    values = [int(np.load(path).max()) for path in written if path.suffix == ".npy"]
    assert values == list(range(len(names)))
    pictures = [np.asarray(Image.open(path)).max() for path in written if path.suffix == ".png"]
    assert pictures == [k for k in range(len(names)) for _ in range(2)]
