"""Masks of a graph, followed as Keras follows them when it runs: each tensor may carry one, layer by layer.

A functional model records only what the caller wrote. The mask that a layer reads comes, when the model
runs, from its input tensor; MultiHeadAttention gets one for its query and one for its value. The walk of
`trace` asks here what a call is given and what its outputs carry.
"""

import inspect
from collections.abc import Iterator
from typing import Any

import keras


def given(op: Any, args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call with the masks that Keras adds to them."""
    if not isinstance(op, keras.layers.Layer):
        return kwargs
    tensors = _tensor_arguments(op, args, kwargs)
    names = inspect.signature(op.call).parameters
    if len(tensors) == 1:
        wanted = {"mask": next(iter(tensors.values()))}
    else:
        wanted = {f"{name}_mask": value for name, value in tensors.items()}
    found = {
        name: keras.tree.map_structure(of, value)
        for name, value in wanted.items()
        if name in names and kwargs.get(name) is None
    }
    some = {k: v for k, v in found.items() if any(m is not None for m in keras.tree.flatten(v))}
    return {**kwargs, **some}


def carry(op: Any, args: tuple, kwargs: dict[str, Any], outputs: Any) -> None:
    """Give the outputs of a call the masks that Keras gives them; `kwargs` has those that it took.

    A mask that is not known until the layer runs, as of a nested model's own Embedding, is left out.
    """
    if not isinstance(op, keras.layers.Layer) or not op.supports_masking:
        return
    first = args[0] if args else next(iter(kwargs.values()), None)
    before = kwargs.get("mask")
    if before is None:
        before = keras.tree.map_structure(of, first)
    if isinstance(op, keras.layers.MultiHeadAttention):  # it takes the masks off its inputs
        for tensor in keras.tree.flatten((args, kwargs)):
            if isinstance(tensor, keras.KerasTensor):
                tensor._keras_mask = None  # type: ignore[attr-defined]
    try:
        masks = op.compute_mask(first, before)
    except (TypeError, ValueError, AttributeError):  # of layers that cannot say it without numbers
        masks = None
    if masks is None:
        return
    for tensor, mask in zip(keras.tree.flatten(outputs), keras.tree.flatten(masks), strict=False):
        if isinstance(mask, keras.KerasTensor):
            tensor._keras_mask = mask


def of(tensor: Any) -> Any:
    """Return the mask that a tensor carries, or None."""
    return getattr(tensor, "_keras_mask", None)


def left_out(model: Any) -> dict[str, Any]:
    """Return by which values the layers of a model skip steps, as `prove.inputs.Inputs` takes them."""
    layers = list(model._flatten_layers())
    values = [x.mask_value for x in layers if isinstance(x, keras.layers.Masking)]
    padded = any(isinstance(x, keras.layers.Embedding) and x.mask_zero for x in layers)
    return {"skipped": float(values[0]) if values else None, "padded": padded}


def operations(
    tensor: keras.KerasTensor, known: set[int]
) -> Iterator[tuple[Any, tuple, dict, Any]]:
    """Yield (operation, args, kwargs, output) of everything that makes a mask from known tensors, in order.

    known: identities of the tensors that exist; those that are made are added.
    """
    if id(tensor) in known:
        return
    history = tensor._keras_history  # type: ignore[attr-defined]
    node = history.operation._inbound_nodes[history.node_index]
    arguments = (node.arguments.args, node.arguments.kwargs)
    for source in keras.tree.flatten(arguments):
        if isinstance(source, keras.KerasTensor):
            yield from operations(source, known)
    known.update(id(output) for output in node.outputs)
    outputs = node.outputs[0] if len(node.outputs) == 1 else list(node.outputs)
    yield history.operation, *arguments, outputs


def _tensor_arguments(op: Any, args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call that are tensors, or structures of nothing else, by their names."""
    bound = inspect.signature(op.call).bind_partial(*args, **kwargs).arguments
    found = {}
    for name, value in bound.items():
        flat = keras.tree.flatten(value)
        if flat and all(isinstance(x, keras.KerasTensor) for x in flat):
            found[name] = value
    return found
