"""The same networks in every runtime at hand: one thread, batch 1, one core, interleaved in one run.

    python benchmarks/peers.py
    python benchmarks/peers.py --openvino-python /path/to/venv/bin/python     adds provider="openvino"

U-Net (width 32, depth 4, 256x256 grey) and the decoder of the VAE, with random weights: they cost
the same time as trained ones. Each peer is a process of its own, must first answer what Keras
answers, and is then timed in turns with all others (peer_rounds.py). Speed is relative to our fp32.
The other interpreter needs onnxruntime-openvino and numpy: it cannot share an environment with
onnxruntime.
"""

import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from parts import figures
from parts.peer_files import TITLES, Case, build
from parts.peer_rounds import Peer, Seat, compete, size, speed

BASE, INT8, DIRECT, PREDICT = "ours fp32", "ours int8", "direct NCHW graph", "keras predict"
OV_INT8 = "OpenVINO, our int8 file"


def peers(case: Case, openvino_python: str | None) -> list[Peer]:
    """Everything that can run the case; neighbours in this list are timed next to each other."""
    onnx = f"{case.graph}.onnx"
    return [
        Peer(DIRECT, "direct", "direct.onnx"),
        Peer(BASE, "ours", "fp32"),
        Peer(INT8, "ours", "int8", lossy=True),
        Peer(OV_INT8, "openvino", f"int8/{onnx}", lossy=True),
        Peer("OpenVINO, our fp32 file", "openvino", f"fp32/{onnx}"),
        Peer("LiteRT fp32", "litert", "fp32.tflite"),
        Peer("LiteRT int8", "litert", "int8.tflite", lossy=True),
        Peer("tf.function", "function", "network.keras", trains=True),
        Peer("keras __call__", "call", "network.keras", trains=True),
        Peer(PREDICT, "predict", "network.keras", trains=True),
        Peer("ours fp32, provider openvino", "ours_openvino", "fp32", python=openvino_python),
        Peer("ours int8, provider openvino", "ours_openvino", "int8", True, python=openvino_python),
    ]


def main() -> int:
    """Build, compete, print the table, judge."""
    p = figures.parser("peers", __doc__)
    p.add_argument("--openvino-python", help="interpreter that has onnxruntime-openvino and numpy")
    p.add_argument("--rounds", type=int, help="of each network (default 20, with --quick 3)")
    p.add_argument("--core", type=int, help="core to run on (default: the last one)")
    args = p.parse_args()
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}
    core = max(cores) if args.core is None else args.core
    rounds = args.rounds or (3 if args.quick else 20)
    block_ms = 20 if args.quick else 150

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for title in TITLES:
            print(f"{title}: building", file=sys.stderr, flush=True)
            case = build(title, Path(folder) / title.replace(" ", "-"), args.quick)
            wanted = peers(case, args.openvino_python)
            print(f"{title}: {len(wanted)} peers, {rounds} rounds", file=sys.stderr, flush=True)
            ran, left_out = compete(case, wanted, rounds, block_ms, core)
            seats = {seat.peer.name: seat for seat in ran}
            for name in (BASE, INT8, DIRECT, PREDICT):
                if name in left_out:
                    sys.exit(f"{title}: {name}: {left_out[name]}")
            found[title] = seats, table(case, seats, left_out)
    out = figures.Figures("peers", args.quick, args.json)
    out.facts = {"rounds": rounds, "block_ms": block_ms, "core": core, "threads": 1, "clock": "cpu"}
    out.facts["tables"] = {title: rows for title, (_, rows) in found.items()}
    judge(out, {title: seats for title, (seats, _) in found.items()})
    return out.finish()


def table(case: Case, seats: dict[str, Seat], left_out: dict[str, str]) -> list[dict]:
    """Print and return a row per peer, fastest first; speed 2 is half the time of our fp32."""
    print(
        f"\n{case.title}: speed by CPU time, by the wall clock, p50 wall ms, file MB, peak MB, |Δ|"
    )
    rows = []
    for seat in seats.values():
        cpu, low, high = speed(seat, seats[BASE])
        rows.append({
            **{k: v for k, v in asdict(seat.peer).items() if k in ("name", "lossy")},
            "speed": cpu, "interval": [low, high], "speed_wall": speed(seat, seats[BASE], "wall")[0],
            "p50_ms": sorted(seat.wall)[len(seat.wall) // 2] / 1e6, "file_mb": size(case, seat.peer) / 1e6,
            "peak_mb": None if seat.peak is None else seat.peak / 1e6, "max_abs": seat.max_abs,
            "sqnr_db": seat.sqnr if seat.peer.lossy else None,
        })  # fmt: skip
    rows.sort(key=lambda row: -row["speed"])
    for row in rows:
        peak = "-" if row["peak_mb"] is None else f"{row['peak_mb']:.0f}"
        sqnr = "" if row["sqnr_db"] is None else f"  {row['sqnr_db']:.1f} dB"
        print(
            f"{row['name']:<30} {row['speed']:>6.3f} {row['speed_wall']:>6.3f} {row['p50_ms']:>9.3f}"
            f" {row['file_mb']:>7.2f} {peak:>6}  {row['max_abs']:.1e}{sqnr}"
        )
    for name, reason in left_out.items():
        print(f"{name:<30} left out: {reason[:300]}")
        rows.append({"name": name, "left_out": reason})
    print(flush=True)
    return rows


def judge(out: figures.Figures, found: dict[str, dict[str, Seat]]) -> None:
    """The figures to reach are all of the U-Net; the others are there to be known."""
    unet = found["U-Net"]
    goals = {INT8: ">= 3"}
    out.add(
        "U-Net: time of our fp32 over direct NCHW", speed(unet[DIRECT], unet[BASE])[0], "<= 1.05"
    )
    out.add("U-Net: int8 over keras predict", speed(unet[INT8], unet[PREDICT])[0], ">= 5")
    if (peak := unet[INT8].peak) is not None:
        out.add("U-Net: peak memory of int8", peak / 1e6, "<= 100", "MB")
    for title, seats in found.items():
        for name, seat in seats.items():
            if name != BASE:
                goal = goals.get(name, "") if title == "U-Net" else ""
                out.add(f"{title}: {name} over our fp32", speed(seat, seats[BASE])[0], goal)
        if OV_INT8 in seats:
            far = speed(seats[OV_INT8], seats[INT8])[0]
            out.add(f"{title}: OpenVINO int8 over our int8", far)


if __name__ == "__main__":
    sys.exit(main())
