"""CSV files as series: values come back to the bit of float32, files go together, and the words of each error."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dimaging_tf.data import load, own
from dimaging_tf.data.recordings import read_recording
from dimaging_tf.errors import DataError


def write(path: Path, rows, names=None, delimiter=",") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [names] if names else []
    lines += [[repr(float(v)) for v in row] for row in rows]
    path.write_text(
        "\n".join(delimiter.join(map(str, line)) for line in lines) + "\n", encoding="utf-8"
    )
    return path


def rows(count: int, channels: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1e-5, (count, channels)).astype(np.float32)


def test_a_folder_is_an_example_a_file(tmp_path):
    for k in range(7):
        write(tmp_path / f"trial{k}.csv", rows(12, seed=k))
    data = load(tmp_path)
    assert (data.kind, data.shape, data.rate, data.train.label) == ("series", (12, 2), None, None)
    assert len(data.train) + len(data.valid) == 7
    found = {x.tobytes() for split in (data.train, data.valid) for x in split.x}
    assert found == {rows(12, seed=k).tobytes() for k in range(7)}
    low, high = data.range
    assert low == data.train.x.min() < 0 < data.train.x.max() == high
    assert data.licence == "not stated: your own data"
    assert data.summary == "7 files in series of 12 steps, 2 channels: column 1, column 2"


@pytest.mark.parametrize(("length", "pieces"), [(None, 1), (5, 2), (12, 1)])
def test_subfolders_are_classes_also_of_pieces(tmp_path, length, pieces):
    for k in range(9):
        write(tmp_path / ("left" if k % 3 else "right") / f"{k}.csv", np.full((12, 1), k), ["C3"])
    data = load(tmp_path, length=length)
    assert data.classes == ("left", "right")
    for split in (data.train, data.valid):
        assert split.label_kind == "example"
        assert np.array_equal(np.asarray(split.label), (split.x[:, 0, 0] % 3 == 0).astype(int))
    assert len(data.train) + len(data.valid) == 9 * pieces


def test_columns_of_time_and_of_labels_are_no_channels(tmp_path):
    for k in range(3):
        table = np.column_stack([np.arange(8) / 250, rows(8, seed=k), np.arange(8) % 3])
        write(
            tmp_path / f"{k}.csv", np.round(table, 3), ["time", "C3", "C4", "label"], delimiter=";"
        )
    data = load(tmp_path)
    assert data.rate == pytest.approx(250)
    assert data.shape == (8, 2)
    assert data.train.label_kind == "step"
    assert np.array_equal(np.asarray(data.valid.label), [np.arange(8) % 3])
    assert "at 250 a second, 2 channels: C3, C4" in data.summary


def test_one_long_recording_is_split_in_time(tmp_path):
    file = write(tmp_path / "long.csv", np.arange(205)[:, None], ["v"])
    data = load(file, length=10)
    assert data.train.x[..., 0].ravel().tolist() == list(range(180))
    assert data.valid.x[..., 0].ravel().tolist() == list(range(185, 205))
    assert load(write(tmp_path / "l.csv", np.zeros((700, 3)))).shape == (own.LENGTH, 3)
    labelled = load(
        write(tmp_path / "y.csv", np.arange(400).reshape(200, 2), ["v", "y"]), length=10
    )
    assert np.array_equal(np.asarray(labelled.train.label), labelled.train.x[..., 0] + 1)


def test_the_header_of_numpy_is_a_header(tmp_path):
    table = np.column_stack([np.arange(8) / 4, np.arange(8)])
    for k in range(2):
        np.savetxt(tmp_path / f"{k}.csv", table, delimiter=",", header="time,v")
    data = load(tmp_path)
    assert (data.rate, data.shape) == (4, (8, 1))


def test_adding_a_file_moves_no_other(tmp_path):
    def valid():
        return {float(x[0, 0]) for x in load(tmp_path).valid.x}

    for k in range(40):
        write(tmp_path / f"{k}.csv", np.full((2, 1), k))
    before = valid()
    write(tmp_path / "new.csv", np.full((2, 1), -1))
    assert valid() - {-1} == before


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(*[st.floats(allow_nan=False, allow_infinity=False, width=32)] * 3),
        min_size=1,
        max_size=9,
    ),
    st.sampled_from(",;\t"),
    st.booleans(),
)
def test_every_number_comes_back(tmp_path, table, delimiter, named):
    file = write(tmp_path / "any.csv", table, ["a", "b", "c"] if named else None, delimiter)
    found = read_recording(file)
    assert np.array_equal(found.x, np.array(table, np.float32))
    assert found.channels == (("a", "b", "c") if named else ("column 1", "column 2", "column 3"))


FILES = [
    ("", "a.csv is empty; expected rows of numbers"),
    ("x,y1\n", "a.csv has names of columns and no rows; expected rows of numbers"),
    ("a,b\n1,2\n3\n", "a.csv: line 3 has 1 columns; expected 2"),
    ("1,2\n3,four\n", "a.csv: line 2, column 2 is 'four'; expected a finite number"),
    (
        "1,2\n3,\n",
        "a.csv: line 2, column 2 is ''; expected a finite number (fill gaps in first, for",
    ),
    ("1,2\n3,NA\n", "line 2, column 2 is 'NA'; expected a finite number (fill gaps in first, for"),
    ("1,,3\n1,2,3\n", "a.csv: line 1, column 2 is ''; expected names of all columns, or numbers"),
    ("1,NA,3\n1,2,3\n", "a.csv: line 1, column 2 is 'NA'; expected names of all columns"),
    (
        ",C3\n0,1.5\n",
        "line 1, column 1 is ''; expected names of all columns, or numbers (an index that",
    ),
    ("a;b\n1,5;2\n", "line 2, column 1 is '1,5'; expected a finite number (write a decimal point,"),
    (
        "1,5;2,5\n3,5;4,5\n",
        "line 2, column 2 is '5;4'; expected a finite number (write a decimal point,",
    ),
    ("1 2\n3 4\n", "column 1 is '3 4'; expected a finite number (separate columns by commas,"),
    (
        "v,label\n1,left\n",
        "column 2 is 'left'; expected a finite number (labels are whole numbers: number",
    ),
    ("time,v\n2026-01-01,1\n", "is '2026-01-01'; expected a finite number (time is in seconds)"),
    ("1,2\n\n3,nan\n", "a.csv: line 3, column 2 is 'nan'; expected a finite number"),
    ("1,2\ninf,1\n", "a.csv: line 2, column 1 is 'inf'; expected a finite number"),
    ("1,2\n1e39,1\n", "a.csv holds 1e+39; expected values of float32, up to 3.4e38"),
    ("v,label\n1,0\n2,0.5\n", "a.csv: the label of row 2 is 0.5; expected a whole number"),
    (
        "t,time,v\n1,1,1\n",
        "a.csv has the columns t, time, v; expected a channel, at most one column of time",
    ),
    (
        "time,label\n1,1\n",
        "has the columns time, label; expected a channel, at most one column of time, and",
    ),
    (
        "time,v\n0,1\n1,1\n2,1\n4,1\n5,1\n",
        "a.csv: row 3 is at 2 s, and 5 even steps would put it at 2.5 s;",
    ),
    ("time,v\n3,1\n2,1\n", "a.csv: time goes from 3 to 2 s in 2 rows; expected it to rise"),
    ("time,v\n3,1\n", "a.csv: time goes from 3 to 3 s in 1 rows; expected it to rise"),
]


@pytest.mark.parametrize(("content", "words"), FILES)
def test_what_is_wrong_in_a_file_is_said_with_its_place(tmp_path, content, words):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(DataError) as caught:
        load(tmp_path / "a.csv")
    assert words in str(caught.value)


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"1,\xff\n")
    with pytest.raises(DataError, match=r"a\.csv cannot be read as CSV in UTF-8: 'utf-8' codec"):
        load(tmp_path / "a.csv")


TOGETHER = [
    ({"a": "1,2\n"}, {}, "holds 1 CSV file(s); expected at least 2"),
    ({"a": "1\n2\n", "b": "1\n"}, {}, "b.csv has 1 rows, "),
    ({"a": "1\n2\n", "b": "1\n"}, {}, "a.csv has 2; expected equal lengths (or cut them with length=, --length"),
    ({"a": "1\n2\n", "b": "1\n"}, {"length": 2}, "has 1 rows; expected length= (--length) to be from 1 to that"),
    ({"a": "u,v\n1,2\n", "b": "v,u\n1,2\n"}, {}, "b.csv has the columns v, u; expected those of"),
    ({"a": "u,y\n1,2\n", "b": "u,v\n1,2\n"}, {}, "b.csv has the columns u, v; expected those of"),
    (
        {"a": "t,v\n0,2\n1,2\n", "b": "t,v\n0,2\n2,2\n"}, {},
        "b.csv has 0.5 steps a second; expected that of",
    ),
    ({"a": "t,v\n0,2\n1,2\n", "b": "v\n2\n2\n"}, {}, "b.csv has no column of time; expected that of"),
    ({"a": "1\n", "k/b": "1\n"}, {}, "expected all in the folder itself (no labels), or each in a subfolder"),
    ({"k/a": "v,y\n1,1\n", "l/b": "v,y\n1,1\n"}, {}, "has labels of steps (a column) and of files (subfolders)"),
    ({"a": "1\n", "b": "1\n"}, {"channels": 1}, "is CSV files, which has no channels= (--channels); it takes len"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "options", "words"), TOGETHER)
def test_files_that_do_not_go_together(tmp_path, files, options, words):
    for name, content in files.items():
        (tmp_path / f"{name}.csv").parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.csv").write_text(content)
    with pytest.raises(DataError) as caught:
        load(tmp_path, **options)
    assert words in str(caught.value)


def test_a_single_recording_that_is_too_short(tmp_path):
    file = write(tmp_path / "a.csv", np.zeros((90, 1)))
    with pytest.raises(
        DataError, match=r"has 90 steps, of which the last tenth, 9, is the valid split"
    ):
        load(file, length=10)
