"""Tools of `adversarial`: an optimizer at another rate, the cheapest passes of a discriminator."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("dimaging")
class Scaled(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule times a factor."""

    def __init__(self, schedule, factor: float):
        self.schedule, self.factor = schedule, factor

    def __call__(self, step):
        """Of a step."""
        return self.factor * self.schedule(step)

    def get_config(self):
        """Keras configuration."""
        schedule = keras.optimizers.schedules.serialize(self.schedule)
        return {"schedule": schedule, "factor": self.factor}

    @classmethod
    def from_config(cls, config):
        """Rebuild from `get_config`."""
        return cls(keras.optimizers.schedules.deserialize(config["schedule"]), config["factor"])


def slower_copy(optimizer: Any, factor: float) -> Any:
    """A copy with another learning rate."""
    copy = type(optimizer).from_config(optimizer.get_config())
    rate = copy._learning_rate
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        # Nothing stands in for the schedule of a built optimizer: so the configuration is changed.
        config = {**optimizer.get_config(), "learning_rate": Scaled(rate, factor)}
        return type(optimizer).from_config(config)
    copy.learning_rate = float(rate) * factor
    return copy


def passes_of(discriminator: Any) -> Any:
    """(lists of images, training) -> logits of all, by one pass of everything but the first layer.

    The backward pass needs the slope at generated images alone, and a framework computes that of a layer
    for its whole input: so real and generated images go through the first layer apart. None where that
    cannot be, as in a network that is told more than an image.
    """
    first = next((x for x in discriminator.layers if x.weights), None)
    if first is None or len(discriminator.inputs) > 1:
        return None
    try:
        stem = keras.Model(discriminator.input, first.output)
        rest = keras.Model(first.output, discriminator.output["logit"])
    except (
        ValueError
    ):  # there is another way from the image to the logit, or no layer behind the first
        return None

    def judge(images, training):
        seen = tf.concat([stem(x, training=training) for x in images], 0)
        return rest(seen, training=training)

    return judge
