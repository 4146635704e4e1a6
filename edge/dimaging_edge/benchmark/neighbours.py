"""Keep the other cores busy, so that it matters less who else does.

Two hardware threads share a core, cores share a cache, and code of different character suffers
differently from company: a small dense graph lost up to 36 % against the reference convolution when
other programs ran, a large one 6 %. An idle machine can be made busy, the other way round is not
ours to choose; with matrix products of our own on the other cores both lost less than 9 %.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from dimaging_edge.session import default_threads

MOST = 16
# It ends by itself should its parent be killed.
_WORK = """
import os, sys
import numpy as np
a = np.full((256, 256), 1 / 256, np.float32)
print(flush=True)
while os.getppid() == int(sys.argv[1]):
    for _ in range(100):
        a @ a
"""


@contextmanager
def busy_neighbours(threads: int) -> Iterator[None]:
    """Keep the cores busy that `threads` threads leave free, as long as the block lasts."""
    count = max(0, min(default_threads() - threads, MOST))
    one_thread = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "VECLIB")}
    command = [sys.executable, "-c", _WORK, str(os.getpid())]
    started = []
    try:
        for _ in range(count):
            env = {**os.environ, **one_thread}
            started.append(subprocess.Popen(command, env=env, stdout=subprocess.PIPE))
        for process in started:
            process.stdout.readline()  # it is past its imports
        yield
    finally:
        for process in started:
            process.kill()
            process.communicate()
