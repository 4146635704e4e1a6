"""A command ends in order: at Ctrl-C, at SIGTERM, at its time limit, and when its parent is gone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from dimaging_edge import open_bundle
from dimaging_edge.commands.main import main
from dimaging_edge.common.errors import DimagingError, InputError, LimitError
from helpers.endless import endless_bundle, endless_codec

ENV = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
SECONDS = 60
"""How long a busy machine may take to end a process that should end within five."""


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory, make: SimpleNamespace) -> Path:
    return endless_bundle(tmp_path_factory.mktemp("endless") / "toy-fp32", make)


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory, make: SimpleNamespace) -> Path:
    return endless_codec(tmp_path_factory.mktemp("endless") / "codec", make)


def start(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "dimaging_edge.commands.main", *map(str, words)],
        env=ENV,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


ENDS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


@pytest.mark.parametrize(("number", "code"), ENDS)
def test_a_graph_without_end_is_stopped(
    endless: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    out = tmp_path / "out"
    with start("run", endless, "decoder", "--input", "z=normal", "--out", out) as process:
        assert process.stderr is not None
        process.stderr.readline()  # the provider is said: it is open
        time.sleep(1)
        process.send_signal(number)
        _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == code
    assert "stopped" in said
    assert "Traceback" not in said
    assert not out.exists()


@pytest.mark.parametrize(("number", "code"), ENDS)
def test_workers_end_with_their_parent(
    codec: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    process, workers = _compress(codec, tmp_path)
    with process:
        process.send_signal(number)
        _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == code
    assert "Traceback" not in said
    _all_end(workers)


def test_workers_end_when_their_parent_is_killed(codec: Path, tmp_path: Path) -> None:
    process, workers = _compress(codec, tmp_path)
    with process:
        process.kill()
        process.wait(SECONDS)
        _all_end(workers)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.npy", "1.npy"]


def _compress(codec: Path, folder: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """Begin to compress two pictures at a time, which takes for ever; returns its workers, too."""
    for number in range(2):
        np.save(folder / f"{number}.npy", np.zeros((32, 32, 1), np.uint16))
    process = start("compress", folder, "--model", codec, "--workers", 2)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        process.kill()
        pytest.skip("no /proc")
    for _ in range(10 * SECONDS):
        workers = [int(word) for word in children.read_text().split()]
        workers = [pid for pid in workers if _computes(pid)]
        if len(workers) == 2:
            return process, workers
        time.sleep(0.1)
    process.kill()
    raise AssertionError("no two workers")


def _computes(pid: int) -> bool:
    """Whether a worker has opened onnxruntime and spent time."""
    try:
        mapped = Path(f"/proc/{pid}/maps").read_text()
        spent = Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()
    except OSError:
        return False
    return "onnxruntime" in mapped and int(spent[11]) > 100  # hundredths of a second


def _all_end(workers: list[int]) -> None:
    for _ in range(10 * SECONDS):
        if not any(Path(f"/proc/{pid}").exists() for pid in workers):
            return
        time.sleep(0.1)
    raise AssertionError(f"alive: {workers}")


def test_a_time_limit(endless: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bundle, z = open_bundle(endless, threads=1), np.zeros((1, 4), np.float32)
    with pytest.raises(
        LimitError, match=r"decoder: not done after 0\.2 s, the limit; allow it"
    ) as caught:
        bundle.run("decoder", z=z, limit_s=0.2)
    assert isinstance(caught.value, DimagingError | TimeoutError)
    bundle.limit_s = 0.2
    with pytest.raises(LimitError):
        bundle.run("decoder", z=z)
    image = bundle.run("denoiser", noisy=np.zeros((1, 4, 4, 1), np.float32), limit_s=SECONDS)
    assert image["clean"].shape == (1, 4, 4, 1)
    words = ["run", str(endless), "decoder", "--input", "z=normal", "--out", str(tmp_path)]
    assert main([*words, "--limit", "0.2"]) == 1
    assert "error: decoder: not done after 0.2 s, the limit" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf"), 1e300])
def test_a_limit_that_is_none(endless: Path, limit: float) -> None:
    with pytest.raises(InputError, match="limit_s: expected a time above 0 s, received"):
        open_bundle(endless).run("decoder", z=np.zeros((1, 4), np.float32), limit_s=limit)


def test_the_command_refuses_a_limit_of_nothing(
    endless: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(endless), "decoder", "--limit", "0"]) == 2
    assert "--limit: expected a number above 0, received 0" in capsys.readouterr().err


def test_signals_are_as_before_afterwards(toy: Path) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    assert main(["info", str(toy)]) == 0
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    assert signal.set_wakeup_fd(-1) == -1
