"""The optimizers of a GAN: a copy at another learning rate, and Adam in one operation a variable."""

from typing import Any

import keras
import tensorflow as tf

from dimaging_tf.training.steps import step_of


@keras.saving.register_keras_serializable("dimaging", name="Scaled")  # the name in files
class ScaledSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A learning-rate schedule multiplied by a factor."""

    def __init__(self, schedule, factor: float):
        self.schedule, self.factor = schedule, factor

    def __call__(self, step):
        """Return the learning rate of a step."""
        return self.factor * self.schedule(step)

    def get_config(self):
        """Return what Keras needs to rebuild the schedule."""
        schedule = keras.optimizers.schedules.serialize(self.schedule)
        return {"schedule": schedule, "factor": self.factor}

    @classmethod
    def from_config(cls, config):
        """Rebuild the schedule from `get_config`."""
        return cls(keras.optimizers.schedules.deserialize(config["schedule"]), config["factor"])


def copy_at_rate(optimizer: Any, factor: float) -> Any:
    """Return a new optimizer with the same settings and `factor` times the learning rate."""
    copy = type(optimizer).from_config(optimizer.get_config())
    rate = copy._learning_rate
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        # A built optimizer does not let its schedule be replaced, so the configuration is changed.
        config = {**optimizer.get_config(), "learning_rate": ScaledSchedule(rate, factor)}
        return type(optimizer).from_config(config)
    copy.learning_rate = float(keras.ops.convert_to_numpy(rate)) * factor
    return copy


def apply_adam(optimizer: Any, gradients: list[Any], variables: list[Any]) -> bool:
    """Apply Keras' Adam with one operation a variable instead of a dozen, and return True.

    The formula, the state and its place in a file are Keras'. Where the optimizer is not plain Adam, nothing
    happens and the answer is False.
    """
    extras = ("amsgrad", "weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "use_ema",
              "gradient_accumulation_steps", "loss_scale_factor")  # fmt: skip
    plain = type(optimizer) is keras.optimizers.Adam and not tf.distribute.has_strategy()
    if not plain or any(getattr(optimizer, name) for name in extras):
        return False
    if any(not isinstance(x, tf.Tensor) for x in gradients) or any(
        v.constraint is not None or v.overwrite_with_gradient for v in variables
    ):
        return False
    steps = tf.cast(step_of(optimizer) + 1, tf.float32)
    rate = tf.cast(optimizer._get_current_learning_rate(), tf.float32)
    for gradient, variable in zip(gradients, variables, strict=True):
        place, kind = optimizer._get_variable_index(variable), gradient.dtype
        first, second = optimizer._momentums[place], optimizer._velocities[place]
        one, two = (tf.constant(x, kind) for x in (optimizer.beta_1, optimizer.beta_2))
        tf.raw_ops.ResourceApplyAdam(
            var=variable.value.handle, m=first.value.handle, v=second.value.handle,
            beta1_power=one ** tf.cast(steps, kind), beta2_power=two ** tf.cast(steps, kind),
            lr=tf.cast(rate, kind), beta1=one, beta2=two,
            epsilon=tf.constant(optimizer.epsilon, kind), grad=gradient,
        )  # fmt: skip
    optimizer.iterations.assign_add(1)
    return True
