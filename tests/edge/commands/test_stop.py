"""However the command is stopped, no half-written file is left, and no traceback shown."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from dimaging_edge import DimagingError
from dimaging_edge.commands import main as cli
from dimaging_edge.commands.main import main
from dimaging_edge.common.files import write_text

EDGE = Path(cli.__file__).parents[2]


def test_nothing_half_written(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    toy: Path,
    tmp_path: Path,
) -> None:
    (tmp_path / "image.npy").write_text("old")

    def full(path: Path, *_: object, **__: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    def stopped(path: Path, *_: object, **__: object) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    arguments = ["run", str(toy), "decoder", "--input", "z=normal", "--out", str(tmp_path)]
    monkeypatch.setattr(np, "save", full)
    assert main(arguments) == 1
    found = capsys.readouterr().err
    assert "image.npy: No space left on device; make room there, or choose another place" in found
    monkeypatch.setattr(np, "save", stopped)
    assert main(arguments) == 130
    assert "stopped; no half-written file is left" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["image.npy"]
    assert (tmp_path / "image.npy").read_text() == "old"


def test_a_file_gets_the_rights_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0o027)
    try:
        monkeypatch.setattr(os, "umask", None)  # it is the process's: other threads write files too
        write_text(tmp_path / "a.txt", "text")
    finally:
        monkeypatch.undo()
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


def test_a_place_that_is_no_file() -> None:
    with pytest.raises(DimagingError, match=r"cannot write \.: .*; is the folder there"):
        write_text(".", "text")


def test_ctrl_c(toy: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "dimaging_edge.commands.main",
        "bench",
        str(toy),
        "--seconds",
        "60",
    ]
    env = {**os.environ, "PYTHONPATH": str(EDGE)}
    command += ["--json", str(tmp_path / "r.json")]
    with subprocess.Popen(
        command,
        env=env,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "latency" in line:
                break
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert "stopped; no half-written file is left" in process.stderr.read()
        assert process.wait() == 130
    assert list(tmp_path.iterdir()) == []


def test_reader_that_leaves(toy: Path) -> None:
    command = f"{sys.executable} -m dimaging_edge.commands.main info {toy} | true"
    env = {**os.environ, "PYTHONPATH": str(EDGE)}
    done = subprocess.run(command, shell=True, env=env, capture_output=True, text=True, check=True)
    assert done.stderr == ""
