"""A `.keras` file of a run is opened, or one sentence says what is wrong with it."""

import zlib
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from dimaging_tf.errors import UserError


def open_model(file: str | Path) -> Any:
    """Return the model of a `.keras` file, with its optimizer; UserError for a file that cannot be read.

    Keras says of a damaged file that it is not there, and of one that another version wrote, page by page,
    which layers got no weights.
    """
    import keras

    try:
        return keras.saving.load_model(file)
    except (ValueError, TypeError, KeyError, OSError, BadZipFile, zlib.error) as error:
        said = str(error).strip().split("\n")[0][:200]
        raise UserError(
            f"{file} cannot be opened: it is damaged, or a version with other networks wrote it. Train it "
            f"again, or use the version that run.json names. Keras says: {said}"
        ) from error
