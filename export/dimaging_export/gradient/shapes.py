"""Shapes of every tensor of a graph whose batch is free: they are inferred for two batches and compared.

A size that is the same for batches of 2 and of 3 is fixed; one that differs follows from the batch: None.
"""

import onnx
from onnx import shape_inference

from dimaging_export.errors import ExportError
from dimaging_export.graph.passes import with_shapes

Shape = tuple[int | None, ...]


def shapes_of(model: onnx.ModelProto, image: str) -> tuple[dict[str, Shape], frozenset[str]]:
    """Return tensor -> its shape, where it can be inferred, and which tensors begin with the free batch.

    ExportError where the image's sizes are free.
    """
    sizes = image_sizes(model, image)
    given = [(sizes[0],)] if sizes[0] else [(2,), (3,)]
    found = [_inferred(model, image, (*batch, *sizes[1:])) for batch in given]
    first, last = found[0], found[-1]
    shapes = {
        name: tuple(a if a == b else None for a, b in zip(shape, last[name], strict=True))
        for name, shape in first.items()
        if len(shape) == len(last.get(name, ())) and 0 not in shape
    }
    if len(found) == 1:
        return shapes, frozenset()
    rows = [n for n in shapes if (*first[n][:1], *last[n][:1]) == (2, 3)]
    return shapes, frozenset(n for n in rows if None not in shapes[n][1:])


def image_sizes(model: onnx.ModelProto, image: str) -> tuple[int, ...]:
    """Return the sizes of the image, the batch as 0 where it is free; ExportError for any other free one."""
    info = next(tensor for tensor in model.graph.input if tensor.name == image)
    sizes = tuple(dim.dim_value for dim in info.type.tensor_type.shape.dim)
    if len(sizes) < 2 or 0 in sizes[1:]:
        shown = [d.dim_param or d.dim_value or "?" for d in info.type.tensor_type.shape.dim]
        raise ExportError(
            f"the input {image!r} has the shape {shown}; a gradient needs [batch, ...] with every size but "
            "the batch fixed. Export the model for one size"
        )
    return sizes


def _inferred(model: onnx.ModelProto, image: str, sizes: tuple[int, ...]) -> dict[str, Shape]:
    known = shape_inference.infer_shapes(with_shapes(model, {image: sizes}), data_prop=True).graph
    return {
        tensor.name: tuple(dim.dim_value for dim in tensor.type.tensor_type.shape.dim)
        for tensor in (*known.value_info, *known.input, *known.output)
    }
