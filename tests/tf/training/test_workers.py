"""A run that is spread over several machines: TF_CONFIG, what each worker writes, and the losses of one."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dimaging_edge.common.files import read_json_lines
from helpers.pages import ENV, ROOT
from helpers.small_runs import small

from dimaging_tf.errors import UserError
from dimaging_tf.training import runs, strategies

TWO = {
    "cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]},
    "task": {"type": "worker", "index": 1},
}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"cluster": {}}', json.dumps(TWO | {"task": {"type": "worker", "index": 2}}),
     json.dumps(TWO | {"task": {"type": "ps", "index": 0}})],
)  # fmt: skip
def test_workers_that_nobody_named(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(
        UserError, match="reads the workers from the environment, such as TF_CONFIG="
    ):
        strategies.check_strategy("multiworker")


def test_the_first_worker_writes_the_run(monkeypatch, tmp_path):
    monkeypatch.setenv("TF_CONFIG", json.dumps(TWO))
    assert strategies.place_of("multiworker", tmp_path) == tmp_path / "workers" / "1"
    assert strategies.place_of("single", tmp_path) == tmp_path
    monkeypatch.setenv("TF_CONFIG", json.dumps(TWO | {"task": {"type": "worker", "index": 0}}))
    assert strategies.place_of("multiworker", tmp_path) == tmp_path
    with pytest.raises(UserError, match="workers end at the same step: give --epochs"):
        strategies.check_strategy("multiworker", minutes=2)
    by_the_clock = small("vae", strategy="multiworker", minutes=2)
    with pytest.raises(UserError, match="workers end at the same step: give --epochs"):
        runs.train(by_the_clock, tmp_path / "run")  # as after --resume --minutes


def _train(
    out: Path, *words: str, ports: list[int] | None = None, index: int = 0
) -> subprocess.Popen:
    env = {**os.environ, **ENV, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "dimaging_tf", "train", *words, "--out", str(out)]
    if ports:
        cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
        env["TF_CONFIG"] = json.dumps(
            {"cluster": cluster, "task": {"type": "worker", "index": index}}
        )
    return subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True)


def _ports() -> list[int]:
    with socket.socket() as a, socket.socket() as b:
        a.bind(("127.0.0.1", 0))
        b.bind(("127.0.0.1", 0))
        return [a.getsockname()[1], b.getsockname()[1]]


def _both(out: Path, *words: str) -> list[subprocess.Popen]:
    ports = _ports()
    return [_train(out, *words, ports=ports, index=index) for index in (0, 1)]


def _end(*processes: subprocess.Popen) -> None:
    """Wait for processes that must end well; no one is left behind where another fails."""
    try:
        said = [process.communicate(timeout=600)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    for process, words in zip(processes, said, strict=True):
        assert process.returncode == 0, words[-2000:]


@pytest.mark.slow  # five TensorFlow processes
def test_two_workers_give_the_losses_of_one_and_go_on_after_a_kill(tmp_path):
    words = (
        "vae",
        "--data",
        "digits",
        "--epochs",
        "3",
        "--batch",
        "50",
        "--set",
        "hidden=(8,)",
        "--set",
        "latent_dim=2",
    )
    one, two = tmp_path / "one", tmp_path / "two"
    _end(_train(one, *words))
    chief, other = _both(two, *words, "--strategy", "multiworker")
    start = time.monotonic()
    while not (two / "metrics.jsonl").exists() or not (two / "last.keras").exists():
        assert chief.poll() is None, chief.communicate()[1]
        assert time.monotonic() - start < 300
        time.sleep(0.01)
    for process in (other, chief):
        process.send_signal(signal.SIGKILL)
        process.communicate()
    _end(*_both(two, "--resume"))
    found, expected = (read_json_lines(folder / "metrics.jsonl") for folder in (two, one))
    assert len(found) == 3
    for a, b in zip(found, expected, strict=True):
        for name in ("loss", "kl", "reconstruction"):
            assert a[name] == pytest.approx(b[name], rel=1e-4)
        assert a["val_loss"] == pytest.approx(
            b["val_loss"], rel=5e-3
        )  # its last batch draws other noise
    assert (two / "workers" / "1" / "last.keras").is_file()
