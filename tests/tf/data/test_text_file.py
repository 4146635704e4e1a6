"""A text file as tokens: nothing is lost, what follows is the label, and the words of each error."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dimaging_tf.data import KINDS, load, own, text_file
from dimaging_tf.data.text_file import decode, encode, load_text
from dimaging_tf.errors import DataError

TEXT = "".join(f"{k} green bottles, " for k in range(60))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "song.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_rows_follow_each_other_and_the_label_is_the_next_character(file):
    data = load(file, length=10)
    assert (data.kind, data.shape, data.train.label_kind) == ("tokens", (10,), "step")
    assert data.range == (0, len(data.vocabulary) - 1)
    assert data.vocabulary == tuple(sorted(set(TEXT)))
    last = len(TEXT) // 10
    for split, part in ((data.train, TEXT[:-last]), (data.valid, TEXT[-last:])):
        assert split.x.dtype == np.int32
        assert split.label is not None
        rows = (len(part) - 1) // 10
        assert len(split) == rows
        assert decode(split.x.ravel(), data.vocabulary) == part[: 10 * rows]
        assert decode(np.asarray(split.label).ravel(), data.vocabulary) == part[1 : 10 * rows + 1]
    assert (data.name, data.licence) == ("song.txt", "not stated: your own data")
    assert "different ones, in rows of 10" in data.summary


def test_a_model_brings_its_own_vocabulary(file):
    known = (*"zyx", *sorted(set(TEXT)))
    data = load(file, vocabulary=known)
    assert data.vocabulary == known
    assert data.train.x.min() >= 3
    assert data.shape == (own.LENGTH,)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=30, max_size=300))
def test_every_text_comes_back_whole(tmp_path, text):
    path = tmp_path / "any.txt"
    path.write_bytes(text.encode("utf-8"))
    if not text.strip():
        return
    text = text.removeprefix("\ufeff")
    vocabulary = tuple(sorted(set(text)))
    assert decode(encode(text_file.read_text(path), vocabulary), vocabulary) == text
    if len(text) >= 30:
        data = load_text(path, length=1)
        seen = decode(data.train.x.ravel(), data.vocabulary)
        assert text.startswith(seen)


ERRORS = [
    (b"", {}, "song.txt is empty (0 bytes); expected a text"),
    (b" \n\t ", {}, "song.txt holds nothing but white space; expected a text"),
    (b"abc\xff\xfe", {}, "song.txt is not UTF-8 text: byte 3 is 0xff; expected a text in UTF-8 (of another"),
    (b"Gr\xfc\xdfe " * 9, {}, "(of another encoding: iconv -f LATIN1 -t UTF-8 OLD > NEW)"),
    ("Grüße".encode("utf-16"), {}, "byte 0 is 0xff; expected a text in UTF-8 (of another encoding: iconv -f UTF-16 -t"),
    (b"a", {}, "song.txt has 1 character(s); expected at least 20, of which the last tenth is the valid"),
    (b"ab\0cd", {}, "song.txt is no text: character 2 is NUL (save a text as UTF-8)"),
    (
        b"abcde" * 20, {},
        "song.txt has 100 characters, of which the last tenth, 10, is the valid split; expected length= "
        "(--length) to be from 1 to 9, received 64",
    ),
    (b"abcde" * 20, {"length": 0}, "from 1 to 9, received 0"),
    (
        "".join(map(chr, range(0x4E00, 0x4E00 + 10_001))).encode(), {},
        "song.txt has 10,001 different characters; expected at most 10,000 (is it a text?)",
    ),
    (
        b"abcde" * 200, {"vocabulary": "abc"},
        "song.txt has 2 character(s) that are not among the 3 known ones: 'd', 'e'; the first is character 3",
    ),
    (b"abcde" * 200, {"vocabulary": ("red", "green")}, "is its characters, one at least; received ['red', 'gr"),
    (b"abcde" * 200, {"vocabulary": ()}, "is its characters, one at least; received []"),
    (b"abcde" * 200, {"size": 8}, "is a text file, which has no size= (--size); it takes length, vocabulary"),
    (b"abcde" * 200, {"kind": "series"}, "holds tokens [N, T]; it cannot be read as series [N, T, C]"),
    (b"abcde" * 200, {"kind": "tone"}, "unknown kind 'tone'; did you mean"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "options", "words"), ERRORS)
def test_what_is_no_text_is_said(file, content, options, words):
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load(file, **options)
    assert words in str(caught.value)


def test_a_text_that_memory_cannot_hold_is_not_read(file, monkeypatch):
    monkeypatch.setattr(own, "MOST_BYTES", 1000)
    with pytest.raises(
        DataError, match=r"song\.txt would take 0\.0 GiB of memory; expected at most"
    ):
        load(file)


def test_the_documentation_of_python_needs_no_download():
    data = load("python_docs")
    assert KINDS["python_docs"] == data.kind == "tokens"
    assert (data.name, data.licence, data.shape) == ("python_docs", "PSF-2.0", (64,))
    assert len(data.train) > 5000
    assert "expression" in decode(data.train.x[:200].ravel(), data.vocabulary)
    longer = load("python_docs", length=100, vocabulary=("\x01", *data.vocabulary))
    assert longer.shape == (100,)
    np.testing.assert_array_equal(longer.train.x.ravel()[:500], data.train.x.ravel()[:500] + 1)
