"""Run a graph of images piece by piece: overlapping tiles, whose answers fade into each other.

    bundle = open_bundle("bundle/unet-int8")
    found = run_tiled(bundle, "unet", {"image": image}, tile=256, overlap=64)["probabilities"]

A network of convolutions needs memory for the whole image at once, and a phone's file takes one size only.
Near the edge of a tile the network misses what lies outside, so there the neighbour's answer counts: a tile's
weight falls linearly over the overlap.
"""

from collections.abc import Callable, Mapping

import numpy as np

from dimaging_edge.bundle.open import Bundle
from dimaging_edge.bundle.schema import Tensor
from dimaging_edge.common.errors import InputError

Progress = Callable[[int, int], object]


def run_tiled(
    bundle: Bundle,
    graph: str,
    inputs: Mapping[str, np.ndarray],
    *,
    tile: int = 256,
    overlap: int | None = None,
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """Return the outputs of a graph for inputs of any height and width, by name.

    inputs    images of one size in the layout of the graph, batch first; other inputs go to every tile
    tile      side of a tile, pixels; the graph's own where that is fixed
    overlap   pixels that neighbours share, less than the tile; None: a quarter of it
    progress  is called with (tiles done, tiles in all)

    InputError where no input is an image, or an output is not as large as the image.
    """
    spec = bundle.graph(graph)
    axes = {t.name: spatial_axes(t) for t in spec.inputs if spatial_axes(t)}
    cut = {name: inputs[name] for name in axes if name in inputs}
    if not cut:
        raise InputError(f"graph {graph!r} takes no image, so there is nothing to cut into tiles")
    sizes = {tuple(x.shape[a] for a in axes[name] or ()) for name, x in cut.items()}
    if len(sizes) > 1:
        raise InputError(f"the images differ in size: {sorted(sizes)}; expected one size")
    size = sizes.pop()
    first = next(t for t in spec.inputs if t.name in cut)
    fixed = [first.shape[a] for a in axes[first.name] or ()]
    sides = tuple(
        f if isinstance(f, int) else min(tile, s) for f, s in zip(fixed, size, strict=True)
    )
    overlap = min(sides) // 4 if overlap is None else overlap
    if not 0 <= overlap < min(sides):
        raise InputError(
            f"overlap: expected 0 to {min(sides) - 1}, less than the tile; received {overlap}"
        )
    cut = {name: _padded(x, axes[name] or (), sides) for name, x in cut.items()}
    whole = tuple(max(a, b) for a, b in zip(size, sides, strict=True))
    places = [
        (y, x)
        for y in _starts(whole[0], sides[0], overlap)
        for x in _starts(whole[1], sides[1], overlap)
    ]
    total: dict[str, np.ndarray] = {}
    weights = np.zeros(whole, np.float32)
    for done, (y, x) in enumerate(places, 1):
        window = np.s_[y : y + sides[0], x : x + sides[1]]
        feed = {name: _window(a, axes[name] or (), window) for name, a in cut.items()}
        outputs = bundle.run(graph, **{**inputs, **feed})
        weight = np.outer(
            _ramp(sides[0], overlap, y > 0, y + sides[0] < whole[0]),
            _ramp(sides[1], overlap, x > 0, x + sides[1] < whole[1]),
        )
        weights[window] += weight
        for tensor in spec.outputs:
            value = _channels_last(outputs[tensor.name], tensor, sides)
            if tensor.name not in total:
                shape = (len(value), *whole, value.shape[-1])
                total[tensor.name] = np.zeros(shape, np.float32)
            total[tensor.name][:, window[0], window[1]] += value * weight[..., None]
        if progress:
            progress(done, len(places))
    return {t.name: _finished(total[t.name] / weights[..., None], t, size) for t in spec.outputs}


def spatial_axes(tensor: Tensor) -> tuple[int, int] | None:
    """Return the axes of height and width, None where the tensor is no image."""
    return {"NHWC": (1, 2), "NCHW": (2, 3)}.get(tensor.layout or "")


def _starts(size: int, side: int, overlap: int) -> list[int]:
    """Return where tiles begin, so that neighbours share at least `overlap` and the last ends at the edge."""
    return [*range(0, size - side, side - overlap), size - side]


def _ramp(side: int, overlap: int, before: bool, after: bool) -> np.ndarray:
    """Return the weight of each row of a tile: it rises over the overlap where there is a neighbour."""
    weight = np.ones(side, np.float32)
    rise = (np.arange(overlap, dtype=np.float32) + 1) / (overlap + 1)
    if before:
        weight[:overlap] = rise
    if after:
        weight[side - overlap :] = np.minimum(weight[side - overlap :], rise[::-1])
    return weight


def _padded(x: np.ndarray, axes: tuple[int, ...], sides: tuple[int, ...]) -> np.ndarray:
    """Continue an image that is smaller than a fixed tile by its reflection, below and to the right."""
    margins = [(0, 0)] * x.ndim
    for axis, side in zip(axes, sides, strict=True):
        margins[axis] = (0, max(0, side - x.shape[axis]))
    return np.pad(x, margins, mode="symmetric") if any(b for _, b in margins) else x


def _window(x: np.ndarray, axes: tuple[int, ...], window: tuple[slice, slice]) -> np.ndarray:
    index = [slice(None)] * x.ndim
    for axis, part in zip(axes, window, strict=True):
        index[axis] = part
    return np.ascontiguousarray(x[tuple(index)])


def _channels_last(value: np.ndarray, tensor: Tensor, sides: tuple[int, ...]) -> np.ndarray:
    axes = spatial_axes(tensor)
    if axes is None or tuple(value.shape[a] for a in axes) != sides:
        raise InputError(
            f"output {tensor.name!r} is {list(value.shape)} for a tile of {list(sides)}; only outputs as "
            "large as their image can be put together (without --tile the graph runs on the whole image)"
        )
    return np.moveaxis(value, 1, -1) if tensor.layout == "NCHW" else value


def _finished(value: np.ndarray, tensor: Tensor, size: tuple[int, ...]) -> np.ndarray:
    value = value[:, : size[0], : size[1]]
    dtype = np.dtype(tensor.dtype)
    value = (np.rint(value) if dtype.kind in "iu" else value).astype(dtype)
    return np.moveaxis(value, -1, 1) if tensor.layout == "NCHW" else value
