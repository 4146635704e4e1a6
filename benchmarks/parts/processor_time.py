"""Trainings whose processor time is kept with them, because other programs share the machine."""

import json
import time
from pathlib import Path
from typing import Any

from dimaging_edge.common.files import write_json


def train_in(settings: Any, folder: Path) -> float:
    """Train into a folder unless it holds the finished run already; returns the processor time in s."""
    from dimaging_tf.training import runs

    kept = folder / "processor_time.json"
    if kept.is_file():
        return float(json.loads(kept.read_text(encoding="utf-8"))["seconds"])
    began = time.process_time()
    runs.train(settings, folder)
    seconds = time.process_time() - began
    write_json(kept, {"seconds": seconds})
    return seconds
