"""The mean over the symmetries of an image ("self-ensemble", Lim et al. 2017, arXiv 1707.02921).

    found = run_symmetric(bundle, "unet", {"image": image})["probabilities"]

A network of convolutions answers a little differently when its image is turned. Each of the eight symmetries
of the square is run, its answer is turned back, and the mean is taken: errors that differ from one to the
next cancel, at eight times the time.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dimaging_edge.bundle.open import Bundle
from dimaging_edge.bundle.schema import Graph, Tensor
from dimaging_edge.common.errors import InputError
from dimaging_edge.generate.overlap import Progress, spatial_axes


def run_symmetric(
    bundle: Bundle,
    graph: str,
    inputs: Mapping[str, np.ndarray],
    run: Callable[..., Mapping[str, np.ndarray]] | None = None,
    *,
    progress: Progress | None = None,
    **options: Any,
) -> dict[str, np.ndarray]:
    """Return the outputs of a graph by name, each the mean over the symmetries of its images.

    inputs   images in the layout of the graph, batch first; other inputs stay as they are
    run      run(bundle, graph, inputs, progress=, **options), such as `run_tiled`; None: the whole image
    progress is called with (parts done, parts in all): the tiles of all symmetries, or the symmetries

    An image whose height and width are fixed and differ has four symmetries, without quarter turns.

    InputError where no input is an image, an output is none, or one holds whole numbers, which have no mean.
    """
    spec = bundle.graph(graph)
    outputs = _outputs(spec, inputs)
    total: dict[str, np.ndarray] = {}
    moves = [
        (turn, mirror) for turn in range(0, 4, 1 if _turns(spec) else 2) for mirror in (False, True)
    ]
    for number, (turn, mirror) in enumerate(moves):
        feed = {t.name: _moved(inputs[t.name], t, turn, mirror)
                for t in spec.inputs if t.name in inputs}  # fmt: skip
        tell = _share_of(progress, number, len(moves))
        if run:
            found = run(bundle, graph, feed, progress=tell, **options)
        else:
            found = bundle.run(graph, **feed)
            if tell:
                tell(1, 1)
        for name, axes in outputs.items():
            value = np.flip(found[name], axes[1]) if mirror else found[name]
            total[name] = total.get(name, 0) + np.rot90(value, -turn, axes).astype(np.float64)
    return {t.name: (total[t.name] / len(moves)).astype(np.dtype(t.dtype)) for t in spec.outputs}


def _share_of(progress: Progress | None, number: int, runs: int) -> Progress | None:
    """Return what one of several equal runs is told to report to, so that all count as one."""
    return progress and (lambda done, parts: progress(number * parts + done, runs * parts))


def _outputs(spec: Graph, inputs: Mapping[str, np.ndarray]) -> dict[str, tuple[int, int]]:
    """Return the axes of height and width of each output; InputError where something has no mean."""
    found = {}
    if not any(spatial_axes(t) and t.name in inputs for t in spec.inputs):
        raise InputError(f"graph {spec.name!r} takes no image, so there is nothing to turn")
    for tensor in spec.outputs:
        axes = spatial_axes(tensor)
        if axes is None:
            raise InputError(
                f"output {tensor.name!r} of graph {spec.name!r} is no image, so it cannot be turned back"
            )
        if np.dtype(tensor.dtype).kind != "f":
            raise InputError(
                f"output {tensor.name!r} of graph {spec.name!r} holds whole numbers ({tensor.dtype}), which "
                "have no mean; export the graph with a float output, such as probabilities"
            )
        found[tensor.name] = axes
    return found


def _turns(spec: Graph) -> bool:
    """Return whether a quarter turn keeps a shape that the graph takes."""
    sizes = [[t.shape[axis] for axis in axes] for t in spec.inputs if (axes := spatial_axes(t))]
    return all(a == b or not (isinstance(a, int) or isinstance(b, int)) for a, b in sizes)


def _moved(x: np.ndarray, tensor: Tensor, turn: int, mirror: bool) -> np.ndarray:
    axes = spatial_axes(tensor)
    if axes is None:
        return x
    x = np.rot90(x, turn, axes)
    return np.ascontiguousarray(np.flip(x, axes[1]) if mirror else x)
