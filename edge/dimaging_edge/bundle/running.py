"""Runs of a session that can be stopped: by a time limit, or from a signal handler.

onnxruntime computes in C++, where Python's signals do not arrive; it looks at a flag between two operators.
So every run has such a flag, which a time limit raises, or a signal (`common.stopping`).
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from dimaging_edge.bundle.schema import Graph
from dimaging_edge.bundle.session import runtime
from dimaging_edge.common.errors import DimagingError, InputError, LimitError
from dimaging_edge.common.stopping import RUNS

if TYPE_CHECKING:
    import onnxruntime


def run_session(
    session: "onnxruntime.InferenceSession",
    graph: Graph,
    feeds: Mapping[str, np.ndarray],
    limit_s: float | None,
) -> list[Any]:
    """Return what a session answers, in the order of the graph's outputs.

    limit_s: the longest time in s, None for no limit; LimitError when it is over. DimagingError where
    onnxruntime fails.
    """
    with _stoppable(limit_s) as options:
        try:
            return session.run([output.name for output in graph.outputs], feeds, options)
        except Exception as error:  # onnxruntime raises a dozen unrelated types
            if options.terminate and limit_s is not None:
                raise LimitError(
                    f"{graph.name}: not done after {limit_s:g} s, the limit; allow it longer with limit_s= "
                    "(--limit), or give it less"
                ) from None
            shapes = ", ".join(f"{key}{array.shape}" for key, array in feeds.items())
            text = " ".join(str(error).split())
            raise DimagingError(f"{graph.name}: onnxruntime failed on {shapes}: {text}") from None


@contextmanager
def _stoppable(limit_s: float | None) -> Iterator[Any]:
    if limit_s is not None and not 0 < limit_s < threading.TIMEOUT_MAX:
        raise InputError(f"limit_s: expected a time above 0 s, received {limit_s!r}")
    options = runtime(allow_fallback=True).RunOptions()
    timer = None
    if limit_s is not None:
        timer = threading.Timer(limit_s, setattr, (options, "terminate", True))
        timer.daemon = True
        timer.start()
    RUNS.add(options)
    try:
        yield options
    finally:
        RUNS.discard(options)
        if timer is not None:
            timer.cancel()
