"""The contract of the data: what each kind and each label look like, and the words where they do not."""

import numpy as np
import pytest

from dimaging_tf.data.dataset import Dataset, Split, to_input
from dimaging_tf.data.kinds import FORMS, kind_of
from dimaging_tf.errors import DataError

N, T, H, W, C = 6, 5, 4, 3, 2
X = {
    "image": np.zeros((N, H, W, C), np.uint8),
    "movie": np.zeros((N, T, H, W, C), np.uint16),
    "series": np.linspace(-9, 9, N * T * C, dtype=np.float32).reshape(N, T, C),
    "tokens": np.arange(N * T, dtype=np.int32).reshape(N, T),
}
LABELS = [
    ("image", (N,), None, "example"),
    ("image", (N, H, W), None, "pixel"),
    ("image", (N, 7), None, "caption"),
    ("movie", (N,), None, "example"),
    ("movie", (N, T), None, "step"),
    ("movie", (N, T, H, W), None, "pixel"),
    ("movie", (N, 7), "caption", "caption"),
    ("movie", (N, T), "caption", "caption"),
    ("series", (N,), None, "example"),
    ("series", (N, T), None, "step"),
    ("series", (N, 7), "caption", "caption"),
    ("tokens", (N,), None, "example"),
    ("tokens", (N, T), None, "step"),
    ("tokens", (N, T), "caption", "caption"),
]


@pytest.mark.parametrize(("kind", "shape", "declared", "found"), LABELS)
def test_the_kind_of_a_label_follows_from_its_shape_or_is_declared(kind, shape, declared, found):
    split = Split(X[kind], np.zeros(shape, np.int32), kind, declared)
    assert split.label_kind == found
    assert len(split) == N


@pytest.mark.parametrize("kind", FORMS)
def test_every_kind_has_a_shape_a_range_and_what_a_model_gets(kind):
    vocabulary = tuple(map(str, range(N * T))) if kind == "tokens" else ()
    split = Split(X[kind], kind=kind)
    data = Dataset("mine", split, split, "free", "here", "some", vocabulary=vocabulary)
    assert kind_of(X[kind].ndim) == data.kind == kind
    assert data.shape == X[kind].shape[1:]
    expected = {"image": (0, 1), "movie": (0, 1), "series": (-9, 9), "tokens": (0, N * T - 1)}
    assert data.range == expected[kind]
    inputs = split.inputs(slice(2))
    assert inputs.dtype == (np.int32 if kind == "tokens" else np.float32)
    assert np.array_equal(inputs, to_input(X[kind][:2], kind))
    assert str(FORMS[kind]).startswith(FORMS[kind].plural)


def _x(kind, change):
    x = X[kind].astype(np.float32) if change in (np.nan, -1.5) else X[kind].copy()
    x[1] = change
    return x


WRONG = [
    (X["series"], None, "sound", None, "kind is one of image, movie, series, tokens; received 'sound'"),
    (X["image"], None, "movie", None, "movies have the shape [N, T, H, W, C], none of them 0; received"),
    (X["image"], None, "series", None, "series have the shape [N, T, C], none of them 0"),
    (X["series"], None, "tokens", None, "tokens have the shape [N, T], none of them 0"),
    (X["movie"].astype(float), None, "movie", None, "movies are uint8, uint16 or float32 in [0, 1]"),
    (X["series"].astype(float), None, "series", None, "series are finite float32; received float64"),
    (X["tokens"].astype(int), None, "tokens", None, "tokens are int32 of at least 0; received int64"),
    (_x("tokens", -1), None, "tokens", None, "tokens are int32 of at least 0; received -1"),
    (_x("series", np.nan), None, "series", None, "received nan in example 1, step 0, channel 0"),
    (_x("movie", -1.5), None, "movie", None, "float32 movies lie in [0, 1]; received -1.5 to 0 (divide"),
    (X["image"], None, "image", "example", "label_kind is 'example', and there are no labels"),
    (
        X["movie"], np.zeros((N, 7), int), "movie", None,
        "labels have the shape [6] (one a movie), [6, 5] (one a step), [6, 5, 4, 3] (one a pixel) or "
        "[6, words] (a caption a movie; declare it: label_kind='caption'); received [6, 7]",
    ),
    (
        X["series"], np.zeros((N, T, C), int), "series", None,
        "labels have the shape [6] (one a series), [6, 5] (one a step) or [6, words]",
    ),
    (
        X["image"], np.zeros((N, H), int), "image", "step",
        "or [6, words] (a caption an image); received [6, 4] declared as 'step'",
    ),
    (X["tokens"], np.zeros((N, T)), "tokens", None, "labels are integers; received float64"),
]  # fmt: skip


@pytest.mark.parametrize(("x", "label", "kind", "label_kind", "words"), WRONG)
def test_what_does_not_fit_is_said(x, label, kind, label_kind, words):
    with pytest.raises(DataError) as caught:
        Split(x, label, kind, label_kind)
    assert words in str(caught.value)


SERIES, TOKENS = Split(X["series"], kind="series"), Split(X["tokens"], kind="tokens")
APART = [
    (SERIES, TOKENS, {}, "mine: train holds series without labels and valid tokens without labels"),
    (
        SERIES, Split(X["series"], np.zeros(N, int), "series"), {},
        "mine: train holds series without labels and valid series with a label for each example",
    ),
    (SERIES, Split(X["series"][:, 1:], kind="series"), {}, "train are [5, 2], those of valid [4, 2]"),
    (
        TOKENS, TOKENS, {"vocabulary": ("a", "b")},
        "mine: token 29 is beyond the vocabulary of 2; expected vocabulary= to name every token, from 0",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("train", "valid", "more", "words"), APART)
def test_splits_that_do_not_fit_each_other(train, valid, more, words):
    with pytest.raises(DataError) as caught:
        Dataset("mine", train, valid, "free", "here", "some", **more)
    assert words in str(caught.value)
