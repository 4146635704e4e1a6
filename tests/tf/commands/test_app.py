"""The `dimaging` command as a user meets it: help, the verbs in order, the words of each error."""

import json
import sys
import time
import tomllib
import weakref
from pathlib import Path

import numpy as np
import pytest
from dimaging_edge.commands.main import main as edge_main
from dimaging_edge.commands.main import parser as edge_parser
from helpers import forked, pages
from PIL import Image
from typer.testing import CliRunner

from dimaging_tf import data, registry
from dimaging_tf.commands import app as cli
from dimaging_tf.commands.edge_only import EDGE_VERBS
from dimaging_tf.errors import UserError
from dimaging_tf.training import runs

runner = CliRunner()


def run(*words) -> str:
    """Output of a command that works."""
    result = runner.invoke(cli.app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def error(capsys, monkeypatch, *words) -> str:
    """What `main` prints for a command that fails; exit code 2 where its words are wrong, else 1."""
    monkeypatch.setattr(sys, "argv", ["dimaging", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code in (1, 2)
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    return said


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "vae"
    run(
        "train",
        "vae",
        "--data",
        "digits",
        "--epochs",
        1,
        "--set",
        "latent_dim=2",
        "--set",
        "hidden=(8,)",
        "--out",
        folder,
    )
    return folder


def test_help_loads_no_tensorflow():
    code = (
        "import sys; sys.argv = ['dimaging', '--help']\n"
        "from dimaging_tf.commands.app import app\n"
        "try: app()\n"
        "except SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'onnx', 'onnxruntime', 'matplotlib', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    pages.run([sys.executable, "-c", code], Path.cwd())


def test_list_names_everything():
    said = run("list")
    for name in [*registry.REGISTRY, *data.NAMES, "phone", "web"]:
        assert name in said


def test_train_export_sample_report(trained, tmp_path):
    assert run("sample", trained, "--n", 5, "--out", tmp_path / "s.png").strip() == str(
        tmp_path / "s.png"
    )
    said = run("export", trained, "--out", tmp_path / "bundle")
    assert "decoder" in said
    assert "next: dimaging bench" in said
    for verb in (["run", tmp_path / "bundle", "decoder", "--input", "z=normal", "--n", 2, "--out", tmp_path / "made"],
                 ["bench", tmp_path / "bundle", "--seconds", 0.1, "--json", tmp_path / "bundle" / "latency.json"]):  # fmt: skip
        result = runner.invoke(cli.app, [str(word) for word in verb])
        assert result.exit_code == 0
    assert np.load(tmp_path / "made" / "image.npy").shape == (2, 8, 8, 1)
    page = Path(
        run("report", trained, tmp_path / "bundle", "--out", tmp_path / "report.html").strip()
    )
    text = page.read_text(encoding="utf-8")
    for words in ("learned from digits", "max |Δ| to Keras", "p50 ms", "data:image/png;base64,"):
        assert words in text


@pytest.mark.parametrize(
    ("name", "content", "words", "expected"),
    [
        (
            "my.txt", b"to be or not", [],
            "vae learns from images [N, H, W, C]; my.txt holds tokens [N, T]. Choose ",
        ),
        ("my.txt", b"to be", [], "data that holds images [N, H, W, C] (see dimaging list)"),
        ("my.csv", b"1,2", [], "vae learns from images [N, H, W, C]; my.csv holds series [N, T, C]. Choose "),
        ("my.gif", b"GIF", [], "my.gif holds movies [N, T, H, W, C]. Choose "),
        ("my.npz", b"PK", [], "my.npz is damaged, or no .npz: "),
        ("my.npz", b"PK", ["--size", 8], "is an .npz file, which has no size= (--size); it takes kind, le"),
        ("my.npz", b"PK", ["--kind", "tokens"], "vae learns from images [N, H, W, C]; my.npz holds tokens"),
        ("my.txt", b"to be", ["--kind", "picture"], "unknown kind 'picture'; known: image, movie, series, tok"),
    ],
)  # fmt: skip
def test_data_that_the_model_cannot_learn_from(
    name, content, words, expected, capsys, monkeypatch, tmp_path
):
    (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    assert expected in error(capsys, monkeypatch, "train", "vae", "--data", name, *words)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_file_of_options(trained, tmp_path, monkeypatch):
    """--config stands for options and settings; the command line counts more, name by name."""
    given = {}
    monkeypatch.setattr(
        runs, "train", lambda settings, out, **more: given.update(s=settings, out=out)
    )
    (tmp_path / "vae.toml").write_text(
        'model = "vae"\ndata = "digits"\nepochs = 7\nlearning-rate = 0.01\nskip_bad = true\n'
        f'out = "{tmp_path / "run"}"\n[set]\nlatent_dim = 2\nhidden = [8, 9]\n'
    )
    run("train", "--config", tmp_path / "vae.toml", "--epochs", 3, "--set", "latent_dim=5")
    settings = given["s"]
    assert (settings.model, settings.data, settings.epochs) == ("vae", "digits", 3)
    assert (settings.learning_rate, settings.data_options) == (0.01, {"skip_bad": True})
    assert settings.changes == {"latent_dim": 5, "hidden": (8, 9)}
    assert given["out"] == tmp_path / "run"


def test_a_bundle_means_the_same_in_both_commands(trained, tmp_path, capsys):
    """sample, attack and robustness take runs and bundles; every other verb of the edge is passed on."""
    run("export", trained, "--out", tmp_path / "bundle")
    for name, main in (
        ("a", edge_main),
        ("b", lambda words: runner.invoke(cli.app, words).exit_code),
    ):
        out = tmp_path / f"{name}.npy"
        assert (
            main(["sample", str(tmp_path / "bundle"), "--n", "3", "--prior", "--out", str(out)])
            == 0
        )
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy"))
    parser = edge_parser()
    (verbs,) = (a.choices for a in parser._actions if isinstance(a.choices, dict))
    assert set(verbs) == set(EDGE_VERBS)


def test_data_of_your_own_on_the_command_line(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "mine.npz", scans=rng.integers(0, 256, (40, 8, 8, 1), np.uint8))
    said = run(
        "train", "vae", "--data", tmp_path / "mine.npz", "--epochs", 1, "--set", "latent_dim=2", "--batch", 9,
        "--out", tmp_path / "run",
    )  # fmt: skip
    assert "next: dimaging export" in said
    record = json.loads((tmp_path / "run" / "run.json").read_text())["data"]
    assert record["licence"] == "not stated: your own data"
    assert (record["kind"], record["shape"], record["range"]) == ("image", [8, 8, 1], [0.0, 1.0])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--batch", 3], "as it was set up; leave out --batch, or start another run"),
        (["--data", "digits", "--seed", 0], "leave out --data, --seed, or start another run"),
        (["autoencoder"], "is a run of vae. Received: autoencoder"),
        (["--epochs", 3, "--minutes", 1], "for --minutes or for --epochs more; received both"),
    ],
)
def test_resume_takes_no_other_settings(trained, words, expected, capsys, monkeypatch):
    before = (trained / "run.json").read_text()
    assert expected in error(capsys, monkeypatch, "train", *words, "--resume", "--out", trained)
    assert (trained / "run.json").read_text() == before


@pytest.mark.parametrize("text", ["", "[]", '{"graphs": {}}', '{"model": 1, "graphs": []}'])
@pytest.mark.parametrize("name", ["run.json", "bundle.json"])
def test_report_of_a_damaged_folder(name, text, capsys, monkeypatch, tmp_path):
    (tmp_path / name).write_text(text)
    said = error(capsys, monkeypatch, "report", tmp_path, "--out", tmp_path / "report.html")
    assert f"{tmp_path} is damaged: {name}, or a file of figures beside it" in said
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("matplotlib", "train,export,cpu"), ("keras_cv", "augment"), ("onnxruntime", "cpu"),
        ("tensorboard", "logs"), ("pydot", "logs"), ("segno", "app"), ("ai_edge_litert", "tflite"),
        ("resvg_py", "avatars"), ("tf2onnx", "export"),
    ],
)  # fmt: skip
def test_a_missing_package_is_named_with_its_extra(module, extra, capsys, monkeypatch):
    """Each of these is in the extra that the words name."""
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(cli, "app", lambda: __import__(module))
    assert f"this needs {module}: pip install 'dimaging[{extra}]'" in error(capsys, monkeypatch)
    extras = tomllib.loads(pages.read("pyproject.toml"))["project"]["optional-dependencies"]
    brings = " ".join(extras[extra.split(",")[0]]).replace("-", "_")
    assert module in brings


@pytest.mark.parametrize("words", [["--size", 0], ["--seed", -1]])
def test_numbers_out_of_range_are_usage_errors(words):
    result = runner.invoke(cli.app, ["train", "vae", *map(str, words)])
    assert result.exit_code == 2


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--precision", "int9"], "int8"),
        (["--target", "fone"], "phone"),
    ],
)
def test_export_suggests_the_near_name(trained, words, expected, capsys, monkeypatch, tmp_path):
    assert expected in error(
        capsys, monkeypatch, "export", trained, "--out", tmp_path / "b", *words
    )
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("kind", "code"),
    [(KeyboardInterrupt, 130), (SystemExit, 2), (UserError, 1)],
)
def test_an_exit_lets_go_of_what_the_command_held(monkeypatch, kind, code):
    """An iterator of tf.data has threads, which may abort a Python that ends before it is destroyed."""
    held = []

    class Held:
        itself: "Held"

    def stop():
        iterator = Held()
        iterator.itself = iterator  # as Keras does
        held.append(weakref.ref(iterator))
        raise kind(code)

    monkeypatch.setattr(cli, "app", stop)
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    assert exit_.value.code == code
    assert held[0]() is None


def test_a_training_that_ends_before_its_last_phase_says_so(tmp_path):
    said = run("train", "stackgan", "--minutes", "0.01", "--out", tmp_path / "run")
    assert "steps before the last phase of stackgan, which has learned nothing" in said


def test_ctrl_c_in_training_leaves_whole_files(tmp_path):
    """The real signal, in the middle of a run: what is there loads, nothing temporary is left."""
    import signal

    command = "-m dimaging_tf.commands.app train vae --data digits --epochs 500 --out".split()
    process = forked.start([sys.executable, *command, str(tmp_path / "run")], tmp_path, pages.ENV)
    while not (tmp_path / "run" / "last.keras").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1].decode()
    assert process.returncode == 130, said
    assert not [p for p in (tmp_path / "run").rglob(".*")]
    assert runs.load_model(tmp_path / "run").config.shape == (8, 8, 1)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "classifier"
    words = ("--data", "digits", "--epochs", 8, "--set", "channels=(8,)", "--set", "units=16")
    run("train", "classifier", *words, "--out", folder)
    return folder


def test_attack_on_a_run(classifier, tmp_path):
    digit = data.load("digits").valid.x[0]
    np.save(tmp_path / "digit.npy", (digit / 255).astype(np.float32)[None])
    out = tmp_path / "attacked.png"
    words = (
        tmp_path / "digit.npy",
        "--target",
        3,
        "--label",
        1,
        "--eps",
        0.5,
        "--out",
        out,
    )
    assert "after   class 3 (" in run("attack", classifier, *words)
    assert out.stat().st_size > 50
    assert not list(classifier.glob("*bundle*"))


def test_robustness_of_a_run(classifier, tmp_path):
    report = tmp_path / "report.json"
    words = ("--eps", 0.05, "--plan", "quick", "--n", 60, "--json", report)
    result = runner.invoke(cli.app, ["robustness", str(classifier), *map(str, words)])
    found = json.loads(report.read_text())
    assert result.exit_code == (0 if found["robust"] else 3)
    assert found["headline"] in result.output
    assert found["images"] == 60
    assert found["clean"]["share"] > 0.6


def test_robustness_on_images_of_any_size(classifier, tmp_path):
    """A folder of class folders, whose images get the size that the model takes."""
    digits = data.load("digits").train
    for label in (0, 1):
        folder = tmp_path / "my digits" / str(label)
        folder.mkdir(parents=True)
        for number, x in enumerate(digits.x[digits.label == label][:30]):
            large = Image.fromarray(x[..., 0]).resize((40, 30))
            large.convert("RGB").save(folder / f"{number}.png")
    report = tmp_path / "report.json"
    words = ("--data", tmp_path / "my digits", "--eps", 0.05, "--plan", "quick", "--json", report)
    result = runner.invoke(cli.app, ["robustness", str(classifier), *map(str, words)])
    found = json.loads(report.read_text())
    assert found["headline"] in result.output
    assert found["images"] >= 2
    assert found["clean"]["share"] > 0.6


def test_gradient_of_a_file(classifier, tmp_path):
    folder = tmp_path / "a bundle"
    said = run("export", classifier, "--out", folder, "--gradient")
    assert f"next: dimaging bench '{folder}'" in said  # to be copied as it is
    said = run("gradient", folder / "classifier.onnx", "--out", tmp_path / "g.onnx")
    assert "gradient, margin and logits of 10 classes out" in said
    assert (tmp_path / "g.onnx").is_file()


def test_robustness_needs_labels(classifier, capsys, monkeypatch):
    said = error(capsys, monkeypatch, "robustness", classifier, "--data", "photos")
    assert "images with one label each; received others. Give such: --data mnist5k" in said
