"""What a person hands to `fit`, `evaluate` and their kin, checked before it can do silent harm.

images of 0..255     refused: the networks take [0, 1]
sample_weight        refused where the loss of a model has no place for it
mixed precision      refused where a model's step needs float32
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dimaging_tf.data.given_training import check_shape

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
    call = inspect.signature(method).bind(*args, **more)
    given = call.arguments
    if _CACHED in more:
        return call
    takes = model.takes if "image" in model.kinds else None
    weighted = any(given.get(name) is not None for name in ("sample_weight", "class_weight"))
    for data in (given.get("x"), given.get("validation_data")):
        x, y, weight = _parts(data)
        y = given.get("y") if y is None else y
        if (weighted or weight is not None) and not weighs_examples(model):
            raise ValueError(
                f"{model.registry_name} does not weigh examples: its loss has no place for sample_weight "
                "or class_weight. Leave it out; an example that shall count twice may stand in the data twice"
            )
        if "tokens" not in model.kinds:
            check_shape(model.registry_name, x, model.example_shape, model.precomputed_shape)
        _check_range(model.registry_name, "images", x, takes)
        if model.targets_are_images:
            _check_range(model.registry_name, "target images", y, (0.0, 1.0))
    if given.get("sample_weight") is not None and given.get("y") is None and "x" in given:
        # Keras drops the weights of examples without a y; a model that needs none leaves this one out.
        given["y"] = np.zeros(len(given["sample_weight"]), np.float32)
    return call


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


def _parts(data: Any) -> tuple[Any, Any, Any]:
    """Return (x, y, sample_weight) of arrays, or of the first batch of what can be read again."""
    if hasattr(data, "element_spec") and hasattr(data, "take"):  # a tf.data.Dataset
        data = next(iter(data.take(1)), None)
    elif hasattr(data, "num_batches") and hasattr(data, "__getitem__"):  # a keras PyDataset
        data = data[0]
    if isinstance(data, tuple):
        x, y, weight = (*data, None, None, None)[:3]
        return x, y, weight
    return data, None, None


def _check_range(name: str, what: str, x: Any, legal: tuple[float, float] | None) -> None:
    if isinstance(x, Mapping):
        x = x.get("image", x.get("noisy"))
    if legal is None or not hasattr(x, "shape") or not hasattr(x, "dtype"):
        return
    array = np.asarray(x)
    if not array.size or array.dtype.kind not in "uif":
        return
    low, high = array.min(), array.max()
    if legal[0] - SLACK <= low and high <= legal[1] + SLACK:  # a NaN fails both
        return
    full = "65535" if high > 2000 else "255"  # noise reaches beyond full scale
    raise ValueError(
        f"{name} learns from {what} in [0, 1]; received {array.dtype} from {low:g} to {high:g}. Scale them "
        f"first: dimaging_tf.data.to_float(x) for uint8 and uint16, or x / {full}"
    )
