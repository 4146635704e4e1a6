"""How people lay their folders of images out: splits, masks apart, links, masks of other names."""

import numpy as np
import pytest
from PIL import Image

from dimaging_tf.data import load
from dimaging_tf.errors import DataError

GREY = np.random.default_rng(0).integers(0, 256, (20, 20), np.uint8)


def pictures(folder, count=3, end="", suffix=".png", value=None):
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        array = GREY if value is None else np.full((20, 20), value, np.uint8)
        Image.fromarray(array).save(folder / f"{index}{end}{suffix}")


@pytest.mark.parametrize("names", [("train", "test"), ("Train", "val"), ("training", "Validation")])
@pytest.mark.parametrize("classes", [(), ("cat", "dog")])
def test_folders_of_a_split_are_the_split_and_no_classes(tmp_path, names, classes):
    for value, part in enumerate(names):
        for name in classes or ("",):
            pictures(tmp_path / part / name, value=value)
    found = load(tmp_path, size=20)
    assert found.classes == classes
    assert (found.train.x == 0).all()
    assert (found.valid.x == 1).all()
    assert f"validated by the folder {names[1]}" in found.summary
    if classes:
        assert np.unique(np.asarray(found.train.label)).tolist() == [0, 1]


def test_a_test_folder_beside_another_is_left_out_and_said(tmp_path):
    for part in ("train", "val", "test"):
        pictures(tmp_path / part)
    with pytest.warns(UserWarning, match=r"left out 3 image\(s\) of the folder test"):
        found = load(tmp_path, size=20)
    assert (len(found.train), len(found.valid)) == (3, 3)


def test_a_class_may_be_called_like_a_part(tmp_path):
    for name in ("test", "train", "tram"):
        pictures(tmp_path / name)
    assert load(tmp_path, size=20).classes == ("test", "train", "tram")


def test_a_folder_of_masks_is_no_class(tmp_path):
    for name in ("images", "masks"):
        pictures(tmp_path / name)
    with pytest.raises(
        DataError, match=r'a mask lies beside its image here.*; do cp "\$f" "images/'
    ):
        load(tmp_path, size=20)


def test_linked_folders_are_read_and_links_in_a_circle_end(tmp_path):
    pictures(tmp_path / "elsewhere")
    pictures(data := tmp_path / "data" / "cat")
    (tmp_path / "data" / "dog").symlink_to(tmp_path / "elsewhere")
    (data / "above").symlink_to(tmp_path / "data")
    found = load(tmp_path / "data", size=20)
    assert found.classes == ("cat", "dog")
    assert len(found.train) + len(found.valid) == 6


def test_a_link_to_nothing_is_a_file_that_cannot_be_read(tmp_path):
    pictures(tmp_path)
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(
        DataError, match=r"1 of 4 image files cannot be used:\n.*gone.png is a link"
    ):
        load(tmp_path, size=20)


def test_masks_of_other_suffixes(tmp_path):
    pictures(tmp_path)
    pictures(tmp_path, end="_mask", suffix=".PNG", value=1)
    assert (load(tmp_path, size=20).train.label == 1).all()
    (tmp_path / "2_mask.PNG").unlink()
    Image.fromarray(GREY).save(tmp_path / "2_mask.jpg")
    with pytest.raises(DataError, match="2_mask.jpg is a JPEG, which changes the classes"):
        load(tmp_path, size=20)


def test_masks_without_an_image_are_said(tmp_path):
    pictures(tmp_path)
    pictures(tmp_path, count=4, end="_mask", value=1)
    with pytest.warns(UserWarning, match=r"left out 1 mask\(s\) without an image: 3_mask.png"):
        load(tmp_path, size=20)
