"""Runs of a session that can be stopped: by a time limit, or from a signal handler.

onnxruntime computes in C++, where Python's signals do not arrive; it looks at a flag between two operators.
So every run has such a flag, which a time limit raises, or a signal (`common.stopping`).
"""

import threading
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from dimaging_edge.bundle.session import runtime
from dimaging_edge.common.errors import DimagingError, InputError, LimitError
from dimaging_edge.common.stopping import RUNS

if TYPE_CHECKING:
    import onnxruntime


def run_session(
    session: "onnxruntime.InferenceSession",
    name: str,
    outputs: "Sequence[str] | onnxruntime.IOBinding",
    feeds: Mapping[str, np.ndarray],
    limit_s: float | None,
) -> list[Any]:
    """Return what a session answers, in the order of `outputs`; nothing where that is a binding.

    name: of the graph, for messages. limit_s: the longest time in s, None for no limit; LimitError when it is
    over. DimagingError where onnxruntime fails.
    """
    options = _options()
    timer = None if limit_s is None else _timer(limit_s, options)
    RUNS.add(options)
    try:
        if isinstance(outputs, list):
            return session.run(outputs, feeds, options)
        session.run_with_iobinding(outputs, options)
    except Exception as error:  # onnxruntime raises a dozen unrelated types
        if options.terminate and limit_s is not None:
            raise LimitError(
                f"{name}: not done after {limit_s:g} s, the limit; allow it longer with limit_s= "
                "(--limit), or give it less"
            ) from None
        shapes = ", ".join(f"{key}{array.shape}" for key, array in feeds.items())
        text = " ".join(str(error).split())
        raise DimagingError(f"{name}: onnxruntime failed on {shapes}: {text}") from None
    else:
        return []
    finally:
        RUNS.discard(options)
        if timer is None:
            _IDLE.append(options)
        else:  # it may still raise the flag of these options, so no other run gets them
            timer.cancel()


_IDLE: list[Any] = []
"""Options of runs that are over, for the next ones: new ones take a tenth of the time of a small run."""


def _options() -> Any:
    """Return options for one run, whose flag is down."""
    try:
        options = _IDLE.pop()
    except IndexError:
        options = _run_options()()
        # Without an entry to find onnxruntime's Python raises and catches an error, 30 us a bound run.
        options.add_run_config_entry("gpu_graph_id", "0")
        return options
    if options.terminate:
        options.terminate = False
    return options


@cache
def _run_options() -> Any:
    """Return the class of a run's options; to look onnxruntime up in each call costs as much as a run."""
    return runtime(allow_fallback=True).RunOptions


def _timer(limit_s: float, options: Any) -> threading.Timer:
    """Return a timer that runs, and stops what has these options."""
    if not 0 < limit_s < threading.TIMEOUT_MAX:
        raise InputError(f"limit_s: expected a time above 0 s, received {limit_s!r}")
    timer = threading.Timer(limit_s, setattr, (options, "terminate", True))
    timer.daemon = True
    timer.start()
    return timer
