"""The language reference of Python, which every Python brings for `help()`: prose without a download.

0.5 million characters of 3.11, about 100 different ones; another version of Python has another edition.
"""

from collections.abc import Sequence
from dataclasses import replace

from dimaging_tf.data.dataset import Dataset
from dimaging_tf.data.text_file import text_dataset
from dimaging_tf.errors import DataError


def load_python_docs(length: int | None = None, vocabulary: Sequence[str] | None = None) -> Dataset:
    """Load tokens [N, length] (length: 64) of all topics in alphabetical order, as `text_file.load_text`."""
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise DataError(
            "this Python comes without its documentation, the module pydoc_data; train on a text of your "
            "own: --data FILE.txt"
        ) from None
    text = "\n\n".join(topics[name].strip() for name in sorted(topics))
    found = text_dataset(text, "python_docs", length=length, vocabulary=vocabulary)
    source = "pydoc_data of the standard library; https://docs.python.org/3/reference"
    return replace(found, licence="PSF-2.0", source=source)
