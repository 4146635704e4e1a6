"""Peers side by side: a process each, all on one core, taking turns.

A round is one block of every peer, one after the other, in alternating direction; so whatever slows
the machine down slows neighbours alike. Of each round only ratios to our fp32 count, and of all
rounds the median. `peer_worker.py` is the process.

Two clocks are kept, and CPU time (all threads of the process) is the one that is judged: it stands
still while other programs have the core. With both cores of a small machine kept busy by others, the
quartiles of a U-Net's ratios lay 2 % apart by CPU time and 5 to 50 % on the wall clock. CPU time
forgives a peer what it sleeps (`keras.predict` between its threads), never the other way round.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import IO, Any

import numpy as np
from dimaging_edge.benchmark.stats import median_interval

from .peer_files import Case

ROOT = Path(__file__).parents[2]
ONE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Peer:
    """A way to run the network."""

    name: str
    kind: str  # a function of peer_worker
    file: str  # in the case's folder; a bundle is a folder
    lossy: bool = False  # int8: judged by its signal to noise, not by its largest difference
    trains: bool = False  # may import TensorFlow
    python: str | None = sys.executable  # None: nobody said where its interpreter is


class PeerError(Exception):
    """Why a peer takes no part."""


@dataclass
class Seat:
    """A running peer and everything it answered."""

    peer: Peer
    process: subprocess.Popen[str]
    log: IO[str]
    calls: int = 1
    wall: list[float] = field(default_factory=list)  # ns a call, one per round
    cpu: list[float] = field(default_factory=list)
    max_abs: float = 0.0
    sqnr: float = 0.0  # dB
    peak: int | None = None  # bytes

    def ask(self, line: str = "") -> dict[str, Any]:
        """Send a line (none: wait for the first answer); PeerError with what the peer said."""
        pipe: Any = self.process
        if line:
            pipe.stdin.write(f"{line}\n")
            pipe.stdin.flush()
        answer = pipe.stdout.readline()
        if not answer:
            self.log.seek(0)
            raise PeerError((self.log.read().strip().splitlines() or ["it ended"])[-1])
        return json.loads(answer)

    def block(self) -> float:
        """One block, kept; returns its ns a call on the wall."""
        answer = self.ask(str(self.calls))
        self.wall.append(median(answer["wall"]))
        self.cpu.append(answer["cpu"] / self.calls)
        return self.wall[-1]

    def close(self) -> None:
        """Take the peak, then let the process end."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
            self.peak = int(lines[0].split()[1]) * 1024 if lines else None
        except OSError:
            self.peak = None
        self.process.communicate()
        self.log.close()


def compete(
    case: Case, peers: list[Peer], rounds: int, block_ms: float, core: int
) -> tuple[list[Seat], dict[str, str]]:
    """Start every peer, compare its answer with Keras', time them in turns.

    Returns the peers that ran, and of the others the reason: not installed, failed, or computes
    something else (a wrong answer is not worth timing).
    """
    seats: list[Seat] = []
    left_out: dict[str, str] = {}
    try:
        for peer in peers:
            try:
                seats.append(_seat(case, peer, core))
            except PeerError as error:
                left_out[peer.name] = str(error)
        for seat in seats:
            seat.calls = max(1, round(block_ms * 1e6 / seat.block()))
            seat.wall.clear()
            seat.cpu.clear()
        for number in range(rounds):
            for seat in seats if number % 2 else reversed(seats):
                seat.block()
    finally:
        for seat in seats:
            seat.close()
    return seats, left_out


def speed(seat: Seat, base: Seat, clock: str = "cpu") -> tuple[float, float, float]:
    """How many times as fast as `base`: median over rounds, and its 99 % bootstrap interval."""
    ratios = [b / s for s, b in zip(getattr(seat, clock), getattr(base, clock), strict=True)]
    return median(ratios), *median_interval(ratios)


def size(case: Case, peer: Peer) -> int:
    """Bytes of the file that the peer reads; of a bundle the graph's own file."""
    path = case.folder / peer.file
    return (path / f"{case.graph}.onnx" if path.is_dir() else path).stat().st_size


def _seat(case: Case, peer: Peer, core: int) -> Seat:
    """A peer that has answered as Keras does; PeerError otherwise."""
    if peer.python is None:
        raise PeerError("no interpreter given (--openvino-python)")
    result = case.folder / f"{peer.name.replace(' ', '-')}.npy"
    request = {
        "kind": peer.kind, "path": str(case.folder / peer.file), "graph": case.graph, "core": core,
        "feed": str(case.folder / "feed.npy"), "result": str(result),
    }  # fmt: skip
    roots = [ROOT / "edge", ROOT] if peer.trains else [ROOT / "edge"]
    log = tempfile.TemporaryFile("w+")
    process = subprocess.Popen(
        [peer.python, Path(__file__).with_name("peer_worker.py"), json.dumps(request)],
        env={**os.environ, **ONE, "PYTHONPATH": os.pathsep.join(map(str, roots))},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
    )  # fmt: skip
    seat = Seat(peer, process, log)
    try:
        _check_imports(peer, seat.ask()["heavy"])
        _compare(seat, np.load(result), case.expected)
    except PeerError:
        seat.close()
        raise
    return seat


def _check_imports(peer: Peer, heavy: list[str]) -> None:
    if not peer.trains and not {"tensorflow", "keras", "onnx"}.isdisjoint(heavy):
        raise PeerError(f"it imported {', '.join(heavy)}: its memory would not be its own")


def _compare(seat: Seat, found: np.ndarray, expected: np.ndarray) -> None:
    """Keep the differences; PeerError where they are more than rounding, or than int8 costs."""
    if found.shape != expected.shape:
        raise PeerError(f"its output is {found.shape}, Keras' {expected.shape}")
    delta = np.float64(found) - expected
    seat.max_abs = float(np.abs(delta).max())
    noise = max(float(np.square(delta).sum()), 1e-30)
    seat.sqnr = 10 * float(np.log10(np.square(np.float64(expected)).sum() / noise))
    allowed = 1e-3 * float(np.abs(expected).max())
    if seat.sqnr < 20 if seat.peer.lossy else seat.max_abs > allowed:
        raise PeerError(f"it is {seat.max_abs:.3g} ({seat.sqnr:.1f} dB) away from Keras")
