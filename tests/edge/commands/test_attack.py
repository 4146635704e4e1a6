"""`dimaging-edge attack` and `robustness`: what they print, write and refuse, on a bundle sealed by hand."""

import json

import numpy as np
import pytest
from dimaging_edge import open_bundle
from dimaging_edge.commands.attack_pictures import fit_picture
from dimaging_edge.commands.main import main
from dimaging_export.gradient.build import gradient_model
from dimaging_export.precision.image_bytes import wrap
from helpers.small_classifiers import NAMES, convolutional, write_bundle
from PIL import Image


@pytest.fixture(scope="module", params=["floats", "bytes"])
def bundle(request, tmp_path_factory):
    model, limits = convolutional(), (0.0, 1.0)
    if request.param == "bytes":
        model, limits = wrap(model, frozenset({"image"})), (0.0, 255.0)
    models = {"classifier": model, "gradient": gradient_model(model)}
    return write_bundle(tmp_path_factory.mktemp("b") / "bundle", models, limits)


@pytest.fixture(scope="module")
def floats(tmp_path_factory):
    models = {"classifier": convolutional(), "gradient": gradient_model(convolutional())}
    return write_bundle(tmp_path_factory.mktemp("f") / "bundle", models, (0.0, 1.0))


@pytest.fixture
def picture(tmp_path):
    pixels = np.random.default_rng(6).integers(30, 220, (6, 6), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "cat.png")
    return tmp_path / "cat.png"


def pixels_of(path):
    with Image.open(path) as picture:
        return np.asarray(picture).astype(int)


def run(capsys, *words, code=0):
    assert main([str(word) for word in words]) == code
    return capsys.readouterr()


def test_attack_writes_what_it_says(capsys, bundle, picture, tmp_path):
    out = tmp_path / "made.png"
    said = run(
        capsys, "attack", bundle, picture, "--eps", "40/255", "--out", out, "--threads", 1
    ).out
    before, after = (
        line.split() for line in said.splitlines() if line.startswith(("before", "after"))
    )
    assert before[2:4] != after[2:4]
    assert before[3] in NAMES
    assert "moved by 0.1569 (linf; black to white is 1)" in said
    assert "; fooled" in said
    pixels, moved = pixels_of(picture), pixels_of(out)
    assert 0 < np.abs(moved - pixels).max() <= 40
    # Enlarged 24 times, with a line of text below.
    assert pixels_of(tmp_path / "made-compare.png").shape == (144 + 20, 144 * 3 + 4)
    opened = open_bundle(bundle, threads=1)
    image = moved[None, ..., None]
    scale = opened.graph("classifier").inputs[0]
    given = image.astype(np.uint8) if scale.dtype == "uint8" else (image / 255).astype(np.float32)
    logits = opened.run("classifier", image=given)["logits"]
    assert NAMES[int(logits.argmax())] == after[3]


def test_attack_with_a_target_by_name(capsys, bundle, picture, tmp_path):
    said = run(
        capsys, "attack", bundle, picture, "--target", "iguana", "--label", "0", "--eps", "0.5", "--method", "apgd",
        "--out", tmp_path / "x.png",
    ).out  # fmt: skip
    assert "after   class 2 iguana (" in said


BAD = {
    "no bundle graph": (["--method", "fgms"], "--method: unknown 'fgms'; did you mean 'fgsm'?"),
    "no class": (
        ["--target", "iguano"],
        "--target: 'iguano' is no class; known: 0 to 3, or a name (did you mean",
    ),
    "class number": (["--label", "4"], "--label: '4' is no class; known: 0 to 3"),
    "eps unit": (
        ["--eps", "8"],
        "--eps: black to white is 1, received 8; write 8/255 for grey levels",
    ),
    "eps text": (
        ["--eps", "much"],
        "eps: expected a number such as 0.03 or 8/255, received 'much'",
    ),
    "steps": (["--method", "fgsm", "--steps", "3"], "--steps: fgsm takes none; leave it out"),
    "norm": (["--norm", "l1"], "unknown norm 'l1'"),
    "suffix": (["--out", "x.xyz"], "no picture has the suffix '.xyz'"),
    "no picture": (["--out", "x.pdf"], "no picture has the suffix '.pdf'; choose .png or .npy"),
    "one of two": (
        ["--method", "apgd", "--steps", "3", "--confident"],
        "--confident: apgd takes none; leave it out",
    ),
    "target is label": (
        ["--target", "dog", "--label", "dog"],
        "--target: the image is of class 1 dog already; choose another one",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_attack_refuses(case, capsys, floats, picture, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words, message = BAD[case]
    said = run(capsys, "attack", floats, picture, *words, code=1)
    assert message in said.err
    assert not said.out
    assert [path.name for path in tmp_path.iterdir()] == ["cat.png"]


def test_an_array_of_another_size_is_refused(capsys, floats, tmp_path):
    np.save(tmp_path / "wide.npy", np.zeros((6, 7, 1), np.float32))
    said = run(capsys, "attack", floats, tmp_path / "wide.npy", code=1).err
    assert "expected one image of (6, 6, 1), received float32 (1, 6, 7, 1)" in said
    said = run(capsys, "attack", floats, tmp_path / "none.png", code=1).err
    assert "there is no file" in said
    assert "give a picture, an .npy, a folder of them, noise or grey" in said
    np.save(tmp_path / "bright.npy", np.full((6, 6, 1), 200, np.float32))
    said = run(capsys, "attack", floats, tmp_path / "bright.npy", code=1).err
    assert "expected values of 0 to 1, as bundle takes them, received 200 to 200" in said


@pytest.mark.parametrize("limits", [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)])
@pytest.mark.parametrize("size", [6, 9])
def test_a_picture_is_brought_into_the_range_of_the_bundle(capsys, tmp_path, limits, size):
    models = {"classifier": convolutional(), "gradient": gradient_model(convolutional())}
    bundle = write_bundle(tmp_path / "b", models, limits)
    pixels = np.random.default_rng(1).integers(0, 256, (size, size), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    fitted = fit_picture(pixels[..., None] / np.float32(255), 6, 6)
    np.save(tmp_path / "b.npy", np.rint(fitted * 255).astype(np.uint8))
    kept = []
    for source in ("a.png", "b.npy"):
        words = ("--method", "fgsm", "--eps", "0", "--out", tmp_path / "out.npy")
        run(capsys, "attack", bundle, tmp_path / source, *words)
        kept.append(np.load(tmp_path / "out.npy"))
    span = limits[1] - limits[0]
    np.testing.assert_allclose(kept[0], kept[1], atol=1e-4 * span)
    assert limits[0] <= kept[0].min() < kept[0].max() <= limits[1]
    assert np.ptp(kept[0]) > 0.5 * span


@pytest.mark.parametrize(
    ("norm", "eps"), [("linf", 0.01), ("linf", 0.031), ("l2", 0.05), ("l2", 0.3)]
)
def test_a_picture_keeps_eps_too(norm, eps, capsys, bundle, picture, tmp_path):
    """2.55 grey levels are 2, and not 3, though 3 is nearer."""
    words = ("--eps", eps, "--norm", norm, "--confident", "--out", tmp_path / "x.png")
    run(capsys, "attack", bundle, picture, *words)
    moved = (pixels_of(tmp_path / "x.png") - pixels_of(picture)) / 255
    size = np.abs(moved).max() if norm == "linf" else np.linalg.norm(moved)
    assert 0 < size <= eps


def test_a_npy_keeps_what_a_picture_loses(capsys, floats, picture, tmp_path):
    words = ("attack", floats, picture, "--method", "ddn", "--norm", "l2", "--eps", "2")
    said = run(capsys, *words, "--out", tmp_path / "x.npy").out
    assert "; fooled" in said
    assert "as exact numbers" in said
    moved = np.load(tmp_path / "x.npy")
    assert (moved.shape, moved.dtype) == ((6, 6, 1), np.float32)
    answers = [
        open_bundle(floats, threads=1).run("classifier", image=x[None])["logits"].argmax()
        for x in (moved, pixels_of(picture)[..., None].astype(np.float32) / np.float32(255))
    ]
    assert answers[0] != answers[1]
    assert (tmp_path / "x-compare.png").is_file()
    said = run(
        capsys, *words, "--out", tmp_path / "x.jpg"
    ).out  # the codec undoes so small a change
    assert "as a picture of 8 bits that was coded as .jpg" in said
    assert "note: not fooled by x.jpg" in said
    assert "--out x.npy does" in said


def test_of_a_picture_of_another_size_the_middle_is_taken(capsys, floats, tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (6, 10), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    out = tmp_path / "made.png"
    words = ("--eps", "0", "--out", out)
    said = run(capsys, "attack", floats, tmp_path / "wide.png", *words).out
    assert "wide.png of 10 x 6 pixels: its middle, at 6 x 6" in said
    np.testing.assert_array_equal(pixels_of(out), pixels[:, 2:8])


def test_a_photograph_loses_an_eighth_of_its_border():
    ramp = np.tile(np.arange(256, dtype=np.uint8)[None, :, None], (256, 1, 3))
    np.testing.assert_array_equal(fit_picture(ramp, 224, 224), ramp[16:240, 16:240])


@pytest.mark.parametrize("name", ["cat.png", "cat-compare.png"])
def test_the_image_itself_is_never_lost(name, capsys, floats, picture, tmp_path):
    picture = picture.rename(tmp_path / name)
    before = picture.read_bytes()
    said = run(capsys, "attack", floats, picture, "--out", tmp_path / "cat.png", code=1).err
    assert "is the image itself, which would be lost; choose another name" in said
    run(capsys, "attack", floats, tmp_path, "--out", tmp_path, code=1)
    assert picture.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_two_images_whose_results_would_meet(capsys, floats, picture, tmp_path):
    (tmp_path / "cat-compare.png").write_bytes(picture.read_bytes())
    said = run(capsys, "attack", floats, tmp_path, "--out", tmp_path / "out", code=1).err
    assert "would both become cat-compare" in said


@pytest.mark.filterwarnings("error")
def test_an_array_of_nan_is_said_once(capsys, bundle, tmp_path):
    np.save(tmp_path / "nan.npy", np.full((6, 6, 1), np.nan, np.float32))
    said = run(capsys, "attack", bundle, tmp_path / "nan.npy", code=1).err
    assert "nan.npy: expected finite values" in said


def test_a_suffix_in_capitals(capsys, floats, picture, tmp_path):
    run(capsys, "attack", floats, picture, "--out", tmp_path / "x.NPY")
    assert np.load(tmp_path / "x.NPY").shape == (6, 6, 1)
    assert (tmp_path / "x-compare.png").is_file()
    said = run(capsys, "attack", floats, tmp_path / "x.NPY", "--out", tmp_path / "y.PNG").out
    assert "as a picture of 8 bits" in said


def test_an_image_that_the_model_gets_wrong_by_itself(capsys, floats, picture, tmp_path):
    out = tmp_path / "made.png"
    words = ("attack", floats, picture, "--eps", "0", "--out", out)
    answer = int(run(capsys, *words).out.split()[2])
    other = (answer + 1) % len(NAMES)
    said = run(capsys, *words, "--label", other).out
    assert f"than class {other} {NAMES[other]}; nothing was changed" in said


@pytest.mark.parametrize("start", ["noise", "grey"])
def test_an_image_out_of_nothing(capsys, bundle, tmp_path, start):
    out = tmp_path / "made.png"
    said = run(capsys, "attack", bundle, start, "--target", NAMES[2], "--out", out).out
    assert f"after   class 2 {NAMES[2]} (9" in said
    assert pixels_of(out).shape == (6, 6)
    said = run(capsys, "attack", bundle, start, "--out", out, code=1).err
    assert f"{start} becomes nothing by itself; give a --target" in said
    words = ("--target", NAMES[2], "--out", out)
    said = run(
        capsys, "attack", bundle, start, *words, "--eps", "1/255", "--label", "0", code=1
    ).err
    assert f"--label, --eps: {start} is changed without any limit" in said
    said = run(capsys, "attack", bundle, start, *words, "--steps", "1").out
    assert "note: not reached, the model says class" in said


def test_a_part_of_a_name_will_do(capsys, floats, picture, tmp_path):
    out = tmp_path / "made.png"
    said = run(
        capsys, "attack", floats, picture, "--target", NAMES[2][1:].upper(), "--confident",
        "--steps", 7, "--eps", "0.2", "--out", out,
    ).out  # fmt: skip
    assert "10 queries" in said  # the clean image, 8 gradients and the last look


@pytest.fixture(scope="module")
def data(tmp_path_factory, floats):
    x = np.random.default_rng(11).integers(0, 256, (60, 6, 6, 1), np.uint8)
    logits = open_bundle(floats, threads=1).run("classifier", image=(x / 255).astype(np.float32))[
        "logits"
    ]
    path = tmp_path_factory.mktemp("d") / "data.npz"
    np.savez(path, x=x, y=logits.argmax(1))
    return path


def test_robustness_reports_a_figure(capsys, bundle, data, tmp_path):
    said = run(
        capsys, "robustness", bundle, data, "--eps", "10/255", "--plan", "quick", "--json", tmp_path / "r.json",
        "--threads", 1,
    )  # fmt: skip
    assert "robust accuracy" in said.out
    assert "APGD-CE" in said.err
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["images"] == 60
    assert 0 < found["robust"]["share"] < found["clean"]["share"] == 1
    gates = {gate["gate"]: gate["verdict"] for gate in found["gates"]}
    assert gates["the deployed file is attacked"] == "PASS"


def test_an_eps_beyond_all_changes(capsys, floats, data):
    words = ("--norm", "l2", "--eps", "1e30", "--plan", "quick", "--n", "20")
    said = run(capsys, "robustness", floats, data, *words).out
    assert "robust accuracy 0.0 %" in said


def test_robustness_withholds_it(capsys, floats, data, tmp_path):
    bare = write_bundle(tmp_path / "bare", {"classifier": convolutional()}, (0.0, 1.0))
    words = ("--eps", "10/255", "--plan", "quick", "--n", "20")
    said = run(capsys, "robustness", bare, data, *words, code=3).out
    assert "no figure of robustness: white box failed" in said
    said = run(capsys, "robustness", floats, data, *words, "--claim", "0.99", code=3).out
    assert "no figure of robustness: the claim holds failed" in said


X, Y = np.zeros((4, 6, 6, 1), np.uint8), np.arange(4)
DATA = {
    "names": ({"image": X}, "expected the arrays x and y; save them: np.savez(FILE, x=x, y=y); found image"),
    "two lengths": ({"x": X, "y": np.arange(9)}, "one label in y for each image of x; received x [4, 6, 6, 1] and y [9]"),
    "range": ({"x": X + 255.0, "y": Y}, "expected values of 0 to 1, as bundle takes them, received 255 to 255; uint8"),
    "text": ({"x": np.array(["a"] * 4), "y": Y}, "x.npy holds <U1, expected one of float16"),
    "size": ({"x": X[:, :5], "y": Y}, "the model takes [N, 6, 6, 1], received [4, 5, 6, 1]"),
    "none": ({"x": X[:0], "y": Y[:0]}, "at least one; received float32 [0, 6, 6, 1]"),
    "nan": ({"x": X * np.nan, "y": Y}, "images: expected finite values"),
    "one-hot": ({"x": X, "y": np.eye(4)}, "of one-hot labels give y.argmax(1)"),
}  # fmt: skip


@pytest.mark.parametrize("case", DATA)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_data_that_does_not_fit(case, capsys, floats, tmp_path):
    arrays, words = DATA[case]
    np.savez(tmp_path / "a.npz", **arrays)
    said = run(capsys, "robustness", floats, tmp_path / "a.npz", "--n", "4", code=1).err
    assert words in said


def test_data_that_cannot_be_read(capsys, floats, tmp_path):
    (tmp_path / "b.npz").write_text("no")
    assert "cannot be read" in run(capsys, "robustness", floats, tmp_path / "b.npz", code=1).err
    assert "is a folder; expected a .npz" in run(capsys, "robustness", floats, tmp_path, code=1).err
    said = run(capsys, "robustness", floats, tmp_path / "c.npz", code=1).err
    assert "there is no file" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--n", "-5"), "--n: expected 1 or more, received -5"),
        (("--seed", "-1"), "--seed: expected 0 or more, received -1"),
        (("--claim", "93"), "--claim: expected a share of 0 to 1, received 93; 93 % is 0.93"),
    ],
)
def test_usage(words, message, capsys, floats, data):
    assert message in run(capsys, "robustness", floats, data, *words, code=2).err


def test_eps_of_l2_may_be_more_than_one_pixel(capsys, floats, picture, tmp_path):
    words = ("--norm", "l2", "--eps", "2", "--out", tmp_path / "x.png")
    assert "; fooled" in run(capsys, "attack", floats, picture, *words).out
