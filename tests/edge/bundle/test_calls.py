"""Calls of a graph: what is checked once, what every time, and arrays that are bound."""

from pathlib import Path

import numpy as np
import pytest
from dimaging_edge import BundleError, InputError, open_bundle
from dimaging_edge.bundle import calls, running


@pytest.fixture
def bundle(own: Path):
    return open_bundle(own, threads=1)


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).random((1, 8, 8, 1), np.float32)


@pytest.fixture
def looks(monkeypatch) -> list:
    """A list that grows by one for every full check of the inputs."""
    found: list = []
    full = calls.check_inputs

    def counted(*given):
        found.append(given)
        return full(*given)

    monkeypatch.setattr(calls, "check_inputs", counted)
    return found


def test_names_types_and_shapes_are_checked_once(bundle, image, looks):
    first = bundle.run("denoiser", noisy=image)["clean"]
    for _ in range(5):
        np.testing.assert_array_equal(bundle.run("denoiser", noisy=image)["clean"], first)
    assert len(looks) == 1
    bundle.run("denoiser", noisy=np.concatenate([image, image]))
    assert len(looks) == 2
    for _ in range(5):
        bundle.run("denoiser", noisy=image)
    assert len(looks) == 2


def test_arrays_of_the_bundles_own_are_looked_at_once(bundle, image, looks):
    first = bundle.again("denoiser", noisy=image)["clean"]
    np.testing.assert_array_equal(bundle.again("denoiser", noisy=image)["clean"], first)
    assert len(looks) == 1
    with pytest.raises(InputError, match="noisy"):
        bundle.again("denoiser", noisy=image[..., 0])
    with pytest.raises(InputError, match="noisy"):
        bundle.again("denoiser", noisy=np.ma.masked_array(np.where(image > 0.5, np.nan, image)))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda x: np.where(x > 0.5, np.nan, x).astype(np.float32), "expected finite values, received"),
        (lambda x: np.where(x > 0.5, -np.inf, x).astype(np.float32), "expected finite values, received"),
        (lambda x: x + 2, r"expected values in \[0, 1\], received \[2"),
        (lambda x: x - 2, r"expected values in \[0, 1\]"),
        (lambda x: x * np.float32(1e30), r"expected values in \[0, 1\]"),
        (lambda x: x.astype(np.float64), "expected a numpy array of float32, received float64"),
        (lambda x: x.tolist(), "received a list"),
        (lambda x: x[0], "with 4 dimensions"),
        (lambda x: x[..., [0, 0]], "dimension 3 is 2, not 1"),
        (lambda x: x[:0], "dimension 0 is 0, not at least 1"),
        (lambda x: np.ma.masked_array(x + 2, x > -9), r"expected values in \[0, 1\], received \[2"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_every_call(bundle, image, spoil, says):
    for _ in range(2):
        bundle.run("denoiser", noisy=image)
        with pytest.raises(InputError, match=says):
            bundle.run("denoiser", noisy=spoil(image))


@pytest.mark.parametrize("call", ["run", "bind"])
def test_names_are_checked_in_every_call(bundle, image, call):
    ask = getattr(bundle, call)
    bundle.run("denoiser", noisy=image)
    with pytest.raises(InputError, match="no input 'picture'"):
        ask("denoiser", picture=image)
    with pytest.raises(InputError, match="input 'noisy' is missing"):
        ask("denoiser")
    with pytest.raises(InputError, match="no graph 'denoise'"):
        ask("denoise", noisy=image)


def test_large_values_without_a_range_are_finite(bundle):
    z = np.full((1, 4), 1e30, np.float32)
    for _ in range(3):
        assert np.isfinite(bundle.run("decoder", z=z)["image"]).all()
        with pytest.raises(InputError, match="received 4 that are NaN or infinite"):
            bundle.run("decoder", z=z + np.float32(np.inf))


@pytest.mark.filterwarnings("error")
def test_nan_is_said_without_a_warning(bundle, image):
    bundle.run("denoiser", noisy=image)
    with pytest.raises(InputError, match="received 64 that are NaN"):
        bundle.run("denoiser", noisy=np.full_like(image, np.nan))


def test_an_array_with_gaps_is_what_it_shows(bundle, image):
    wide = np.repeat(image, 2, 2)[:, :, ::2]
    for _ in range(2):
        np.testing.assert_array_equal(
            bundle.run("denoiser", noisy=wide)["clean"],
            bundle.run("denoiser", noisy=image)["clean"],
        )


def test_what_is_remembered_is_bounded(bundle, monkeypatch):
    monkeypatch.setattr(calls, "_MOST", 3)
    for count in range(1, 9):
        bundle.run("decoder", z=np.zeros((count, 4), np.float32))
    mine = bundle._calls["decoder"]
    assert len(mine._seen) <= 3
    assert len(mine._answered) <= 3


def test_an_answer_of_another_shape_is_an_error(bundle, monkeypatch):
    z = np.zeros((1, 4), np.float32)
    bundle.run("decoder", z=z)
    monkeypatch.setattr(calls, "run_session", lambda *given: [np.zeros((1, 8, 9, 1), np.float32)])
    with pytest.raises(BundleError, match=r"the graph answered float32 of shape \(1, 8, 9, 1\)"):
        bundle.run("decoder", z=z)
    monkeypatch.setattr(calls, "run_session", lambda *given: [[0.0]])
    with pytest.raises(BundleError, match="the graph answered a list"):
        bundle.run("decoder", z=z)


def test_a_bound_graph_reads_and_writes_its_own_arrays(bundle):
    rng = np.random.default_rng(0)
    bound = bundle.bind("decoder", z=np.zeros((2, 4), np.float32))
    place = bound.outputs["image"]
    for _ in range(3):
        z = rng.normal(size=(2, 4)).astype(np.float32)
        bound.inputs["z"][...] = z
        found = bound()["image"]
        assert found is place
        np.testing.assert_array_equal(found, bundle.run("decoder", z=z)["image"])


def test_a_run_that_was_stopped_stops_no_later_one(bundle, image):
    first = bundle.run("denoiser", noisy=image)["clean"]
    for options in running._IDLE:
        options.terminate = True
    np.testing.assert_array_equal(bundle.run("denoiser", noisy=image)["clean"], first)
    before = list(running._IDLE)
    bundle.run("denoiser", noisy=image, limit_s=60.0)
    assert len(running._IDLE) == len(before) - 1  # its timer could still raise the flag


def test_binding_leaves_the_callers_array_alone(bundle):
    z = np.ones((1, 4), np.float32)
    bound = bundle.bind("decoder", z=z)
    bound.inputs["z"][...] = 5
    bound()
    assert (z == 1).all()


def test_a_bound_graph_checks_values_unless_told_not_to(bundle, image):
    bound = bundle.bind("denoiser", noisy=image)
    bound.inputs["noisy"][...] = 2
    with pytest.raises(InputError, match=r"expected values in \[0, 1\]"):
        bound()
    assert bound(check=False)["clean"].shape == image.shape
    bound.inputs["noisy"] = image
    with pytest.raises(
        InputError, match=r"an input was replaced; write into it: inputs.name.\[\.\.\.\] = x"
    ):
        bound()


def test_a_limit_holds_for_bound_graphs(bundle, image):
    with pytest.raises(InputError, match="limit_s: expected a time above 0 s, received 0"):
        bundle.bind("denoiser", limit_s=0, noisy=image)
    assert bundle.bind("denoiser", limit_s=60, noisy=image)()["clean"].shape == image.shape
