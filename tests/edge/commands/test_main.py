"""The command, end to end: what it prints, what it writes, how it ends."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from dimaging_edge.benchmark import bench, budget, gate, paired_ratio, suite
from dimaging_edge.commands.main import main
from PIL import Image


def _out(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out


def _error(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([str(argument) for argument in arguments]) == 1
    found = capsys.readouterr().err
    if found.startswith("provider "):  # said before the graph was run
        found = found.partition("\n")[2]
    assert found.startswith("error: ")
    assert "Traceback" not in found
    return found


def test_info(capsys: pytest.CaptureFixture[str], toy: Path) -> None:
    found = _out(capsys, "info", toy)
    for words in (
        "toy (000000000000)",
        "precision  fp32",
        "quality    PSNR: Keras 30.0, ONNX 30.0 dB; loss 0, allowed 0.100",
        "paper      —",
        "decoder       3     17  2.6e-07    0.001",
        "denoiser  in   noisy     float32  batch x height x width x 1  NHWC    [0, 1]",
        "1.0e-07  1.0e-05",
    ):
        assert words in found


def test_check(capsys: pytest.CaptureFixture[str], own: Path, reseal) -> None:
    assert main(["check", str(own), "--threads", "1"]) == 0
    found = capsys.readouterr()
    assert found.err == "provider cpu, threads 1\n"  # stdout is for the answer alone
    assert found.out.count(" ok") == 3
    with np.load(own / "examples.npz") as stored:
        arrays = dict(stored)
    arrays["decoder/image"] = arrays["decoder/image"] * 2
    np.savez(own / "examples.npz", **arrays)
    reseal(own)
    assert main(["check", str(own)]) == 1
    assert "OUT OF TOLERANCE" in capsys.readouterr().out


def test_run_on_noise(capsys: pytest.CaptureFixture[str], toy: Path, tmp_path: Path) -> None:
    arguments = ("run", toy, "decoder", "--input", "z=normal", "--n", 3, "--seed")
    found = _out(capsys, *arguments, 7, "--out", tmp_path / "a")
    assert str(tmp_path / "a" / "image.npy") in found
    _out(capsys, *arguments, 7, "--out", tmp_path / "b")
    _out(capsys, *arguments, 8, "--out", tmp_path / "c")
    a, b, c = (np.load(tmp_path / name / "image.npy") for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 0.01
    names = ["image-0.png", "image-1.png", "image-2.png", "image.npy"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == names
    picture = np.asarray(Image.open(tmp_path / "a" / "image-1.png"))
    np.testing.assert_array_equal(picture, np.rint(a[1, ..., 0] * 255).astype(np.uint8))


PICTURES = [  # mode of the file, graph, its input: dtype and values expected from 0, 128, 255
    ("L", "denoiser", "noisy", [0, 128 / 255, 1]),
    ("RGB", "denoiser", "noisy", [0, 128 / 255, 1]),
    ("I;16", "denoiser", "noisy", [0, 128 * 257 / 65535, 1]),
    ("L", "negative", "photo", [0, 128, 255]),
    ("RGBA", "negative", "photo", [0, 128, 255]),
    ("I;16", "negative", "photo", [0, 128, 255]),
]


@pytest.mark.parametrize(("mode", "graph", "name", "values"), PICTURES)
def test_run_on_a_picture(
    capsys: pytest.CaptureFixture[str], toy: Path, tmp_path: Path, mode, graph, name, values
) -> None:
    grey = np.zeros((8, 8), np.uint8)
    grey[0, :3] = 0, 128, 255
    picture = Image.fromarray(grey)
    if mode == "I;16":
        picture = Image.fromarray(grey.astype(np.uint16) * 257)
    elif mode != "L":
        picture = picture.convert(mode)
    picture.save(tmp_path / "p.png")
    _out(capsys, "run", toy, graph, "--input", f"{name}={tmp_path / 'p.png'}", "--out", tmp_path)
    if graph == "negative":
        found = np.load(tmp_path / "negative.npy")
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found[0, 0, :3, 0], 255 - np.array(values))
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "negative.png")), found[0])
        return
    want = np.zeros((1, 8, 8, 1), np.float32)
    want[0, 0, :3, 0] = values
    np.save(tmp_path / "x.npy", want)
    direct = tmp_path / "direct"
    _out(capsys, "run", toy, graph, "--input", f"{name}={tmp_path / 'x.npy'}", "--out", direct)
    a, b = np.load(tmp_path / "clean.npy"), np.load(direct / "clean.npy")
    np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P"])
def test_hidden_pixels_of_a_picture_are_white(
    capsys: pytest.CaptureFixture[str], toy: Path, tmp_path: Path, mode: str
) -> None:
    picture = Image.new("LA", (8, 8), (0, 255))
    picture.putpixel((0, 0), (77, 0))  # not to be seen, so not to be computed with
    if mode == "P":
        picture = Image.new("P", (8, 8), 1)
        picture.putpalette([77, 77, 77, 0, 0, 0])
        picture.putpixel((0, 0), 0)
        picture.save(tmp_path / "p.png", transparency=0)
    else:
        picture.convert(mode).save(tmp_path / "p.png")
    _out(
        capsys, "run", toy, "negative", "--input", f"photo={tmp_path / 'p.png'}", "--out", tmp_path
    )
    found = np.load(tmp_path / "negative.npy")[0, ..., 0]
    assert found[0, 0] == 0
    assert (found.ravel()[1:] == 255).all()


def test_picture_is_upright_and_its_kind_is_known(
    capsys: pytest.CaptureFixture[str], toy: Path, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned
    Image.fromarray(np.zeros((4, 10), np.uint8)).save(tmp_path / "turned.png", exif=exif)
    file = tmp_path / "turned.png"
    _out(capsys, "run", toy, "denoiser", "--input", f"noisy={file}", "--out", tmp_path)
    assert np.load(tmp_path / "clean.npy").shape == (1, 10, 4, 1)
    Image.fromarray(np.zeros((4, 10), np.float32)).save(tmp_path / "float.tiff")
    found = _error(capsys, "run", toy, "denoiser", "--input", f"noisy={tmp_path / 'float.tiff'}")
    assert "a picture of floats has no range; give a .npy" in found


def test_a_name_in_the_bundle_is_no_path(
    capsys: pytest.CaptureFixture[str], own: Path, reseal, tmp_path: Path
) -> None:
    model = onnx.load(own / "decoder.onnx")
    model.graph.node[-1].output[0] = model.graph.output[0].name = "../../image"
    onnx.save(model, own / "decoder.onnx")
    manifest = own / "bundle.json"
    manifest.write_text(manifest.read_text().replace('"image"', '"../../image"'))
    reseal(own)
    out = tmp_path / "a" / "b"
    _out(capsys, "run", own, "decoder", "--input", "z=normal", "--out", out)
    assert sorted(path.name for path in out.iterdir()) == ["_._.._image.npy", "_._.._image.png"]


def test_run_on_npz(capsys: pytest.CaptureFixture[str], toy: Path, tmp_path: Path) -> None:
    z = np.ones((2, 4), np.float32)
    np.savez(tmp_path / "named.npz", z=z, other=z)
    np.savez(tmp_path / "single.npz", anything=z)
    for name in ("named", "single"):
        file = tmp_path / f"{name}.npz"
        _out(capsys, "run", toy, "decoder", "--input", f"z={file}", "--out", tmp_path / name)
    a, b = (np.load(tmp_path / name / "image.npy") for name in ("named", "single"))
    np.testing.assert_array_equal(a, b)
    np.savez(tmp_path / "two.npz", a=z, b=z)
    found = _error(capsys, "run", toy, "decoder", "--input", f"z={tmp_path / 'two.npz'}")
    assert "holds no such array; found: a, b" in found


REFUSED = [
    (["info", "nowhere"], "no bundle folder at nowhere; make one with: dimaging export"),
    (["info", "nowhere.dimg"], "no file nowhere.dimg"),
    (["run", "TOY", "decodr"], "no graph 'decodr' in toy-fp32; did you mean 'decoder'"),
    (["run", "TOY", "decoder"], "input 'z' is missing; expected z, received none"),
    (["run", "TOY", "decoder", "--input", "z"], "--input: expected NAME=FILE or NAME=normal, rec"),
    (["run", "TOY", "decoder", "--input", "y=normal"], "no input 'y'; known: z"),
    (["run", "TOY", "decoder", "--input", "z=no.npy"], "input 'z': no file no.npy (or write z=nor"),
    (["run", "TOY", "decoder", "--input", "z=TOY/bundle.json"], "cannot be a picture: expected la"),
    (["run", "TOY", "denoiser", "--input", "noisy=TOY/bundle.json"], "is no readable picture"),
    (["run", "TOY", "negative", "--input", "photo=normal"], "uint8; only a float can be normal"),
    (["run", "TOY", "denoiser", "--input", "noisy=normal"], "expected values in [0, 1], received"),
    (["check", "TOY", "--provider", "cdua"], "unknown provider 'cdua'; did you mean 'cuda'?"),
    (["bench", "TOY", "--batch", "2"], "negative: batch 2 was asked for, but its shapes are fix"),
    (
        ["bench", "TOY", "--size", "height"],
        "size: expected NAME=N, such as height=512, received 'hei",
    ),
    (["bench", "TOY", "--budget", "no.toml"], "make one with --write-budget no.toml"),
    (["bench", "TOY", "--limit", "3"], "limit: expected 10 s or more, received 3"),
    (["bench", "TOY", "--margin", "3"], "--margin is what --write-budget FILE adds"),
    (
        ["run", "TOY", "decoder", "--input", "z=a.npy", "--input", "z=b.npy"],
        "z: given twice, as a.npy",
    ),
    (["run", "TOY", "decoder", "--input", "z=a.npy", "--n", "5"], "--n and --seed are of noise"),
    (["run", "TOY", "decoder", "--input", "z=a.npy", "--seed", "0"], "--n and --seed are of noise"),
    (
        ["run", "TOY", "decoder", "--input", "z=normal", "--out", "TOY/bundle.json"],
        "is a file; give a",
    ),
    (["check", "TOY", "--threads", "100000"], "threads: expected up to "),
]


@pytest.mark.parametrize(("arguments", "says"), REFUSED)
def test_errors(capsys: pytest.CaptureFixture[str], toy: Path, arguments, says: str) -> None:
    arguments = [argument.replace("TOY", str(toy)) for argument in arguments]
    assert says in _error(capsys, *arguments)


def test_damaged_npy(capsys: pytest.CaptureFixture[str], toy: Path, tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01")
    found = _error(capsys, "run", toy, "decoder", "--input", f"z={tmp_path / 'x.npy'}")
    assert "x.npy cannot be read" in found
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    found = _error(capsys, "run", toy, "decoder", "--input", f"z={tmp_path / 'x.npy'}")
    assert "x.npy cannot be read: Object arrays cannot be loaded" in found


@pytest.mark.parametrize("damage", ["cut", "member"])
def test_damaged_npz(
    capsys: pytest.CaptureFixture[str], toy: Path, tmp_path: Path, damage: str
) -> None:
    file = tmp_path / "x.npz"
    np.savez_compressed(file, z=np.ones((2, 4), np.float32))
    whole = file.read_bytes()
    start = whole.index(b"z.npy") + 30  # within the compressed member; the directory stays whole
    flipped = (
        whole[:start] + bytes(255 - b for b in whole[start : start + 20]) + whole[start + 20 :]
    )
    file.write_bytes(whole[: len(whole) // 2] if damage == "cut" else flipped)
    found = _error(capsys, "run", toy, "decoder", "--input", f"z={file}")
    assert "x.npz cannot be read: " in found


BAD_NUMBERS = [
    (["run", "x", "g", "--seed", "-1"], "--seed: expected 0 or more, received -1"),
    (["run", "x", "g", "--n", "two"], "--n: expected 1 or more, received two"),
    (["bench", "x", "--seconds", "nan"], "--seconds: expected a number of 0 or more, received nan"),
    (["bench", "x", "--seconds", "inf"], "--seconds: expected a number of 0 or more, received inf"),
    (["bench", "x", "--margin", "wide"], "--margin: expected a number of 0 or more, received wide"),
    (["bench", "x", "--limit=-inf"], "--limit: expected a number of 0 or more, received -inf"),
]


@pytest.mark.parametrize(("arguments", "says"), BAD_NUMBERS)
def test_numbers_out_of_range(capsys: pytest.CaptureFixture[str], arguments, says: str) -> None:
    assert main(arguments) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["run"], ["bench", "x", "--threads", "0"], ["fly", "x"]])
def test_usage(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(arguments) == 2
    assert "usage: dimaging-edge" in capsys.readouterr().err


def test_help_states_defaults_and_units(capsys: pytest.CaptureFixture[str]) -> None:
    found = " ".join(_out(capsys, "bench", "--help").split())
    for words in (
        "(default: cpu)",
        "in s (default: 3)",
        "in % (default: 15)",
        "exit code: 0 ok, 3 over budget, 4 too noisy to say, 1 another error, 2 usage",
    ):
        assert words in found
    assert _out(capsys, "--version") == "0.1.0\n"


def test_without_pillow(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    toy: Path,
    tmp_path: Path,
) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "p.png")
    monkeypatch.setitem(sys.modules, "PIL", None)
    found = _error(capsys, "run", toy, "denoiser", "--input", f"noisy={tmp_path / 'p.png'}")
    assert (
        "reading p.png needs Pillow: pip install 'dimaging[images]', or give the input as .npy"
        in found
    )
    _out(capsys, "run", toy, "decoder", "--input", "z=normal", "--out", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["image.npy"]


def test_bench_budget(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    toy: Path,
    tmp_path: Path,
) -> None:
    """Write a budget, keep it, break it, fail to decide: 0, 0, 3, 4."""
    monkeypatch.setattr(paired_ratio, "SHORTEST_S", 0.0)
    monkeypatch.setattr(paired_ratio, "UNEVEN", 1e9)
    monkeypatch.setattr(paired_ratio, "BLOCK_NS", 10_000)
    for module in (budget, gate, suite):
        monkeypatch.setattr(module, "PATIENCE_S", 0.0)
    monkeypatch.setattr(gate, "PRECISE", 1.0)
    file, result = tmp_path / "latency.toml", tmp_path / "r.json"
    fast = ["bench", toy, "--seconds", 0.02, "--limit", 20, "--graph", "decoder"]
    found = _out(capsys, *fast, "--write-budget", file, "--margin", 900, "--json", result)
    assert "asked cpu, used cpu, 1 thread;" in found
    assert f"wrote {file}    next: dimaging-edge bench BUNDLE --budget {file}" in found
    assert json.loads(result.read_text())["gates"][0]["verdict"] == "no budget"
    text = file.read_text()
    for words in ('model = "toy"', "threads = 1", "batch = 1", '[graphs."decoder"]', "plus 900 %"):
        assert words in text

    sized = ["bench", toy, "--seconds", 0.02, "--limit", 20, "--graph", "denoiser"]
    _out(capsys, *sized, "--size", "height=9", "--write-budget", tmp_path / "s", "--margin", 900)
    assert 'sizes = "height=9"' in (tmp_path / "s").read_text()
    assert "noisy 1 x 9 x" in _out(capsys, *sized, "--budget", tmp_path / "s")  # its own sizes

    found = _out(capsys, *fast, "--budget", file)
    assert found.rstrip().endswith("ok")
    alone = _out(capsys, *fast, "--write-budget", file, "--margin", 900, "--json", "-")
    assert json.loads(alone)["model"] == "toy"
    file.write_text("[graphs.decoder]\nmax_ratio = 1e-9\n")
    assert main([*map(str, fast), "--budget", str(file)]) == 3
    assert capsys.readouterr().out.rstrip().endswith("over budget")
    monkeypatch.setattr(paired_ratio, "UNEVEN", -1.0)
    assert main([*map(str, fast), "--limit", "0.1", "--budget", str(file)]) == 4
    assert capsys.readouterr().out.rstrip().endswith("too noisy to say")
    file.unlink()
    assert main([*map(str, fast), "--limit", "0.1", "--write-budget", str(file)]) == 4
    assert "decoder: too noisy for a budget: the interval reaches" in capsys.readouterr().err
    assert not file.exists()
    assert bench is suite.bench


def test_a_bundle_that_comes_along_is_known_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert _out(capsys, "info", "denoiser_photos").startswith("denoiser (")
    assert main(["check", "denoiser_photos", "--threads", "1"]) == 0


@pytest.mark.parametrize("verb", ["info", "check", "bench"])
def test_json(verb: str, capsys: pytest.CaptureFixture[str], own: Path, tmp_path: Path) -> None:
    quick = ["--seconds", "0.01"] if verb == "bench" else []
    alone = _out(capsys, verb, own, "--json", "-", *quick)
    file = tmp_path / "found.json"
    said = _out(capsys, verb, own, "--json", file, *quick)
    assert f"wrote {file}" in said
    assert json.loads(alone).keys() == json.loads(file.read_text()).keys()


def test_quiet_leaves_the_answer_alone(capsys: pytest.CaptureFixture[str], toy: Path) -> None:
    assert main(["check", str(toy)]) == 0
    assert "provider cpu" in capsys.readouterr().err
    assert main(["-q", "check", str(toy)]) == 0
    found = capsys.readouterr()
    assert found.err == ""
    assert found.out.count(" ok") == 3
    assert main(["-q", "info", "nowhere"]) == 1
    assert capsys.readouterr().err.startswith("error: ")
