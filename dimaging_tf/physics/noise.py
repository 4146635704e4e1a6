"""Sensor noise with physical parameters (lecture: "denoising autoencoder").

    light ─ PoissonShot ─> electrons ─ GaussianRead ─> values ─ SaltAndPepper ─> picture

A noise model is a frozen value that is called as `noise(image, seed)`. It has no state: the same seed gives
the same noise, so a resumed training sees what it would have seen. It works on numpy arrays, and returns
them, and on tensors, also inside tf.data and tf.function.

image   float32 [N, H, W, C] or [H, W, C] in [0, 1]; 1 is full scale
seed    an integer, or int32 [2]
result  float32 of the same shape, NOT clipped: read noise leaves [0, 1], as in a linear sensor
        with a black level. clip=True models an 8-bit sensor, which limits values to [0, 1] and
        rounds them to 255 steps (so near black and white the noise is not zero on average).

A parameter is a number, or a range (low, high) from which every image of a batch draws its own value.
"""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dimaging_tf.errors import DataError, near

Level = float | tuple[float, float]
"""The parameter of a noise model: a number, or a range (low, high) from which each image draws."""


@dataclass(frozen=True)
class Noise(ABC):
    """Base of the noise models."""

    clip: bool = field(default=False, kw_only=True)  # limit to [0, 1] and round to 255 steps

    def __call__(self, image, seed):
        """Return the noisy image; DataError for integer images, whose full scale is not stated here."""
        import tensorflow as tf

        clean = tf.convert_to_tensor(image)
        if not clean.dtype.is_floating:
            raise DataError(
                f"noise is added to float32 images in [0, 1]; received {clean.dtype.name} "
                "(dimaging_tf.data.dataset.to_float converts)"
            )
        words = tf.convert_to_tensor([seed, 0] if isinstance(seed, int) else seed, tf.int32)
        noisy = self.apply(tf.cast(clean, tf.float32), words)
        if self.clip:
            noisy = tf.round(tf.clip_by_value(noisy, 0.0, 1.0) * 255.0) / 255.0
        return noisy.numpy() if isinstance(image, np.ndarray) else noisy

    @abstractmethod
    def apply(self, image, seed) -> Any:
        """Return the noisy tensor of a float32 tensor; seed: int32 [2]."""

    @property
    @abstractmethod
    def spec(self) -> str:
        """The text that `parse` turns into an equal model, such as "poisson:30,gaussian:5-50,clip"."""

    def _end(self) -> str:
        return ",clip" if self.clip else ""


@dataclass(frozen=True)
class PoissonShot(Noise):
    """Shot noise of photons, which arrive one by one: variance image / photons, in a perfect sensor too."""

    photons: Level  # at full scale (image = 1); a range is drawn from uniformly in its logarithm

    def __post_init__(self) -> None:
        _check("photons", self.photons, above=0, unit="photons at full scale")

    def apply(self, image, seed):
        """Draw Poisson counts, and divide them by `photons`. Values below 0 emit no photons."""
        import tensorflow as tf

        photons = _draw(self.photons, image, seed, logarithmic=True)
        rate = tf.maximum(image, 0.0) * photons
        counts = tf.random.stateless_poisson(tf.shape(image), _fold(seed, 1), rate, tf.float32)
        return counts / photons

    @property
    def spec(self) -> str:
        """The text poisson:PHOTONS."""
        return f"poisson:{_text(self.photons)}{self._end()}"


@dataclass(frozen=True)
class GaussianRead(Noise):
    """Read noise of the amplifier: the same everywhere in the picture, whatever the light."""

    sigma: Level  # standard deviation in grey levels of 255

    def __post_init__(self) -> None:
        _check("sigma", self.sigma, unit="grey levels of 255")

    def apply(self, image, seed):
        """Add independent normal values."""
        import tensorflow as tf

        normal = tf.random.stateless_normal(tf.shape(image), _fold(seed, 1))
        return image + normal * (_draw(self.sigma, image, seed) / 255.0)

    @property
    def spec(self) -> str:
        """The text gaussian:SIGMA."""
        return f"gaussian:{_text(self.sigma)}{self._end()}"


@dataclass(frozen=True)
class SaltAndPepper(Noise):
    """Defective pixels: half of them are black (0) and half white (1), in all their channels."""

    fraction: Level  # of the pixels, 0 to 1

    def __post_init__(self) -> None:
        _check("fraction", self.fraction, most=1, unit="a share of the pixels")

    def apply(self, image, seed):
        """Replace single pixels."""
        import tensorflow as tf

        pixels = tf.concat([tf.shape(image)[:-1], [1]], 0)
        chance = tf.random.stateless_uniform(pixels, _fold(seed, 1))
        half = _draw(self.fraction, image, seed) / 2.0
        return tf.where(chance < half, 0.0, tf.where(chance >= 1.0 - half, 1.0, image))

    @property
    def spec(self) -> str:
        """The text salt_pepper:FRACTION."""
        return f"salt_pepper:{_text(self.fraction)}{self._end()}"


@dataclass(frozen=True)
class Sequence(Noise):
    """Several noise models, one after the other, each with random numbers of its own."""

    stages: tuple[Noise, ...]  # in the order of their application

    def apply(self, image, seed):
        """Apply the stages in their order."""
        for number, stage in enumerate(self.stages, 2):
            image = stage(image, _fold(seed, number))
        return image

    @property
    def spec(self) -> str:
        """The stages' texts, joined by commas."""
        return ",".join(stage.spec for stage in self.stages) + self._end()


MODELS = {"poisson": PoissonShot, "gaussian": GaussianRead, "salt_pepper": SaltAndPepper}
"""Name in a text -> noise model, in the order in which a camera adds them."""
_NUMBER = r"\d+(?:\.\d*)?(?:e[+-]?\d+)?"
_LEVEL = re.compile(rf"({_NUMBER})(?:-({_NUMBER}))?", re.IGNORECASE)


def parse(spec: str) -> Noise:
    """Make a model from text: "gaussian:25", "poisson:10-100,gaussian:5-50,salt_pepper:0.05,clip".

    In whatever order they are written, the parts are applied in the camera's order: photons, read noise,
    dead pixels, clipping. DataError says which part is wrong and what was expected.
    """
    parts = [part.strip() for part in spec.split(",")]
    clip = len(parts) > 1 and parts[-1] == "clip"
    stages = [_parse_part(part, spec) for part in (parts[:-1] if clip else parts)]
    order = list(MODELS.values())
    stages.sort(key=lambda stage: order.index(type(stage)))
    model = stages[0] if len(stages) == 1 else Sequence(tuple(stages))
    return replace(model, clip=clip)


def _parse_part(part: str, spec: str) -> Noise:
    name, _, level = part.partition(":")
    if name not in MODELS:
        raise DataError(
            f"noise '{spec}': unknown model '{name}'; {near(name, MODELS)} (expected NAME:LEVEL; "
            "'clip' only at the end)"
        )
    match = _LEVEL.fullmatch(level)
    if not match:
        raise DataError(
            f"noise '{spec}': '{level}' is not a level of {name}; expected a number such as 25 "
            "or a range such as 5-50"
        )
    low, high = match.groups()
    return MODELS[name](float(low) if high is None else (float(low), float(high)))


def _check(
    name: str, level: Level, *, unit: str, above: float | None = None, most: float = np.inf
) -> None:
    low, high = level if isinstance(level, tuple) else (level, level)
    if not (0 <= low <= high <= most and np.isfinite(high)) or (above is not None and low <= above):
        least = "0 or more" if above is None else f"above {above:g}"
        limit = "" if most == np.inf else f" and at most {most:g}"
        raise DataError(
            f"{name} is {unit}, {least}{limit}, as a number or a range (low, high); "
            f"received {level}"
        )


def _draw(level: Level, image, seed, logarithmic: bool = False):
    """Draw one value for each image, to be broadcast over [H, W, C]."""
    import tensorflow as tf

    if not isinstance(level, tuple):
        return tf.constant(level, tf.float32)
    low, high = np.log(level) if logarithmic else level
    each = tf.concat([tf.shape(image)[:-3], [1, 1, 1]], 0)
    value = tf.random.stateless_uniform(each, _fold(seed, 0), low, high)
    return tf.exp(value) if logarithmic else value


def _fold(seed, number: int) -> Any:
    """Derive a seed of its own for each purpose."""
    import tensorflow as tf

    return tf.random.fold_in(seed, number)


def _text(level: Level) -> str:
    values = level if isinstance(level, tuple) else (level,)
    return "-".join(np.format_float_positional(value, trim="-") for value in values)
