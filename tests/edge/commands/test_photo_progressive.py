"""decompress --progressive, end to end: the picture is written anew as its bytes arrive."""

import io
from pathlib import Path

import pytest
from dimaging_edge.commands import photo_progressive
from dimaging_edge.common.errors import CodecError
from dimaging_edge.photo import container, reading
from dimaging_edge.photo.picture import read_picture
from dimaging_edge.photo.progressive import previews
from helpers.codec_dct import Dct, psnr
from helpers.edge_command import run

pytestmark = pytest.mark.usefixtures("any_codec_is_the_dct")


@pytest.mark.parametrize("piped", [True, False])
def test_a_picture_is_shown_as_it_arrives(
    piped: bool, photo: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    file, out = tmp_path / "p.dimg", tmp_path / "p.png"
    assert run("compress", photo, "-q", 40, "-o", file) == 0
    data = file.read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    monkeypatch.setattr(photo_progressive, "_PIECE", 20)
    capsys.readouterr()
    assert (
        run("decompress", "-" if piped else file, "--progressive", "-o", out, "--model", "m") == 0
    )
    assert capsys.readouterr().out == "".join(f"{out}: {n} of 3 rungs\n" for n in (1, 2, 3))
    assert psnr(read_picture(out).image, read_picture(photo).image) > 27
    for arguments, says in (
        ((file, "--progressive"), "--progressive takes one file"),
        ((photo, "--progressive", "-o", tmp_path / "q.png"), "this is no compressed picture"),
        ((file, "--progressive", "-o", out), "is there already"),
        (("-", "--progressive", "-o", out), "is there already"),
        ((file, "--progressive", "-o", file, "--force"), "replaced by its own result"),
        ((file, "--progressive", "--preview", 2, "-o", out), "--progressive shows every rung"),
    ):
        assert run("decompress", *arguments) == 1
        assert says in capsys.readouterr().err


def test_standard_input_replaces_a_picture_when_forced(
    photo: Path, tmp_path: Path, monkeypatch
) -> None:
    file, out = tmp_path / "p.dimg", tmp_path / "p.png"
    assert run("compress", photo, "-o", file) == 0
    out.write_bytes(b"an older picture")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes())))
    assert run("decompress", "-", "--progressive", "-o", out, "--model", "m", "--force") == 0
    assert read_picture(out).image.shape == (60, 90, 3)


def test_a_longer_stream_is_not_read_to_its_end(photo: Path, tmp_path: Path) -> None:
    file = tmp_path / "p.dimg"
    assert run("compress", photo, "-o", file) == 0
    more = iter([file.read_bytes(), b"more", b"and more"])
    with pytest.raises(CodecError, match="the file is too long"):
        list(previews(Dct(), more))
    assert next(more) == b"and more"


def test_chunks_are_looked_at_once(photo: Path, tmp_path: Path, monkeypatch) -> None:
    """A forged file of thousands of empty chunks is read in time in proportion to its length."""
    file = tmp_path / "p.dimg"
    assert run("compress", photo, "-o", file) == 0
    start = file.read_bytes()[: container.SIZE]
    empty = container.CHUNK.pack(b"aaaa", 0, 0)
    seen: list[int] = []

    class Counted:
        size = container.CHUNK.size

        def unpack_from(self, data, at):
            seen.append(at)
            return container.CHUNK.unpack_from(data, at)

    monkeypatch.setattr(reading, "CHUNK", Counted())
    data, at = bytearray(start), container.SIZE
    for _ in range(500):
        data += empty
        ends, at = reading.rung_ends(data, at=at)
        assert ends == []
    assert len(seen) == 500


def test_what_is_left_of_a_cut_stream_is_shown_if_asked(
    photo: Path, tmp_path: Path, capsys
) -> None:
    file, out = tmp_path / "p.dimg", tmp_path / "p.png"
    assert run("compress", photo, "-q", 40, "-o", file) == 0
    file.write_bytes(file.read_bytes()[:-3])
    capsys.readouterr()
    options = ("--progressive", "--keep-going", "-o", out, "--model", "m")
    assert run("decompress", file, *options) == 1
    found = capsys.readouterr().out
    assert found.startswith(
        f"{out}: 2 of 3 rungs\n{out}: 3 of 3 rungs\ndamaged: the file is truncated"
    )
    assert "damaged: tile 0, rung y pass 1 is missing" in found


def test_a_cut_stream_shows_what_came_and_fails(photo: Path, tmp_path: Path, capsys) -> None:
    file, out = tmp_path / "p.dimg", tmp_path / "p.png"
    assert run("compress", photo, "-q", 40, "-o", file) == 0
    file.write_bytes(file.read_bytes()[:-3])
    capsys.readouterr()
    assert run("decompress", file, "--progressive", "-o", out, "--model", "m") == 1
    found = capsys.readouterr()
    assert found.out == f"{out}: 2 of 3 rungs\n"
    assert "the file is truncated" in found.err
    file.write_bytes(file.read_bytes()[:30])
    assert run("decompress", file, "--progressive", "-o", tmp_path / "q.png") == 1
    assert "30 bytes are no whole header" in capsys.readouterr().err
