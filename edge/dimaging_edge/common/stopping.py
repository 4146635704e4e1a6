"""How a command ends in order: at Ctrl-C, at SIGTERM, or when the process that started it is gone.

Both signals become exceptions, so that files in the making are removed on the way out. onnxruntime computes
in C++, where Python's signals do not arrive; so a thread that does hear of them asks the runs in progress to
stop at their next operator, and after a while of grace ends the process.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

GRACE_S = 3.0
"""How long a process may take to end in order, in s; what it leaves then is swept by its next run."""
POLL_S = 0.5
"""How often a process looks whether the one that started it is still there, in s."""
RUNS: set[Any] = set()
"""What computes now: objects that stop when their attribute `terminate` becomes True."""


_WORKERS: list[Any] = []
"""The contexts that last as long as this process."""


class Terminated(KeyboardInterrupt):
    """SIGTERM has arrived, which ends a command as Ctrl-C does."""


def stop_runs() -> None:
    """Ask everything that computes in this process to stop."""
    for run in tuple(RUNS):
        run.terminate = True


@contextmanager
def orderly_end(grace_s: float | None = GRACE_S) -> Iterator[None]:
    """Inside, SIGTERM raises Terminated, and it and SIGINT also reach a run that does not return to Python.

    grace_s: how long it may take to leave after the first signal, in s, before the process ends where it is;
    None: as long as it takes. The signals are those of the main thread; in another one, and on Windows,
    nothing changes.
    """
    if os.name != "posix" or threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.signal(signal.SIGTERM, _terminate)
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(reader, grace_s), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGTERM, before)
        os.write(writer, b"\0")  # the watcher leaves
        watcher.join()
        os.close(reader)
        os.close(writer)


def follow_parent() -> None:
    """Let this process end soon after the one that started it, however that one ended."""
    if os.name == "posix":
        threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()


def begin_worker() -> None:
    """Prepare a worker process: SIGTERM ends its job in order, and so does the end of its parent."""
    if os.name == "posix":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        whole_life = orderly_end()
        whole_life.__enter__()
        _WORKERS.append(whole_life)
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        follow_parent()


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


def _watch(reader: int, grace_s: float | None) -> None:
    end, timer = b"\0", None
    while (number := os.read(reader, 1)) != end:
        if number[0] in (signal.SIGINT, signal.SIGTERM):
            stop_runs()
            if grace_s is not None:
                timer = threading.Timer(grace_s, _end_now, (number[0],))
                timer.daemon = True
                timer.start()
                grace_s = None
    if timer is not None:
        timer.cancel()


def _end_now(number: int) -> None:
    print("stopped in the middle of a computation", file=sys.stderr, flush=True)
    os._exit(128 + number)


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(2 * GRACE_S)
    os._exit(128 + signal.SIGTERM)
