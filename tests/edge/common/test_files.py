"""Files: whole or not there, never in the place of what is not a file, left-overs swept by their mark alone."""

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from dimaging_edge.common.errors import DimagingError
from dimaging_edge.common.files import (
    read_json_lines,
    remove_leftovers,
    temporary_folder,
    whole_file,
    write_bytes,
    write_json,
    write_text,
)

MARK = "0123456789abcdef.dimaging"


@pytest.fixture(scope="module")
def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_temporary_name_keeps_the_suffix_and_cannot_be_guessed(tmp_path: Path) -> None:
    names = []
    for _ in range(2):
        with whole_file(tmp_path / "new" / "photo.png") as temporary:
            temporary.write_bytes(b"x")
            names.append(temporary)
    assert all(name.suffix == ".png" and name.parent == tmp_path / "new" for name in names)
    assert names[0] != names[1]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["photo.png"]


def test_a_name_of_the_greatest_length(tmp_path: Path) -> None:
    path = tmp_path / ("ä" * 120 + ".npy")
    write_bytes(path, b"x")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["link", "link to a link"])
def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path, kind: str) -> None:
    (tmp_path / "there").mkdir()
    real, link = tmp_path / "there" / "real.txt", tmp_path / "link.txt"
    real.write_text("old")
    target = Path("there/real.txt")
    if kind == "link to a link":
        (tmp_path / "middle").symlink_to(target)
        target = Path("middle")
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["real.txt"]


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def _folder(path: Path) -> None:
    path.mkdir()


def _device(path: Path) -> None:
    try:
        os.mknod(path, 0o666 | stat.S_IFBLK, os.makedev(7, 200))
    except PermissionError:
        pytest.skip("only root makes devices")


REFUSED = [
    (_fifo, "it is a FIFO that nobody reads; start its reader first"),
    (_socket, "it is a block device or a socket, which stays as it is"),
    (_device, "it is a block device or a socket, which stays as it is"),
    (_dangling, "it is a symbolic link to nowhere, which is not there"),
    (_folder, "Is a directory"),
]


@pytest.mark.parametrize(("make", "says"), REFUSED)
def test_what_is_no_file_stays(tmp_path: Path, make, says: str) -> None:
    path = tmp_path / "x"
    make(path)
    before = stat.S_IFMT(path.lstat().st_mode)
    with pytest.raises(DimagingError, match="cannot write .*x: ") as caught:
        write_bytes(path, b"data")
    assert says in str(caught.value)
    assert stat.S_IFMT(path.lstat().st_mode) == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_fifo_with_a_reader_is_written_to(tmp_path: Path) -> None:
    path, got = tmp_path / "fifo", []
    os.mkfifo(path)
    first = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()))
    reader.start()
    write_bytes(path, b"data" * 50_000)
    reader.join(20)
    os.close(first)
    assert got == [b"data" * 50_000]
    assert stat.S_ISFIFO(path.lstat().st_mode)


def test_a_character_device_is_written_to(tmp_path: Path) -> None:
    path = tmp_path / "null"
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        path = Path(os.devnull)
    write_bytes(path, b"data")
    assert stat.S_ISCHR(path.lstat().st_mode)


def test_standard_output_in_a_pipe_is_written_to() -> None:
    code = "from dimaging_edge.common.files import write_bytes; write_bytes('/dev/stdout', b'data')"
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True
    )
    assert (done.stdout, done.stderr) == (b"data", b"")


def test_what_a_kill_left_goes_with_the_next_writing_of_that_name(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        with (
            whole_file(tmp_path / "a.txt") as temporary,
            temporary_folder(tmp_path / "b") as folder,
        ):
            temporary.write_text("half")
            (folder / "weights").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert len(list(tmp_path.iterdir())) == 2
    write_text(tmp_path / "a.txt", "whole")
    with temporary_folder(tmp_path / "b"):
        assert len(list(tmp_path.iterdir())) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_only_our_own_left_overs_of_the_dead_are_removed(tmp_path: Path, dead: int) -> None:
    theirs = [
        ".notes-2024.txt", ".env-1", ".backup-3.keras", ".a-4711.dimaging.txt", ".a-1.dimaging",
        f"a-{dead}-{MARK}", f".a-{os.getppid()}-{MARK}.txt", f".a-{dead}-{MARK}.tar.gz",
        f".a-{dead}-0123456789ABCDEF.dimaging", f"below/.a-{dead}-{MARK}.txt",
    ]  # fmt: skip
    ours = [f".a-{dead}-{MARK}.txt", f".b c-{dead}-{MARK}", f".a-{os.getpid()}-{MARK}.keras"]
    (tmp_path / "below").mkdir()
    for name in theirs + ours:
        (tmp_path / name).write_text("x")
    (tmp_path / f".c-{dead}-{MARK}").symlink_to("below")
    with whole_file(tmp_path / "mine.txt") as temporary:
        temporary.write_text("x")
        remove_leftovers(tmp_path)
        assert temporary.exists()
    left = {p for p in tmp_path.rglob("*") if p.is_symlink() or p.is_file()}
    kept = [*theirs, "mine.txt", f".c-{dead}-{MARK}"]
    assert left == {tmp_path / name for name in kept}


def test_what_a_living_process_in_another_container_writes_stays(tmp_path: Path, dead: int) -> None:
    """Its number means nothing here, its lock does."""
    path = tmp_path / f".a-{dead}-{MARK}.txt"
    path.write_text("half")
    code = (
        "import os, sys; from dimaging_edge.common.processes import take_lock\n"
        "take_lock(os.open(sys.argv[1], os.O_RDONLY)); print('held', flush=True); input()"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        remove_leftovers(tmp_path)
        assert path.exists()
        other.communicate(b"\n")
    remove_leftovers(tmp_path)
    assert not path.exists()


def test_json_lines_up_to_the_first_that_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert read_json_lines(path) == []
    path.write_text('{"a": 1}\n{"a": 2}\n{"a"')
    assert read_json_lines(path) == [{"a": 1}, {"a": 2}]
    with pytest.raises(ValueError, match="Out of range"):
        write_json(path, float("nan"))
    assert read_json_lines(path) == [{"a": 1}, {"a": 2}]
