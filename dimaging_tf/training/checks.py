"""What can be said of a run's settings before TensorFlow loads, which takes seconds."""

import math
from importlib.util import find_spec
from pathlib import Path

from dimaging_tf import data, registry
from dimaging_tf.data import augment
from dimaging_tf.errors import DataError, UserError
from dimaging_tf.training import runs
from dimaging_tf.training.model_settings import check_changes
from dimaging_tf.training.strategies import check_strategy, place_of


def check_settings(settings: runs.Settings, out: Path) -> None:
    """Raise UserError for the first setting that cannot be: a name, a type, an option that the data lacks.

    Nothing is opened but the headers of what `--data` and `--init` name; `out` is the run folder to come.
    """
    check_changes(registry.find(settings.model), settings.changes)
    check_strategy(settings.strategy, settings.minutes)
    augment.check_policy(settings.augment)
    if settings.augment in augment.BY_KERAS_CV and find_spec("keras_cv") is None:
        raise DataError(
            f"augmentation '{settings.augment}' needs keras_cv: pip install 'dimaging[augment]'"
        )
    if not 0 < settings.learning_rate < math.inf:
        raise UserError(
            f"--learning-rate is a number above 0, such as 0.001. Received: {settings.learning_rate:g}"
        )
    if settings.data in data.NAMES:
        runs.check_kind(settings, settings.data, (data.KINDS[settings.data],))
    data.check_options(settings.data, runs.data_options(settings))
    if settings.init:
        _check_init(Path(settings.init))
    runs.check_free(place_of(settings.strategy, out))


def _check_init(source: Path) -> None:
    """Raise UserError where there is no .keras file, and no run that has one."""
    if source.suffix == ".keras" and not source.is_file():
        raise UserError(
            f"--init: there is no file {source}; a run folder or a .keras file is needed"
        )
    if source.suffix != ".keras":
        runs.latest(source)
