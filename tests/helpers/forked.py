"""Python programs that find TensorFlow imported, which takes five seconds of a processor each time.

One process beside each test worker imports it, starts no thread and no device, and forks once a program. So each
program is a process of its own, with its own folder, environment, exit code and signals.
"""

import atexit
import gc
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import types
from functools import cache
from pathlib import Path

_THREADS = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""numpy and pyarrow start threads when they are imported unless told; a thread does not survive a fork."""


class Program:
    """A running program: the part of subprocess.Popen that the tests use."""

    def __init__(self, words: list, folder: Path | str, env: dict[str, str]):
        self._said = Path(tempfile.mkdtemp())
        asked = {"words": [str(word) for word in words[1:]], "folder": str(folder), "env": env}
        self.pid: int = _ask({**asked, "said": str(self._said)})
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, the negative number of the signal that killed it, or None while it runs."""
        if self.returncode is None:
            self.returncode = _ask({"pid": self.pid, "options": os.WNOHANG})
        return self.returncode

    def communicate(self) -> tuple[bytes, bytes]:
        """What it wrote to stdout and stderr, once it has ended."""
        if self.returncode is None:
            self.returncode = _ask({"pid": self.pid, "options": 0})
        return (self._said / "1").read_bytes(), (self._said / "2").read_bytes()

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)


def start(words: list, folder: Path | str, env: dict[str, str]) -> Program | subprocess.Popen:
    """Start [sys.executable, "-c", code], [.., "-m", module, ...] or [.., script, ...] in a folder."""
    if _parent() is None:
        pipe = subprocess.PIPE
        return subprocess.Popen(words, cwd=folder, env=env, stdout=pipe, stderr=pipe)
    return Program(words, folder, env)


@cache
def _parent() -> subprocess.Popen | None:
    """The process that forks; None where a fork after these imports is not safe: off Linux, or beside threads."""
    if sys.platform != "linux":
        return None
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = subprocess.Popen(
        [sys.executable, __file__],
        env={**env, **_THREADS, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    atexit.register(process.communicate)  # its input ends, and so does it
    assert process.stdout is not None
    return process if json.loads(process.stdout.readline()) else None


def _ask(request: dict):
    process = _parent()
    assert process is not None
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def _serve() -> None:
    """Answer one line of JSON a request: the number of a new process, or how one ended."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import keras  # noqa: F401
    import matplotlib.pyplot  # noqa: F401
    import sklearn.datasets  # noqa: F401
    import tensorflow  # noqa: F401

    alone = (
        len(os.listdir("/proc/self/task")) == 1
    )  # a fork would lack the threads that an import started
    answers.write(json.dumps(alone) + "\n")
    answers.flush()
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        if "pid" in request:
            pid, status = os.waitpid(request["pid"], request["options"])
            answer = os.waitstatus_to_exitcode(status) if pid else None
        elif not (answer := os.fork()):
            _become(**request)
            return
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _become(words: list[str], folder: str, env: dict[str, str], said: str) -> None:
    """Run the program in this process, as `python WORDS` would."""
    for number, name in enumerate((os.devnull, f"{said}/1", f"{said}/2")):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    kind, *rest = words
    first = str(Path(kind).resolve().parent) if Path(kind).suffix == ".py" else ""
    sys.path[:1] = [first, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    if kind == "-c":
        sys.argv = ["-c", *rest[1:]]
        sys.modules["__main__"] = main = types.ModuleType("__main__")
        exec(compile(rest[0], "<string>", "exec"), main.__dict__)
    elif kind == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        runpy.run_path(kind, run_name="__main__")


if __name__ == "__main__":
    _serve()
