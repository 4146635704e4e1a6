"""Classes to draw: their names and numbers, and the errors for data that has none."""

import numpy as np
import pytest
from PIL import Image

from dimaging_tf.data import load
from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.data.labels import (
    check_condition,
    chosen_classes,
    class_labels,
    class_number,
    class_settings,
)
from dimaging_tf.errors import DataError
from dimaging_tf.training import runs


def folder(path, *names):
    for number, name in enumerate(names):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), number, np.uint8)).save(path / name)
    return path


CLASSES = ("bag/1.png", "bag/2.png", "bag/3.png", "boot/1.png", "boot/2.png", "boot/3.png")


def test_class_folders_are_classes_to_draw(tmp_path):
    found = load(folder(tmp_path, *CLASSES), size=8)
    check_condition("dcgan", found, 2)
    assert class_labels(2, found.classes) == ("bag", "boot")
    with pytest.raises(
        DataError, match=r"reach from 0 to 1, of bag, boot; expected 0 to 0. .* --set classes=2"
    ):
        check_condition("dcgan", found, 1)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (
            (*CLASSES, "stray.png"),
            r"no labels \(the folders bag, boot are no classes, because 1 image\(s\) lie beside them: "
            r"stray.png; move those into a class, or away\)",
        ),
        (CLASSES[:3], r"\(all images lie in the one folder bag; classes would be two folders or more\)"),
        (("a.png", "b.png"), "dcgan: it learns from one label an image; .* has no labels. With classes=2 it draws"),
    ],
    ids=["an image beside them", "one folder", "no folders"],
)  # fmt: skip
def test_the_error_says_why_folders_are_no_classes(tmp_path, names, words):
    with pytest.raises(DataError, match=words):
        check_condition("dcgan", load(folder(tmp_path, *names), size=8), 2)


@pytest.mark.parametrize(
    ("label", "answer"),
    [
        (np.array([0, 1, 1, 0]), {"classes": 2}),
        (np.array([0, 0, 0, 0]), {"classes": 2}),
        (np.array([7, 999, 0, 3]), {"classes": 1000}),
        (np.array([0, 1000, 0, 1]), r"mine has 4 labels, up to 1,000; expected classes that are numbered 0, 1,"),
        (np.array([0, 10**9, 0, 1]), r"up to 1,000,000,000; .* np.unique\(label, return_inverse=True\)\[1\]"),
        (np.array([0, 2**40, 0, 1]), r"up to 1,099,511,627,776; expected classes"),
    ],
)  # fmt: skip
def test_numbers_that_are_names_make_no_classes(label, answer):
    """Without that, a model of a billion outputs is asked for, and memory ends."""
    split = Split(np.zeros((4, 6, 2), np.float32), label, "series")
    dataset = Dataset("mine", split, split, "", "", "")
    if isinstance(answer, dict):
        assert class_settings(dataset) == answer
        return
    with pytest.raises(DataError, match=answer):
        class_settings(dataset)


def test_a_data_set_is_told_from_a_folder_of_its_name(tmp_path, monkeypatch):
    folder(tmp_path / "digits", "a.png", "b.png")
    monkeypatch.chdir(tmp_path)
    with pytest.warns(
        UserWarning, match="digits is taken as the data set of that name; .* ./digits"
    ):
        assert runs.load_data(runs.default_settings("vae", data="digits")).shape == (8, 8, 1)
    assert len(load("./digits", size=8).valid) == 1


def test_classes_come_in_turn_or_as_chosen():
    assert chosen_classes("gan", 5, 3).tolist() == [0, 1, 2, 0, 1]
    assert chosen_classes("gan", 2, 3, 2).tolist() == [2, 2]
    assert chosen_classes("gan", 2, 0).tolist() == []
    with pytest.raises(ValueError, match="label: expected 0 to 2. Received: 3 to 3"):
        chosen_classes("gan", 2, 3, 3)
    with pytest.raises(ValueError, match="gan has no classes; leave the label out"):
        chosen_classes("gan", 2, 0, 1)


@pytest.mark.parametrize(
    ("text", "names", "number"), [("1", (), 1), ("boot", ("bag", "boot"), 1), ("class 0", (), 0)]
)
def test_a_class_has_a_name_and_a_number(text, names, number):
    assert class_number(text, 2, names) == number


@pytest.mark.parametrize(
    ("text", "names", "words"),
    [
        ("2", (), "--label: '2' is no class; expected 0 to 1$"),
        ("boat", ("bag", "boot"), r"expected 0 to 1, or a name \(did you mean 'boot'"),
    ],
)
def test_no_such_class(text, names, words):
    with pytest.raises(DataError, match=words):
        class_number(text, 2, names)
