"""What a person hands to `compile` and `fit` beside the data itself, checked before it is left out silently.

loss=, metrics=      refused where a model's own step computes the loss: they would change nothing
examples             refused where a side or the channels are not those that the networks were made for
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

_OF_THE_LOSS = ("loss", "loss_weights", "metrics", "weighted_metrics")
_EXAMPLES = ("image", "noisy", "series", "movie")
"""The names of what models learn from, where `fit`'s x is a dict."""


def check_objective(model: Any, given: Mapping[str, Any]) -> None:
    """ValueError where `compile` gets a loss or metrics, and the model's own step computes its loss.

    given: the arguments of `compile` by name.
    """
    import keras

    if type(model).train_step is keras.Model.train_step:
        return
    if named := [name for name in _OF_THE_LOSS if given.get(name) is not None]:
        logs = ", ".join(model.trackers) or "loss"
        raise ValueError(
            f"{model.registry_name} computes its own loss, and reports {logs}: {named[0]}= of compile would "
            "change nothing. Leave it out: model.compile(optimizer=...)"
        )


def check_classes(name: str, y: Any) -> None:
    """ValueError where class_weight meets no y, or one that has not one class for each example."""
    shape = getattr(y, "shape", None)
    if y is None or (shape is not None and len(shape) > 2):
        received = "no y" if y is None else f"y of shape {list(shape or ())}"
        raise ValueError(
            f"{name}: class_weight needs one class for each example, fit(x, y); received {received}. For "
            "masks take class_weights=(...) of the Config, or sample_weight [N]"
        )


def check_pair(model: Any, x: Any, y: Any) -> None:
    """ValueError where Keras' own step finds no y to compare with, or class numbers that the model lacks."""
    import keras

    if y is None and x is not None and type(model).train_step is keras.Model.train_step:
        what = "images, images" if model.targets_are_images else "x, y"
        raise ValueError(
            f"{model.registry_name} learns from pairs, fit({what}); received x alone. What y is for an x "
            f"says {type(model).__name__}.transform"
        )
    classes = model.label_classes
    if not classes or y is None or not getattr(y, "shape", ()):
        return
    label = np.asarray(y)
    whole = label.dtype.kind in "iu"
    if not label.size or not (whole or (label.ndim == 1 and label.dtype.kind == "f")):
        return
    if label.min() < 0 or label.max() >= classes:
        raise ValueError(
            f"{model.registry_name} has {classes} classes, 0 to {classes - 1}; received labels from "
            f"{label.min():g} to {label.max():g}. Number them 0, 1, 2, ..."
        )


def check_shape(
    name: str,
    x: Any,
    example: tuple[int | None, ...],
    precomputed: tuple[int, ...] | None = None,
    strict: bool = False,
) -> None:
    """ValueError where examples have another size, or other channels, than the model's networks take.

    name         of the model
    x            of `fit`: an array [N, ...], or a dict of arrays; another rank is Keras's to judge
    example      the shape of one example; None where any length will do
    precomputed  another shape that is right, where a fixed first part may be computed beforehand
    strict       whether another rank is refused, too, which Keras' own step mends or judges itself
    """
    if isinstance(x, Mapping):
        x = next((x[key] for key in _EXAMPLES if key in x), None)
    shape = getattr(x, "shape", None)
    if shape is None or tuple(shape[1:]) == precomputed:
        return
    if len(shape) != len(example) + 1:
        if strict:
            raise ValueError(_of_another_rank(name, tuple(shape), example))
        return
    if any(want not in (None, got) for want, got in zip(example, shape[1:], strict=True)):
        wanted = _sides(example)
        raise ValueError(
            f"{name} was made for examples [N, {wanted}]; received {list(shape)}. Make it for yours: "
            f"Config(shape={tuple(shape[1:])}), or bring them to that shape"
        )


def _sides(example: tuple[int | None, ...]) -> str:
    return ", ".join("any" if side is None else str(side) for side in example)


def _of_another_rank(name: str, shape: tuple[int, ...], example: tuple[int | None, ...]) -> str:
    """Say what is wrong with an array of another rank: most often an axis of channels, or the batch's."""
    mend = "Bring them to that shape"
    if len(shape) == len(example) and example[-1] == 1 and shape[1:] == example[:-1]:
        mend = "They have no axis of channels: x[..., None]"
    elif shape == example:
        mend = "It is one example alone: x[None]"
    return f"{name} was made for examples [N, {_sides(example)}]; received {list(shape)}. {mend}"
