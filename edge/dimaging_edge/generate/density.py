"""Draw from an explicit density (PixelCNN and its kin): samples, completions, enlargements.

    bundle = open_bundle("bundle/pixelcnn-fp32")
    image = sample(bundle, 16, seed=0)                    # float32 [16, H, W, C] in [0, 1]
    filled = complete(bundle, image[0], mask, 4)          # mask [H, W, 1], 1 where the image is known

The noise comes from `common.random.uniform`, so a seed gives the same image on every device whose arithmetic
agrees; image i does not depend on how many are drawn.
"""

from collections.abc import Callable, Mapping

import numpy as np

from dimaging_edge.bundle.open import Bundle
from dimaging_edge.common.errors import BundleError, InputError
from dimaging_edge.common.random import uniform
from dimaging_edge.generate.stepping import Shapes, draw_by_steps, fit_together

Progress = Callable[[int, int], object]

ROWS_UP_TO = 4
"""The largest number of images for which the fixed point of a row beats the loop over its pixels."""
AT_ONCE = 64
"""The most images in one run of the graph."""
IMAGES = ("noise", "canvas", "mask")
"""The inputs of a sampler that are images."""


def sample(
    bundle: Bundle,
    n: int,
    seed: int = 0,
    *,
    condition: np.ndarray | None = None,
    canvas: np.ndarray | None = None,
    mask: np.ndarray | None = None,
    graph: str | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Draw `n` images, float32 [n, H, W, C] in [0, 1].

    condition: the model's condition, [n, ...] (see `condition_of`). canvas [n, H, W, C]: kept where
    mask [n, H, W, 1] is 1. graph: "sampler", "sampler_rows" or "pixel" (a step of the host for each pixel);
    by default the fastest for this number of images. progress(done, total) is called with numbers of images.
    InputError for another kind of bundle, and for arrays of another shape or alphabet.
    """
    if n < 1:
        raise InputError(f"expected 1 image or more, received {n}")
    graph = _choose(bundle, n, graph)
    names = {"pixel": 2}.get(graph, 4)  # the number of dimensions
    channels = {name: bundle.tensor(graph, name, names).example[-1] for name in IMAGES}
    bundle.tensor(graph, "image", names)
    height, width = density_size(bundle)
    feed = {
        "noise": uniform(seed, (n, height, width, channels["noise"])),
        "canvas": _as(canvas, (n, height, width, channels["canvas"]), "canvas"),
        "mask": _as(mask, (n, height, width, 1), "mask"),
    }
    if canvas is not None:
        on_alphabet(bundle, feed["canvas"])
    if not np.isin(feed["mask"], (0, 1)).all():
        raise InputError("mask: expected 1 where the image is known and 0 elsewhere")
    name = condition_of(bundle)
    if (condition is None) != (name is None):
        raise InputError(_condition_words(bundle, name))
    if name is not None and condition is not None:
        feed[name] = np.asarray(condition, np.float32)
    at_once = 1 if _fixed_batch(bundle, graph) else AT_ONCE
    parts = []
    for start in range(0, n, at_once):
        part = {name: x[start : start + at_once] for name, x in feed.items()}
        if graph == "pixel":
            parts.append(draw_by_steps(step_inputs(bundle), bundle.run, part))
        else:
            parts.append(bundle.run(graph, **part)["image"])
        if progress:
            progress(min(start + at_once, n), n)
    return np.concatenate(parts)


def complete(
    bundle: Bundle, image: np.ndarray, mask: np.ndarray, n: int = 1, seed: int = 0, **more: object
) -> np.ndarray:
    """Fill in what is occluded, `n` times: float32 [n, H, W, C].

    image: float32 [H, W, C] on the alphabet; mask [H, W, 1], 1 where the image is known, 0 where it
    is to be drawn. `more` and errors are those of `sample`.
    """
    size = (*density_size(bundle), 1)
    if np.shape(mask) != size:
        raise InputError(f"mask: expected shape {size}, received {np.shape(mask)}")
    canvas, known = (np.repeat(np.asarray(x, np.float32)[None], n, 0) for x in (image, mask))
    return sample(bundle, n, seed, canvas=canvas, mask=known, **more)  # type: ignore[arg-type]


def levels(bundle: Bundle) -> int:
    """Return how many values a pixel may have; BundleError where none are stated."""
    return bundle.setting("levels", 2, 256)


def density_size(bundle: Bundle) -> tuple[int, int]:
    """Return height and width of the images; InputError for a bundle that is no explicit density."""
    if "density" not in bundle.graphs:
        raise InputError(
            f"{bundle.path.name} is no explicit density, it has the graphs {', '.join(bundle.graphs)}; "
            "export one: dimaging train pixelcnn"
        )
    image = bundle.tensor("density", "image", 4)
    return image.example[1], image.example[2]


def condition_of(bundle: Bundle) -> str | None:
    """Return the condition's name: "label" (one-hot), "low" (a small image), or None."""
    names = [t.name for t in bundle.graph("density").inputs if t.name != "image"]
    return names[0] if names else None


def on_alphabet(bundle: Bundle, image: np.ndarray) -> None:
    """Raise InputError for values between the levels: nothing is rounded silently."""
    top = levels(bundle) - 1
    symbols = image * top
    if np.abs(symbols - np.rint(symbols)).max() > 1e-3 or image.min() < 0 or image.max() > 1:
        raise InputError(
            f"the image has values outside the alphabet of {top + 1} levels: expected multiples of "
            f"1/{top} in [0, 1]; round it: numpy.rint(image * {top}) / {top}"
        )


def _choose(bundle: Bundle, n: int, graph: str | None) -> str:
    density_size(bundle)
    order = ("sampler_rows", "sampler") if n <= ROWS_UP_TO else ("sampler", "sampler_rows")
    if graph is None:
        return next((g for g in (*order, "pixel") if g in bundle.graphs), "sampler")
    return bundle.graph(graph).name


def _fixed_batch(bundle: Bundle, graph: str) -> bool:
    return bundle.graph(graph).inputs[0].shape[0] == 1


def _as(array: np.ndarray | None, shape: tuple[int, ...], name: str) -> np.ndarray:
    if array is None:
        return np.zeros(shape, np.float32)
    if np.shape(array) != shape:
        raise InputError(f"{name}: expected shape {shape}, received {np.shape(array)}")
    return np.asarray(array, np.float32)


def _condition_words(bundle: Bundle, name: str | None) -> str:
    if name is None:
        return f"{bundle.path.name} takes no condition; leave it out"
    tensor = next(t for t in bundle.graph("density").inputs if t.name == name)
    verb = ", or dimaging-edge upscale" if name == "low" else ""
    return (
        f"{bundle.path.name} needs its condition {name!r}: condition=, float32 {tensor.shape}{verb}"
    )


def step_inputs(bundle: Bundle) -> Mapping[str, Shapes]:
    """Return the inputs of the graphs `row` and `pixel`, by graph.

    InputError where the bundle has none, BundleError where they do not fit together.
    """
    if not {"row", "pixel"} <= set(bundle.graphs):
        raise InputError(
            f"{bundle.path.name} has no graphs row and pixel; export it again: --precision integer"
        )
    inputs = {
        name: {t.name: t.example for t in bundle.graph(name).inputs} for name in ("row", "pixel")
    }
    outputs = {name: {t.name for t in bundle.graph(name).outputs} for name in inputs}
    if not fit_together(inputs, outputs):
        raise BundleError(
            f"{bundle.path.name}: the graphs row and pixel do not fit together; export it again"
        )
    return inputs
