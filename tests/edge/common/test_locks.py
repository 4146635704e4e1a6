"""One writer at a time: the second is refused with the number of the first, a killed one counts for nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from dimaging_edge.common import locks
from dimaging_edge.common.errors import DimagingError
from dimaging_edge.common.locks import sole_writer

HOLD = (
    "import sys; from pathlib import Path; from dimaging_edge.common.locks import sole_writer\n"
    "with sole_writer(Path('run'), Path(sys.argv[1])): print('held', flush=True); input()"
)


def hold(lock: Path) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)],
        env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("locks_work", [True, False])
def test_the_second_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locks_work: bool
) -> None:
    lock = tmp_path / "new" / "lock"
    if not locks_work:  # as on some network file systems
        monkeypatch.setattr(locks, "take_lock", lambda descriptor: None)
    with hold(lock) as other:
        with pytest.raises(
            DimagingError, match=rf"^run is being written by process {other.pid}; wait"
        ):
            with sole_writer(Path("run"), lock):
                pass
        other.communicate("\n", timeout=60)
    assert list(tmp_path.iterdir()) == []
    with sole_writer(Path("run"), lock):
        assert lock.read_text().startswith(f"{os.getpid()} ")


@pytest.mark.parametrize("locks_work", [True, False])
def test_a_killed_holder_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locks_work: bool
) -> None:
    lock = tmp_path / "lock"
    if not locks_work:
        monkeypatch.setattr(locks, "take_lock", lambda descriptor: None)
    with hold(lock) as other:
        other.send_signal(signal.SIGKILL)
    assert lock.exists()
    with sole_writer(Path("run"), lock):
        pass
    assert not lock.exists()


def test_the_number_of_a_killed_holder_may_be_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(f"{os.getppid()} here\n")
    with sole_writer(Path("run"), tmp_path / "lock"):
        pass


def test_twice_in_one_process(tmp_path: Path) -> None:
    with (
        sole_writer(Path("run"), tmp_path / "lock"),
        pytest.raises(DimagingError, match="run is being written by this process"),
        sole_writer(Path("run"), tmp_path / "lock"),
    ):
        pass


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "lock").symlink_to("mine")
    with pytest.raises(OSError, match="symbolic links"), sole_writer(Path("r"), tmp_path / "lock"):
        pass
    assert (tmp_path / "mine").read_text() == "mine"
