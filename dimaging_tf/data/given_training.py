"""What a person hands to `compile` and `fit` beside the data itself, checked before it is left out silently.

loss=, metrics=      refused where a model's own step computes the loss: they would change nothing
examples             refused where a side or the channels are not those that the networks were made for
"""

from collections.abc import Mapping
from typing import Any

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


def check_shape(
    name: str, x: Any, example: tuple[int | None, ...], precomputed: tuple[int, ...] | None = None
) -> None:
    """ValueError where examples have another size, or other channels, than the model's networks take.

    name         of the model
    x            of `fit`: an array [N, ...], or a dict of arrays; another rank is Keras's to judge
    example      the shape of one example; None where any length will do
    precomputed  another shape that is right, where a fixed first part may be computed beforehand
    """
    if isinstance(x, Mapping):
        x = next((x[key] for key in _EXAMPLES if key in x), None)
    shape = getattr(x, "shape", None)
    if shape is None or len(shape) != len(example) + 1 or tuple(shape[1:]) == precomputed:
        return
    if any(want not in (None, got) for want, got in zip(example, shape[1:], strict=True)):
        wanted = ", ".join("any" if side is None else str(side) for side in example)
        raise ValueError(
            f"{name} was made for examples [N, {wanted}]; received {list(shape)}. Make it for yours: "
            f"Config(shape={tuple(shape[1:])}), or bring them to that shape"
        )
