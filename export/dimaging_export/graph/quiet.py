"""Silence of TensorFlow and tf2onnx while they work for an export, which says itself what goes wrong."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def silence() -> Iterator[None]:
    """Keep every logger of this process from writing.

    tf2onnx also logs through the root logger, and TensorFlow reports each new size that Keras is run at as a
    function traced again.
    """
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
