"""run() takes what the graph states and says what differs from it."""

from pathlib import Path

import numpy as np
import pytest
from dimaging_edge import InputError, open_bundle
from dimaging_edge.bundle.checks import check_inputs
from dimaging_edge.bundle.schema import Graph, Tensor

ROW = np.zeros((2, 4), np.float32)
IMAGE = np.zeros((1, 8, 8, 1), np.float32)


def _with(array: np.ndarray, value: float) -> np.ndarray:
    array = array.copy()
    array.flat[3] = value
    return array


REFUSED = [
    ("decoder", {}, "decoder: input 'z' is missing; expected z, received none"),
    ("decoder", {"x": ROW}, "decoder: no input 'x'; known: z"),
    ("decoder", {"z": ROW, "zz": ROW}, "no input 'zz'; did you mean 'z'? known: z"),
    (
        "decoder",
        {"z": [[0.0] * 4]},
        "a numpy array of float32, received a list; convert it: numpy.",
    ),
    ("decoder", {"z": 0.5}, "a numpy array of float32, received a float"),
    ("decoder", {"z": ROW.astype(np.float64)}, "received float64; nothing is cast silently: use"),
    ("decoder", {"z": ROW.astype(">f4")}, "received >f4"),
    ("decoder", {"z": ROW[0]}, "shape (batch, 4) with 2 dimensions, received (4,) with 1"),
    ("decoder", {"z": ROW[:, :3]}, "received (2, 3): dimension 1 is 3, not 4"),
    ("decoder", {"z": ROW[:0]}, "received (0, 4): dimension 0 is 0, not at least 1"),
    ("decoder", {"z": _with(ROW, np.nan)}, "finite values, received 1 that are NaN or infinite"),
    ("decoder", {"z": _with(ROW, np.inf)}, "finite values, received 1 that are NaN or infinite"),
    # A masked array hides values from min() and max(), and hands all of them to onnxruntime.
    ("decoder", {"z": np.ma.masked_invalid(_with(ROW, np.nan))}, "received 1 that are NaN"),
    ("denoiser", {"noisy": np.ma.masked_greater(_with(IMAGE, 9), 5)}, "in [0, 1], received [0, 9]"),
    ("denoiser", {"noisy": _with(IMAGE, 1.5)}, "values in [0, 1], received [0, 1.5]"),
    ("denoiser", {"noisy": _with(IMAGE, -0.1)}, "values in [0, 1], received [-0.1, 0]"),
    ("denoiser", {"noisy": IMAGE.astype(np.uint8)}, "float32) if the values mean the same (legal"),
    ("negative", {"photo": np.zeros((2, 8, 8, 3), np.uint8)}, "dimension 0 is 2, not 1"),
    ("decodre", {"z": ROW}, "no graph 'decodre' in toy-fp32; did you mean 'decoder'? known:"),
]


@pytest.mark.parametrize(("graph", "arrays", "says"), REFUSED)
def test_refused(toy: Path, graph: str, arrays: dict, says: str) -> None:
    with pytest.raises(InputError) as caught:
        open_bundle(toy).run(graph, **arrays)
    assert says in str(caught.value)


def test_free_dimensions_of_one_name_agree() -> None:
    shape = ("batch", "width")
    tensors = tuple(Tensor(name, "int64", shape, (0, 9), "", (1, 1)) for name in ("a", "b"))
    graph = Graph("g", "g.onnx", tensors, tensors, 17, None, {}, {})
    a, b = np.zeros((2, 3), np.int64), np.zeros((2, 5), np.int64)
    assert check_inputs(graph, {"a": a, "b": a})["b"] is a
    with pytest.raises(InputError, match="width is 5 here and 3 in 'a'"):
        check_inputs(graph, {"a": a, "b": b})
    with pytest.raises(InputError, match=r"expected values in \[0, 9\], received \[0, 10\]"):
        check_inputs(graph, {"a": a, "b": a + 10 * (np.arange(3) == 1)})


def test_arrays_pass_uncopied_and_any_layout(toy: Path) -> None:
    bundle = open_bundle(toy)
    image = np.linspace(0, 1, 2 * 6 * 10, dtype=np.float32).reshape(2, 6, 10, 1)
    assert check_inputs(bundle.graph("denoiser"), {"noisy": image})["noisy"] is image
    turned = image.transpose(0, 2, 1, 3)  # not contiguous
    want = bundle.run("denoiser", noisy=np.ascontiguousarray(turned))["clean"]
    np.testing.assert_array_equal(bundle.run("denoiser", noisy=turned)["clean"], want)


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2"])
def test_threads(toy: Path, threads: object) -> None:
    with pytest.raises(InputError, match="threads: expected an integer of 1 or more, received"):
        open_bundle(toy, threads=threads)  # pyright: ignore[reportArgumentType]
