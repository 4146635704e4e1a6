"""A folder of photographs with captions.csv: what is read, the vocabulary, the split, and bad files."""

import numpy as np
import pytest
from PIL import Image

from dimaging_tf import data
from dimaging_tf.data.captioned_folder import numbers, read_captions, vocabulary
from dimaging_tf.data.words import decode
from dimaging_tf.errors import DataError

SAID = {
    "a.png": ["A red square .", "Red!"],
    "b.png": ["a blue circle, far away"],
    "c.png": ["a green square"],
}


def folder_of(path, said=SAID, lines=None, sizes=(20, 30)):
    path.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for name in said:
        Image.fromarray(rng.integers(0, 255, (*sizes, 3), np.uint8)).save(path / name)
    rows = [f'{name},"{caption}"' for name, captions in said.items() for caption in captions]
    (path / "captions.csv").write_text("\n".join(lines or ["image,caption", *rows]) + "\n", "utf-8")
    return path


def test_photographs_and_their_captions(tmp_path):
    dataset = data.load(folder_of(tmp_path / "own"), size=16)
    assert dataset.shape == (16, 16, 3)
    assert dataset.train.label_kind == dataset.valid.label_kind == "caption"
    assert (len(dataset.train), len(dataset.valid)) == (2, 1)
    label = np.asarray(dataset.train.label)
    assert label.shape[1:] == np.asarray(dataset.valid.label).shape[1:] == (2, 5)
    assert dataset.words[-1] == "<unk>"
    said = {"a.png": "a red square", "b.png": "a blue circle far away", "c.png": "a green square"}
    assert set(decode(label[:, 0], dataset.words)) < set(said.values())
    again = data.load(tmp_path / "own", size=16)
    np.testing.assert_array_equal(again.train.x, dataset.train.x)


def test_rare_words_of_a_large_collection_are_unknown():
    told = [["a", "dog"]] * 500 + [["a", "cat"]] * 498 + [["a", "yak"]] * 2
    assert vocabulary(told) == ("a", "cat", "dog", "<unk>")
    assert vocabulary(told[-4:]) == ("a", "cat", "yak", "<unk>")
    words = vocabulary(told)
    assert numbers(["A yak .", "dog"], words, 3, 3).tolist() == [[0, 1, 4], [0, 0, 3], [0, 0, 0]]
    assert numbers(["a dog a cat a dog"], words, 2, 1).tolist() == [[1, 3]]  # cut


@pytest.mark.parametrize("separator", [",", ";", "\t", ", ", "; "])
def test_separators_and_blanks_behind_them(tmp_path, separator):
    lines = [separator.join(row) for row in (("image", "caption"), ("a.png", '"red, far away"'))]
    assert read_captions(folder_of(tmp_path, lines=lines)) == {"a.png": ["red, far away"]}


BAD = {
    "no columns": (["name,text", "a.png,red"], r"the columns image, caption; found name, text"),
    "an empty file": (["", ""], r"the columns image, caption; found nothing"),
    "no captions": (["image,caption"], r"holds no captions"),
    "an empty caption": (["image,caption", "a.png, "], r"line 2: expected a caption of a.png with words"),
    "a caption of signs": (["image,caption", "a.png,..."], r"line 2: .* found '\.\.\.'"),
    "a caption that commas cut": (
        ["image,caption", "a.png,A dog, running"], r"line 2: expected 2 columns; found 3 \(a caption with commas",
    ),
    "no name": (["image,caption", ",red"], r"line 2: expected the name of an image"),
    "a photograph that is not there": (
        ["image,caption", "a.png,red", "x.png,blue"], r"1 of 2 images that are not in .*: x.png; .*skip-bad",
    ),
    "a photograph elsewhere": (["image,caption", "../a.png,red"], r"lies outside of"),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "words"), BAD.values(), ids=BAD)
def test_bad_files_of_captions(tmp_path, lines, words):
    with pytest.raises(DataError, match=words):
        data.load(folder_of(tmp_path / "own", lines=lines))


FORMS = {
    "semicolons": ["image;caption", "a.png;red", "b.png;blue, far away"],
    "names of columns": [" Image, Caption", "a.png, red", "b.png,blue"],
    "more columns": ["number,caption,image", "1,red,a.png", "2,blue,b.png"],
    "paths": ["image,caption", "./a.png,red", "{folder}/b.png,blue", "x/../a.png,Red again"],
    "paths of Windows": ["image,caption", ".\\a.png,red", "b.png,blue"],
}


@pytest.mark.parametrize("lines", FORMS.values(), ids=FORMS)
def test_forms_of_a_file_of_captions(tmp_path, lines):
    folder = tmp_path / "own"
    folder_of(folder, lines=[line.format(folder=folder) for line in lines])
    found = read_captions(folder)
    assert list(found) == ["a.png", "b.png"]
    assert [captions[0][0] for captions in found.values()] == ["r", "b"]


def test_captions_of_other_languages_keep_their_letters(tmp_path):
    said = {"a.png": ["Ein grüner Käfer."], "b.png": ["Un café à côté"]}
    words = data.load(folder_of(tmp_path / "own", said), size=8).words
    assert set(words) in ({"ein", "grüner", "käfer", "<unk>"}, {"un", "café", "à", "côté", "<unk>"})


def test_captions_without_words_can_be_left_out(tmp_path):
    folder = folder_of(tmp_path / "own", lines=["image,caption", "a.png,", "a.png,red", "b.png,!"])
    with pytest.warns(UserWarning, match="line [24]: expected a caption of .* with words"):
        assert read_captions(folder, skip_bad=True) == {"a.png": ["red"]}


def test_what_is_missing_or_broken_can_be_left_out(tmp_path):
    folder = folder_of(tmp_path / "own")
    (folder / "a.png").unlink()
    with pytest.warns(UserWarning, match=r"1 of 3 images that are not in"):
        assert set(read_captions(folder, skip_bad=True)) == {"b.png", "c.png"}
    folder = folder_of(tmp_path / "own")
    (folder / "a.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"1 of 3 images cannot be used"):
        data.load(folder)
    with pytest.warns(UserWarning, match=r"1 of 3 images cannot be used"):
        dataset = data.load(folder, skip_bad=True)
    assert len(dataset.train) + len(dataset.valid) == 2
    (folder / "b.png").unlink()
    with (
        pytest.warns(UserWarning, match="cannot be used|are not in"),
        pytest.raises(DataError, match=r"holds 1 usable image"),
    ):
        data.load(folder, skip_bad=True)


def test_options_that_it_has_not(tmp_path):
    folder = folder_of(tmp_path / "own")
    with pytest.raises(DataError, match="a folder of images with captions, which has no cut="):
        data.load(folder, cut="resize")
    with pytest.raises(DataError, match="size >= 1; received 0"):
        data.load(folder, size=0)
