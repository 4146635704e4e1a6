"""TRAIN: the lecture's systems in Keras. Importing this loads neither TensorFlow nor Keras.

    from dimaging_tf import data, models, training

    digits = data.load("mnist5k")                             # 5,000 real digits, no download
    train = data.to_float(digits.train.x)                     # float32 [4000, 28, 28, 1] in [0, 1]
    model = models.VAE(models.VAEConfig(latent_dim=2))        # a keras.Model: compile, fit, save
    callbacks = [training.RunRecord("runs/mine")]

Behind this import `keras.saving.load_model` opens the package's `.keras` files, with no custom_objects.
`evaluation` measures and draws, `physics` spoils images as cameras do; each package's docstring says what it
hands out.
"""

from typing import TYPE_CHECKING

from dimaging_edge.common.lazy import lazy_names
from dimaging_edge.common.version import __version__

from dimaging_tf.registry import know_files

if TYPE_CHECKING:
    from dimaging_tf import data, evaluation, models, physics, training

__all__ = ["__version__", "data", "evaluation", "models", "physics", "training"]

__getattr__ = lazy_names(
    __name__, {name: name for name in ("data", "evaluation", "models", "physics", "training")}
)

know_files()
