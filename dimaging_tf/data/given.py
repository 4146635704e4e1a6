"""What a person hands to `fit`, `evaluate` and their kin, checked before it can do silent harm.

images of 0..255     refused: the networks take [0, 1]; so are NaN and infinity
no examples          refused, where Keras would train nothing
sample_weight        refused where the loss of a model has no place for it
mixed precision      refused where a model's step needs float32
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dimaging_tf.data.given_batches import first_batch
from dimaging_tf.data.given_training import check_classes, check_pair, check_shape

SLACK = 1e-3
"""How far values may lie outside their range, as a resampled image does, in units of full scale."""
_CACHED = "_use_cached_eval_dataset"
"""The argument by which `fit` tells `evaluate` that its data has been seen before."""


def checked(
    model: Any, method: Callable[..., Any], args: Sequence[Any], more: Mapping
) -> inspect.BoundArguments:
    """Return the arguments of `method(*args, **more)`, checked. ValueError for what the model cannot take.

    model: a DeployableModel.
    """
    import keras

    call = inspect.signature(method).bind(*args, **more)
    given, seen = call.arguments, {}
    if _CACHED in more:
        return call
    for name in ("x", "validation_data"):
        if name in given:
            seen[name], given[name] = first_batch(model.registry_name, given[name])
    takes = model.takes if "image" in model.kinds else None
    weighted = any(given.get(name) is not None for name in ("sample_weight", "class_weight"))
    for x, y, weight in seen.values():
        y = given.get("y") if y is None else y
        if (weighted or weight is not None) and not weighs_examples(model):
            raise ValueError(
                f"{model.registry_name} does not weigh examples: its loss has no place for sample_weight "
                "or class_weight. Leave it out; an example that shall count twice may stand in the data twice"
            )
        if "tokens" not in model.kinds:
            strict = type(model).train_step is not keras.Model.train_step
            check_shape(
                model.registry_name, x, model.example_shape, model.precomputed_shape, strict
            )
        _check_range(model.registry_name, "images", x, takes)
        if given.get("class_weight") is not None:
            check_classes(model.registry_name, y)
        check_pair(model, x, y)
        if model.targets_are_images:
            _check_range(model.registry_name, "target images", y, (0.0, 1.0))
    if given.get("sample_weight") is not None and given.get("y") is None and "x" in given:
        # Keras drops the weights of examples without a y; a model that needs none leaves this one out.
        given["y"] = np.zeros(len(given["sample_weight"]), np.float32)
    return call


def check_predicted(model: Any, x: Any) -> None:
    """ValueError for images outside of the range that the model takes; other inputs of `predict` pass."""
    if "image" not in model.kinds or hasattr(x, "__next__"):
        return
    try:
        (x, _, _), _ = first_batch(model.registry_name, x)
    except ValueError:
        return  # nothing to predict
    if len(getattr(x, "shape", ())) == len(model.example_shape) + 1:
        _check_range(model.registry_name, "images", x, model.takes)


def weighs_examples(model: Any) -> bool:
    """Return whether sample_weight counts in a model's step: in Keras's own, and where its class says so."""
    import keras

    said = model.weighs_examples
    return type(model).train_step is keras.Model.train_step if said is None else said


def check_policy(name: str, honoured: bool) -> None:
    """ValueError where Keras computes in less than float32 and the model does not train that way."""
    import keras

    policy = keras.config.dtype_policy()
    if honoured or policy.compute_dtype == "float32":
        return
    raise ValueError(
        f"{name} trains in float32 alone; the policy is {policy.name}. Before the model is made: "
        "keras.mixed_precision.set_global_policy('float32')"
    )


def _check_range(name: str, what: str, x: Any, legal: tuple[float, float] | None) -> None:
    if isinstance(x, Mapping):
        x = x.get("image", x.get("noisy"))
    if legal is None or not hasattr(x, "shape") or not hasattr(x, "dtype"):
        return
    array = np.asarray(x)
    if not array.size or array.dtype.kind not in "uif":
        return
    if array.dtype.kind == "f" and not (finite := np.isfinite(array)).all():
        rows = np.flatnonzero(~finite.reshape(len(array), -1).all(1))
        raise ValueError(
            f"{name} learns from {what} in [0, 1]; received NaN or infinity in {len(rows)} of {len(array)}, "
            f"the first of them number {rows[0]}. Leave them out, or fill them: numpy.nan_to_num(x)"
        )
    low, high = array.min(), array.max()
    if legal[0] - SLACK <= low and high <= legal[1] + SLACK:
        return
    full = "65535" if high > 2000 else "255"  # noise reaches beyond full scale
    raise ValueError(
        f"{name} learns from {what} in [0, 1]; received {array.dtype} from {low:g} to {high:g}. Scale them "
        f"first: dimaging_tf.data.to_float(x) for uint8 and uint16, or x / {full}"
    )
