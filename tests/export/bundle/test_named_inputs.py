"""Data by the names of a model's inputs: it calibrates, proves and says what does not fit."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from dimaging_export import ExportError, export
from dimaging_export.bundle.command import export_command
from dimaging_export.bundle.named_files import read_values
from dimaging_export.bundle.named_inputs import named_inputs
from dimaging_export.bundle.subject import load_subject
from keras import layers as L
from PIL import Image
from typer.testing import CliRunner

from dimaging_tf.commands.app import app

RNG = np.random.default_rng(0)


def two_inputs():
    keras.utils.set_random_seed(0)
    content = keras.Input((8, 8, 3), name="content")
    style = keras.Input((4,), name="style", dtype="int32")
    y = L.Conv2D(8, 3, padding="same", activation="relu")(content)
    y = y * L.Reshape((1, 1, 8))(L.GlobalAveragePooling1D()(L.Embedding(10, 8)(style)))
    return keras.Model([content, style], {"out": L.Conv2D(2, 3, name="out")(y)}, name="mine")


def data(**more):
    given = {
        "content": RNG.random((40, 8, 8, 3), np.float32),
        "style": RNG.integers(0, 10, (40, 4)),
    }
    return {**given, **more}


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_every_input_has_real_values(precision, tmp_path):
    folder = export(
        two_inputs(),
        tmp_path / "bundle",
        precision=precision,
        data=data(),
        ranges={"content": (0, 1)},
    )
    graph = json.loads((folder / "bundle.json").read_text())["graphs"]["model"]
    said = {t["name"]: (t["dtype"], t["range"]) for t in graph["inputs"]}
    assert said == {"content": ("float32", [0, 1]), "style": ("int32", None)}
    assert "inputs of the caller" in (folder / "CARD.md").read_text()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (data(stile=np.ones((40, 4))), "has no input 'stile'; did you mean 'style'"),
        ({"content": data()["content"]}, "style of mine is missing; give every input"),
        (data(style=np.ones((7, 4))), "as many rows as the others; received content 40, style 7"),
        (data(style=np.ones((40, 5))), r"input 'style' takes numbers of the shape \[None, 4\]; .* \[40, 5\]"),
        (data(content=np.full((40, 8, 8, 3), np.nan)), "'content' is empty, or holds NaN"),
    ],
)  # fmt: skip
def test_data_that_does_not_fit(given, words, tmp_path):
    with pytest.raises(ExportError, match=words):
        export(two_inputs(), tmp_path / "bundle", data=given)


@pytest.fixture
def paths(tmp_path, monkeypatch):
    """A folder of pictures of several sizes and kinds, and arrays, in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos" / "more").mkdir(parents=True)
    for i in range(3):
        shape = (9 + i, 12, 3) if i else (20, 10)
        picture = Image.fromarray(np.full(shape, 40 * i, np.uint8))
        picture.save(tmp_path / "photos" / ("more" if i == 1 else ".") / f"{2 - i}.png")
    style = RNG.integers(0, 10, (3, 4)).astype(np.int32)
    np.save("style.npy", style)
    np.savez("style.npz", style=style, other=style[:1])
    np.savez("strange.npz", a=style, b=style)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.npy").write_text("no array")
    (tmp_path / "blank.npy").touch()
    whole = (tmp_path / "style.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    np.savez_compressed("packed.npz", style=RNG.integers(0, 10, (300, 4)))
    damaged = bytearray((tmp_path / "packed.npz").read_bytes())
    damaged[200:230] = bytes(30)
    (tmp_path / "damaged.npz").write_bytes(damaged)
    np.save("many.npy", np.zeros((300, 4), np.int32))
    return tmp_path


@pytest.mark.parametrize("style", ["style.npy", "style.npz"])
def test_paths_by_the_names_of_inputs(style, paths):
    given = {"content": "photos", "style": Path(style)}
    folder = export(two_inputs(), paths / "bundle", data=given, ranges={"content": (-1, 3)})
    with np.load(folder / "examples.npz") as stored:
        first = stored["model/content"][0]
        np.testing.assert_array_equal(stored["model/style"][0], np.load("style.npy")[0])
    assert first.shape == (8, 8, 3)
    np.testing.assert_allclose(
        first, -1 + 80 / 255 * 4, atol=1e-6
    )  # 0.png, the last that was written
    assert f"--data content=photos --data style={style}" in (folder / "CARD.md").read_text()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"content": "nowhere"}, "content=nowhere: expected a folder of images .* nothing at that path"),
        ({"content": "empty"}, "content: empty holds no images; expected files that end in .png"),
        ({"style": "photos"}, r"'style' takes \[None, 4\], no images of 1 or 3 channels"),
        ({"style": "strange.npz"}, "strange.npz holds no array 'style'"),
        ({"style": "notes.npy"}, "style=notes.npy cannot be read as an array"),
        ({"style": "blank.npy"}, "style=blank.npy cannot be read as an array"),
        ({"style": "cut.npz"}, "style=cut.npz cannot be read as an array: cut.npz is damaged"),
        ({"style": "damaged.npz"}, "style=damaged.npz cannot be read as an array: damaged.npz is damaged"),
        ({"style": "many.npy"}, "content 3, style 300 .of a folder at most the first 256 images are read"),
    ],
)  # fmt: skip
def test_paths_that_hold_something_else(given, words, paths):
    with pytest.raises(ExportError, match=words):
        export(
            two_inputs(),
            paths / "bundle",
            data={"content": "photos", "style": "style.npy", **given},
        )
    assert not (paths / "bundle").exists()


def test_masks_and_hidden_folders_are_no_images(paths):
    """A pair of folders, one with masks, must have the same rows."""
    Image.new("RGB", (9, 9)).save(paths / "photos" / "0_mask.png")
    (paths / "photos" / ".thumbnails").mkdir()
    Image.new("RGB", (9, 9)).save(paths / "photos" / ".thumbnails" / "a.png")
    assert len(read_values("photos", "content", (None, 8, 8, 3), (0, 1))) == 3


def of_images(**more):
    """A plain model of two images; more: Rescaling of each."""
    pair = [keras.Input((None, None, 3), name=name, dtype=more.get("kind")) for name in "ab"]
    read = [x if more.get("kind") is None else keras.ops.cast(x, "float32") for x in pair]
    scaled = [L.Rescaling(more.get(x.name, 1.0))(y) for x, y in zip(pair, read, strict=True)]
    return keras.Model(pair, {"out": L.Conv2D(2, 3, name="out")(L.Add()(scaled))}, name="pair")


def values_of(model, size=None, **ranges):
    subject = load_subject(model).with_ranges(ranges)
    return named_inputs({"a": "photos", "b": "photos"}, subject, size)


@pytest.mark.parametrize("name", "ab")
def test_each_input_that_is_rescaled_needs_its_range(name, paths):
    model = of_images(**{name: 1 / 255})
    with pytest.raises(ExportError, match=f"takes 0 to 255.* --range {name}=0:255"):
        values_of(model)
    found = values_of(model, **{name: (0, 255)})
    assert {n: float(x.max()) for n, x in found.items()} == pytest.approx(
        {"a": 80 / 255, "b": 80 / 255} | {name: 80}
    )


def test_whole_inputs_get_whole_numbers_of_a_folder(paths):
    found = values_of(of_images(kind="int32"), b=(0, 1))
    assert found["a"].dtype == np.int32
    assert set(np.unique(found["a"])) == {0, 40, 80}
    assert set(np.unique(values_of(of_images(kind="int32"), b=(0, 5))["b"])) == {0, 1, 2}


def test_a_size_is_that_of_the_images_of_a_folder(paths):
    assert values_of(of_images())["a"].shape == (3, 64, 64, 3)
    assert values_of(of_images(), (48, 32))["a"].shape == (3, 48, 32, 3)
    folder = export(of_images(), paths / "b", data={"a": "photos", "b": "photos"}, size=32)
    with np.load(folder / "examples.npz") as stored:
        assert stored["model/a"].shape == (1, 32, 32, 3)


def test_a_command_is_whole_or_without_data():
    def words(data):
        return export_command("m", "fp32", "cpu", data, None, {}, {})

    assert "--data a=x.npy --data b=photos" in words({"a": "x.npy", "b": Path("photos")})
    assert "--data" not in words({"a": "x.npy", "b": np.zeros(3)})


def test_the_command_takes_a_path_for_each_input(paths, monkeypatch):
    two_inputs().save("mine.keras")
    words = (
        "export mine.keras --out b --data content=photos --data style=style.npy --range content=0:1"
    )
    result = CliRunner().invoke(app, words.split())
    assert result.exit_code == 0, result.output
    assert "--data content=photos --data style=style.npy" in (paths / "b" / "CARD.md").read_text()
