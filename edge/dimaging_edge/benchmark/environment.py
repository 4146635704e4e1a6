"""The machine and the software a figure belongs to."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dimaging_edge.bundle.session import default_threads, runtime
from dimaging_edge.common.version import __version__


@dataclass(frozen=True)
class Environment:
    """Everything needed to repeat a measurement; None is unknown."""

    cpu: str | None  # model name
    machine: str  # e.g. "x86_64"
    system: str  # e.g. "Linux 6.1"
    cores: int  # this process may use
    threads: int  # of one operator
    provider_asked: str
    provider_used: str
    governor: str | None  # of core 0
    load: float | None  # mean number of busy processes in the minute before
    versions: dict[str, str]


def environment(*, threads: int, asked: str, used: str) -> Environment:
    """Return the record of this machine, now."""
    ort = runtime(allow_fallback=True)
    return Environment(
        cpu=_cpu(),
        machine=platform.machine(),
        system=f"{platform.system()} {platform.release()}",
        cores=default_threads(),
        threads=threads,
        provider_asked=asked,
        provider_used=used,
        governor=_first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        versions={
            "python": platform.python_version(),
            "numpy": np.__version__,
            getattr(ort, "package_name", None) or "onnxruntime": ort.__version__,
            "dimaging": __version__,
        },
    )


def _cpu() -> str | None:
    names = ("model name", "Hardware", "Model", "cpu model")  # x86, older ARM, boards, MIPS
    found = {}
    try:
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            found.setdefault(key.strip(), value.strip())
    except OSError:
        return platform.processor() or None
    board = _first_line("/sys/firmware/devicetree/base/model")
    return next((found[name] for name in names if found.get(name)), board)


def _first_line(path: str) -> str | None:
    try:
        text = Path(path).read_text(errors="replace")
    except OSError:
        return None
    return text.strip("\0\n ") or None
