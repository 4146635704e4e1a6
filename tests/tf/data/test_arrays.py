"""One .npz of any kind: values come back, the split is fair, and nothing harmful is unpickled or inflated."""

import io
import re
import zipfile
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from dimaging_tf.data import load, own
from dimaging_tf.errors import DataError

RNG = np.random.default_rng(0)
X = {
    "image": RNG.integers(0, 256, (20, 4, 3, 1), np.uint8),
    "movie": RNG.integers(0, 65536, (20, 6, 4, 3, 3), np.uint16),
    "series": RNG.normal(size=(20, 6, 2)),
    "tokens": RNG.integers(0, 9, (20, 6)),
}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "mine.npz"


@pytest.mark.parametrize("kind", X)
@pytest.mark.parametrize("name", ["x", "trials"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_the_kind_follows_from_the_axes(file, kind, name, save):
    save(file, **{name: X[kind]})
    data = load(file)
    assert (data.kind, data.shape) == (kind, X[kind].shape[1:])
    assert len(data.train) + len(data.valid) == 20
    both = np.concatenate([data.train.x, data.valid.x])
    assert sorted(map(bytes, both)) == sorted(map(bytes, X[kind].astype(both.dtype)))
    assert data.licence == "not stated: your own data"
    assert data.vocabulary == (tuple("012345678") if kind == "tokens" else ())
    assert data.summary.startswith("20 ")


LABELS = [
    ("image", "label", (20,), "example"), ("image", "y", (20, 4, 3), "pixel"), ("movie", "y", (20, 6), "step"),
    ("series", "label", (20, 6), "step"), ("tokens", "y", (20,), "example"),
    *((kind, "y", (20, 1), "example") for kind in ("image", "movie", "series", "tokens")),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "shape", "label_kind"), LABELS)
def test_labels_stay_with_their_examples(file, kind, name, shape, label_kind):
    x = np.zeros(X[kind].shape, np.int32 if kind == "tokens" else np.float32)
    label = np.broadcast_to(np.arange(20).reshape(20, *[1] * (len(shape) - 1)), shape)
    x += (
        (np.arange(20) / 20 if kind != "tokens" else np.arange(20))
        .astype(x.dtype)
        .reshape(20, *[1] * (x.ndim - 1))
    )
    np.savez(file, **{"x": x, name: label})
    data = load(file, seed=3)
    for split in (data.train, data.valid):
        assert split.label_kind == label_kind
        first = split.x.reshape(len(split), -1)[:, 0] * (1 if kind == "tokens" else 20)
        assert np.array_equal(np.rint(first), np.asarray(split.label).reshape(len(split), -1)[:, 0])


@pytest.mark.parametrize(("classes", "numbers"), [(None, [0, 1]), (["right", "left"], [1, 0])])
def test_labels_may_be_words(file, classes, numbers):
    more = {} if classes is None else {"classes": classes}
    np.savez(
        file, x_train=S, x_valid=S, y_train=["left", "right"] * 10, y_valid=["left"] * 20, **more
    )
    data = load(file)
    assert data.classes == tuple(classes or ("left", "right"))
    assert np.asarray(data.train.label)[:2].tolist() == numbers
    assert set(np.asarray(data.valid.label).tolist()) == {numbers[0]}


def test_labels_may_be_true_and_false(file):
    np.savez(file, x=S, labels=S[:, 0, 0] > 0)
    data = load(file)
    assert np.array_equal(np.asarray(data.train.label), data.train.x[:, 0, 0] > 0)


def test_facts_beside_the_arrays(file):
    np.savez(
        file, x=X["movie"], label=RNG.integers(1, 3, (20, 4)), words=["cell", "divides"], rate=12.5,
        classes=["a"],
    )  # fmt: skip
    data = load(file)
    assert (data.train.label_kind, data.words, data.rate) == ("caption", ("cell", "divides"), 12.5)
    assert data.classes == ("a",)
    np.savez(file, x=X["tokens"], vocabulary=list("abcdefghi"))
    assert load(file).vocabulary == tuple("abcdefghi")


@pytest.mark.parametrize("ending", ["valid", "test", "val"])
def test_a_split_of_the_file_is_kept(file, ending):
    parts = {"x_train": X["series"][:5], f"x_{ending}": X["series"][5:]}
    labels: Any = {"y_train": np.arange(5), f"y_{ending}": np.arange(5, 20)}
    np.savez(file, **(parts | labels))
    data = load(file)
    assert np.array_equal(data.train.x, X["series"][:5].astype(np.float32))
    assert np.array_equal(np.asarray(data.valid.label), np.arange(5, 20))


@pytest.mark.parametrize(
    ("kind", "shape"), [("series", (20,)), ("series", (20, 6)), ("movie", (20, 6, 4, 3))]
)
def test_long_examples_are_cut_with_their_labels_on_one_side(file, kind, shape):
    label = np.arange(20).reshape(20, *[1] * (len(shape) - 1)) + np.zeros(shape, int)
    np.savez(file, x=X[kind], label=label)
    data = load(file, length=2)
    assert data.shape == (2, *X[kind].shape[2:])
    assert len(data.train) + len(data.valid) == 60
    train, valid = (set(np.asarray(split.label).ravel()) for split in (data.train, data.valid))
    assert not train & valid
    assert train | valid == set(range(20))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st_np.arrays(
        st.sampled_from([np.float16, np.float32, np.int16, np.int32]),
        st.tuples(st.integers(2, 5), st.integers(1, 4), st.integers(1, 3)),
        elements=st.integers(-2000, 2000),
    ),
    st.integers(0, 2**31),
)
def test_every_series_comes_back(tmp_path, x, seed):
    np.savez(tmp_path / "any.npz", x=x)
    data = load(tmp_path / "any.npz", seed=seed)
    both = np.concatenate([data.train.x, data.valid.x])
    assert both.dtype == np.float32
    assert sorted(map(bytes, both)) == sorted(map(bytes, x.astype(np.float32)))
    assert len(data.valid) >= 1


def nan(x):
    x = x.astype(np.float32)
    x[3, 2, 1] = np.nan
    return x


S, T = X["series"], X["tokens"]
ERRORS = [
    ({"x": S, "y": ["up"] * 20, "classes": ["left"]}, {}, "the label 'up' is not among the classes left"),
    ({"x": S, "y": S[:, 0, 0]}, {}, "labels are integers; received float64 (whole numbers: y.astype"),
    ({"x": nan(S)}, {}, "mine.npz: series are finite; received nan in example 3, step 2, channel 1"),
    ({"x": S * 1e300}, {}, "series are finite; received"),
    ({"x": S > 0}, {}, "mine.npz: x is bool; expected finite float32"),
    ({"x": S.astype(complex)}, {}, "mine.npz: x is complex128; expected finite float32"),
    ({"x": S.astype(str)}, {}, "expected finite float32"),
    ({"x": S[..., 0]}, {}, "mine.npz: x is float64 [20, 6]; expected images [N, H, W, C], movies"),
    ({"x": S[0, 0]}, {}, "mine.npz: x is float64 [2]; expected images"),
    ({"x": S.astype(np.uint8)}, {}, "x is uint8 [20, 6, 2]; grey images and movies have an axis of channels (save"),
    ({"x": T - 5}, {}, "mine.npz: tokens are int32 of at least 0; received -5"),
    ({"x": T + 2**40}, {}, "mine.npz: x has the token 10995116"),
    ({"x": T, "vocabulary": ["a"]}, {}, "token 8 is beyond the vocabulary of 1"),
    ({"x": T, "vocabulary": np.arange(9)}, {}, "vocabulary is int64 [9]; expected strings, one axis"),
    ({"x": X["image"].astype(int)}, {}, "mine.npz: images are uint8, uint16 or float32 in [0, 1]; received int64"),
    ({"x": X["image"] / 9}, {}, "mine.npz: float32 images lie in [0, 1]; received 0 to 28"),
    ({"x": S, "label": np.arange(19)}, {}, "mine.npz: labels have the shape [20] (one a series), [20, 6]"),
    ({"x": S, "y": np.zeros(20)}, {}, "mine.npz: labels are integers; received float64"),
    ({"x": S, "y": T, "label": T}, {}, "mine.npz holds label and y; expected one of them"),
    ({"x": S, "target": T}, {}, "mine.npz holds the arrays target, x; expected x, perhaps with label or y, or"),
    ({"x_train": S, "y_train": T[:, 0]}, {}, "mine.npz holds the arrays x_train, y_train; expected x, perhaps"),
    ({"x_train": S, "x_val": S, "x_test": S}, {}, "mine.npz holds x_test and x_val; expected one of them"),
    ({"x_train": S, "x_val": S, "y_val": T}, {}, "mine.npz has labels for one split only; expected them for both"),
    ({"x_train": S, "x_val": S[:, 1:]}, {}, "the examples of train are [6, 2], those of valid [5, 2]"),
    ({"x": S[:1]}, {}, "mine.npz holds 1 example; expected at least 2, one of them to validate with"),
    ({"x": S[:0]}, {}, "series have the shape [N, T, C], none of them 0; received [0, 6, 2]"),
    ({"x": S}, {"length": 7}, "has 6 steps; expected length= (--length) to be from 1 to that, received 7"),
    ({"x": X["image"]}, {"length": 2}, "length= (--length) is of movies, series and tokens; "),
    ({"x": S, "rate": 0.0}, {}, "mine.npz: rate is array(0.); expected one number of steps a second, above 0"),
    ({"x": S}, {"size": 8}, "is an .npz file, which has no size= (--size); it takes kind, length, seed"),
    ({"x": S}, {"kind": "movie"}, "movies have the shape [N, T, H, W, C], none of them 0; received [20, 6, 2]"),
    ({"x": T[:, 0], "y": T[:, :1]}, {"kind": "tokens"}, "tokens have the shape [N, T], none of them 0; received [20]"),
    ({"x": S}, {"kind": "tokens"}, "x is float64 [20, 6, 2]; expected images"),
]  # fmt: skip


@pytest.mark.parametrize(("arrays", "options", "words"), ERRORS)
def test_what_does_not_fit_is_said(file, arrays, options, words):
    np.savez(file, **arrays)
    with pytest.raises(DataError) as caught:
        load(file, **options)
    assert words in str(caught.value)


def test_unsigned_series_are_asked_for(file):
    np.savez(file, x=S.astype(np.uint8))
    assert load(file, kind="series").kind == "series"


def test_nothing_is_unpickled(file):
    np.savez(file, x=np.array([{"any": "object"}, print], object))
    with pytest.raises(
        DataError, match=r"'x' holds Python objects, which are never unpickled; expected num"
    ):
        load(file)


def bomb(file, shape, written):
    """An archive whose header promises `shape` float64 and that holds `written` bytes of them."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"shape": shape, "fortran_order": False, "descr": "<f8"}
    )
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", head.getvalue() + bytes(written))


def test_a_bomb_is_not_inflated(file, monkeypatch):
    monkeypatch.setattr(own, "MOST_BYTES", 2**20)
    monkeypatch.setattr(np, "load", lambda *a, **k: pytest.fail("it was opened"))
    bomb(file, (2**18,), 2**21)
    assert file.stat().st_size < 10_000
    with pytest.raises(
        DataError, match=r"mine\.npz would take 0\.0 GiB of memory; expected at most 0\.0009"
    ):
        load(file)


@pytest.mark.parametrize("written", [8, 800, 10**6])
def test_a_header_that_lies(file, written):
    bomb(file, (2**40, 2, 2), written)
    with pytest.raises(
        DataError, match=r"'x' of shape \[1099511627776, 2, 2\] takes .* bytes, the file holds"
    ):
        load(file)


@pytest.mark.parametrize("content", [b"", b"PK", b"\x93NUMPY", b"PK\3\4" + bytes(99)])
def test_what_is_no_archive(file, content):
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"mine\.npz is damaged, or no \.npz: "):
        load(file)


def test_one_flipped_byte_is_noticed(file):
    np.savez(file, x=S)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"mine\.npz is damaged, or no \.npz: Bad CRC-32"):
        load(file)


@pytest.mark.parametrize(
    ("shape", "axes"), [((20, 3, 8, 9), (0, 2, 3, 1)), ((20, 2, 1, 8, 9), (0, 1, 3, 4, 2))]
)
def test_channels_first_are_refused_with_the_mend(file, shape, axes):
    np.savez(file, x=np.zeros(shape, np.uint8))
    with pytest.raises(DataError, match=re.escape(f"save x.transpose{axes}")):
        load(file)
    np.savez(file, x=np.zeros(shape, np.uint8).transpose(axes))
    assert load(file).shape[-1] == shape[-3]


def test_bytes_in_uint16_are_said(file):
    np.savez(file, x=X["image"].astype(np.uint16))
    with pytest.warns(UserWarning, match=r"brightest pixel is 255 of 65535; .*astype\('uint8'\)"):
        load(file)


def test_a_column_of_labels_is_one_an_image(file):
    np.savez(file, x=X["image"], y=np.arange(20)[:, None])
    assert load(file).train.label_kind == "example"


@pytest.mark.parametrize(
    ("suffix", "words"),
    [(".npy", r"x=np\.load"), (".h5", "Save its arrays"), (".zip", "Unpack it")],
)
def test_files_that_are_not_read_say_what_to_do(tmp_path, suffix, words):
    (path := tmp_path / f"mine{suffix}").write_bytes(b"\x89")
    with pytest.raises(DataError, match=words):
        load(path)
