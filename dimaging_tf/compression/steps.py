"""The training and validation step of a learned codec on the Keras backend that is in use.

Keras asks TensorFlow for a step that changes variables, and JAX for a pure function of the state

    (trainable, other, optimizer's, metrics' variables), images -> logs, the state after the step

Both descend the same `batch_loss`.
"""

from typing import Any

import keras

State = tuple[list[Any], ...]


def train_step(model: Any, *args: Any) -> Any:
    """One step of the optimizer on images [B, H, W, C]: (images) -> logs; JAX: (state, images)."""
    return (_jax_train_step if _jax() else _tensorflow_train_step)(model, *args)


def test_step(model: Any, *args: Any) -> Any:
    """Means over images [B, H, W, C] so far: (images) -> logs; JAX: (state, images)."""
    image, _, _ = keras.utils.unpack_x_y_sample_weight(args[-1])
    if not _jax():
        return model.validate(image)
    trainable, other, metrics = args[0]
    with keras.StatelessScope(state_mapping=_pairs(model, trainable, other, metrics)) as scope:
        logs = model.validate(image)
    return logs, (trainable, other, _found(scope, model.metrics_variables))


def _jax() -> bool:
    return keras.backend.backend() == "jax"


def uniform(shape: Any, seed: int, step: Any) -> Any:
    """Float32 in [0, 1) of a shape, a pure function of (seed, step).

    TensorFlow and JAX draw different numbers from the same seed; each draws the same ones every time.
    """
    if _jax():
        import jax  # pyright: ignore[reportMissingImports]

        return jax.random.uniform(jax.random.fold_in(jax.random.key(seed), step), tuple(shape))
    import tensorflow as tf

    from dimaging_tf.training.steps import step_uniform

    return step_uniform(tf.stack(shape), seed, step)


def _tensorflow_train_step(model: Any, data: Any) -> dict[str, Any]:
    from dimaging_tf.training.steps import descend, step_of

    image, _, _ = keras.utils.unpack_x_y_sample_weight(data)
    step = step_of(model.optimizer)
    return model.track(descend(model, lambda: model.batch_loss(image, step)))


def _jax_train_step(model: Any, state: State, image: Any) -> tuple[dict[str, Any], State]:
    import jax  # pyright: ignore[reportMissingImports]

    trainable, other, optimizer, metrics = state
    image, _, _ = keras.utils.unpack_x_y_sample_weight(image)
    (step,) = (
        value
        for variable, value in zip(model.optimizer.variables, optimizer, strict=True)
        if variable is model.optimizer.iterations
    )

    def loss_of(trainable: list[Any]) -> Any:
        with keras.StatelessScope(state_mapping=_pairs(model, trainable, other)):
            return model.batch_loss(image, step)

    (_, found), gradient = jax.value_and_grad(loss_of, has_aux=True)(trainable)
    trainable, optimizer = model.optimizer.stateless_apply(optimizer, gradient, trainable)
    pairs = _pairs(model, trainable, other, metrics)
    with keras.StatelessScope(state_mapping=pairs) as scope:
        logs = model.track(found)
    return logs, (trainable, other, optimizer, _found(scope, model.metrics_variables))


def _pairs(model: Any, trainable: Any, other: Any, metrics: Any = ()) -> list[tuple[Any, Any]]:
    """Variables with their values, as a StatelessScope takes them."""
    pairs = [
        *zip(model.trainable_variables, trainable, strict=True),
        *zip(model.non_trainable_variables, other, strict=True),
    ]
    return pairs + (list(zip(model.metrics_variables, metrics, strict=True)) if metrics else [])


def _found(scope: Any, variables: list[Any]) -> list[Any]:
    """The values that variables have at the end of a scope."""
    values = (scope.get_current_value(variable) for variable in variables)
    return [v.value if x is None else x for x, v in zip(values, variables, strict=True)]
