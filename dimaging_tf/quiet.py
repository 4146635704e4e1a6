"""Loading TensorFlow without its messages: its C++ side writes to stderr before any log level counts."""

import os
import sys
import tempfile

from dimaging_edge.common import output

from dimaging_tf.errors import UserError


def load_tensorflow() -> None:
    """Import TensorFlow and Keras; what they print is shown only where the import fails.

    UserError where the environment asks Keras for another backend.
    """
    if "tensorflow" in sys.modules:
        return
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise UserError(
            f"KERAS_BACKEND={backend} is set; dimaging trains and exports with TensorFlow: "
            "set KERAS_BACKEND=tensorflow, or leave it out"
        )
    if output.level > 0:  # --verbose
        import keras
        import tensorflow

        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            import keras  # noqa: F401
            import tensorflow  # noqa: F401
        except BaseException:
            said.seek(0)
            os.write(terminal, said.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
