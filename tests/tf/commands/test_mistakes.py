"""Mistakes of a first hour: each gets one plain sentence, no traceback, and leaves no file.

The exit code is 2 where the command line is wrong, which `dimaging` says before TensorFlow loads, and 1 where a file
or a folder is. A row: the command line, words of the answer, and the code where it is not 2.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
from dimaging_edge.commands.main import main as edge_main
from dimaging_edge.photo.bundle_model import SHIPPED
from helpers import pages
from PIL import Image

from dimaging_tf.commands import app as cli
from dimaging_tf.commands import attack, sample, train

ROWS = [
    ("dimaging list vea", "no model 'vea'; did you mean 'vae'?"),
    ("dimaging train vea", "no model 'vea'; did you mean 'vae'?"),
    ("dimaging train VAE", "no model 'VAE'; did you mean 'vae'?"),
    ("dimaging train", "Which model? dimaging list shows them"),
    ("dimaging train vae extra", "unexpected extra argument"),
    ("dimaging train --resume", "Which run? Name it: dimaging train --resume --out runs/vae"),
    ("dimaging train vae --resume", "runs/vae is not a run folder"),
    ("dimaging train vae --sett latent_dim=2", "No such option: --sett"),
    ("dimaging train vae --set latent_dim", "--set takes NAME=VALUE, such as latent_dim=2"),
    ("dimaging train vae --set latent=2", "vae has no setting 'latent'; did you mean 'latent_dim'?"),
    ("dimaging train dcgan --set depth=3", "dcgan has no setting 'depth'"),
    ("dimaging train vae --epochs 0", "Invalid value for '--epochs'"),
    ("dimaging train vae --epochs ten", "Invalid value for '--epochs'"),
    ("dimaging train vae --minutes 0", "Invalid value for '--minutes'"),
    ("dimaging train vae --batch -1", "Invalid value for '--batch'"),
    ("dimaging train vae --seed -1", "Invalid value for '--seed'"),
    ("dimaging train vae --size 0", "Invalid value for '--size'"),
    ("dimaging train vae --data digitz", "neither a data set nor a file or folder called 'digitz'; did you mean 'digits'?"),
    ("dimaging train vae --data ./digits", "neither a data set nor a file or folder called './digits'"),
    ("dimaging train vae --data empty", "empty is an empty folder; expected images, movies, or CSV files"),
    ("dimaging train vae --data text.txt", "vae learns from images [N, H, W, C]; text.txt holds tokens [N, T]"),
    ("dimaging train vae --data notes.md", "notes.md"),
    ("dimaging train vae --data digits --kind tokens", "kind= is of data of your own; digits has no such option"),
    ("dimaging train vae --data digits --init nowhere.keras", "nowhere.keras"),
    ("dimaging train vae --data digits --set latent_dim=two", "vae: latent_dim must be int. Received: 'two'"),
    ("dimaging train vae --data digits --set hidden=64", "vae: hidden must be tuple[int, ...]. Received: 64"),
    ("dimaging train mnist5k", "no model 'mnist5k'"),
    ("dimaging train vae --augment flip", "unknown augmentation 'flip'; did you mean 'flips'?"),
    ("dimaging train vae --strategy both", "--strategy must be single, mirrored or multiworker"),
    ("dimaging train vae --strategy multiworker", "multiworker reads the workers from the environment, such as TF_CONFIG="),
    ("dimaging train vae --learning-rate -1", "--learning-rate is a number above 0"),
    ("dimaging train vae --set latent_dim=-1", "vae: latent_dim must be 0 or more. Received: -1"),
    ("dimaging train vae --set likelihood=poisson", "vae: likelihood must be bernoulli or gaussian. Received: 'poisson'"),
    ("dimaging train unet --set padding=none", "unet: padding must be valid or same. Received: 'none'"),
    ("dimaging train vae --data . --cut round", "cut is 'patches' or 'resize'; received 'round'"),
    ("dimaging train vae --data empty --kind picture", "unknown kind 'picture'; known: image, movie"),
    ("dimaging train --config nowhere.toml", "--config: nowhere.toml cannot be read: No such file"),
    ("dimaging train --config notes.md", "--config: notes.md is no TOML"),
    ("dimaging train --config epoch.toml", "epoch.toml: train has no option 'epoch'; did you mean 'epochs'?"),
    ("dimaging train --config zero.toml", "Invalid value for '--epochs'"),
    ("dimaging train --config half.toml", "Invalid value for '--epochs'"),
    ("dimaging train --config latent.toml", "vae has no setting 'latent'; did you mean 'latent_dim'?"),
    ("dimaging train --config latent.toml --set latent_dim", "--set takes NAME=VALUE"),
    ("dimaging sample nowhere", "nowhere is not a run folder"),
    ("dimaging sample", "Missing argument"),
    ("dimaging sample nowhere --n 0", "Invalid value for '--n'"),
    ("dimaging sample nowhere --n 1000000", "Invalid value for '--n'"),
    ("dimaging sample nowhere --out drawn.txt", "drawn.txt: no picture has the suffix '.txt'; choose .png"),
    ("dimaging sample nowhere --out drawn.npy", "drawn.npy: no picture has the suffix '.npy'; choose .png"),
    ("dimaging sample nowhere --strength 2", "--strength is of --attribute; give both, or neither. Received: --strength 2"),
    ("dimaging sample nowhere --analogy 1+2 --strength 2", "--strength is of --attribute"),
    ("dimaging sample nowhere --n 8 --reconstruct 4", "--n is the number of samples, which --reconstruct draws none of"),
    ("dimaging sample nowhere --n 8 --attribute 7", "which --attribute draws none of; leave one of them out. Received: --n 8"),
    ("dimaging export nowhere", "nowhere is not a run folder"),
    ("dimaging export nowhere.keras", "nowhere.keras"),
    ("dimaging export saved", "saved is a SavedModel of TensorFlow, which holds no Keras layers"),
    ("dimaging export text.txt", "text.txt"),
    ("dimaging export nowhere --range image", "--range takes NAME=LOW:HIGH, such as image=0:255"),
    ("dimaging export nowhere --data a=x --data y", "or NAME=PATH for each input, such as content=photos/. Received: 'y'"),
    ("dimaging export nowhere --data a=", "NAME=PATH for each input"),
    ("dimaging export nowhere --data a=x --data a=y", "--data names the input 'a' twice. Received: a=x, a=y"),
    ("dimaging export empty/x.keras --import no_such_layers", "there is no file empty/x.keras"),
    ("dimaging export nowhere --precision int9", "unknown precision 'int9'; did you mean 'int8'?"),
    ("dimaging export nowhere --target fone", "unknown target 'fone'; did you mean 'phone'?"),
    ("dimaging export nowhere --target web --precision fp64", "unknown precision 'fp64'"),
    ("dimaging report .", "is neither a run folder (run.json) nor a bundle (bundle.json)", 1),
    ("dimaging rd nowhere", "nowhere", 1),
    ("dimaging gradient nowhere.onnx", "nowhere.onnx", 1),
    ("dimaging attack nowhere --image grey.png", "nowhere"),
    ("dimaging attack nowhere", "Which image? A picture, an .npy, noise or grey: dimaging attack nowhere photo.png"),
    ("dimaging attack nowhere noise --method pgdd", "--method: unknown 'pgdd'; did you mean 'pgd'?"),
    ("dimaging attack nowhere noise --norm l3", "unknown norm 'l3'"),
    ("dimaging attack nowhere noise --eps 8/0", "eps: expected a number such as 0.03 or 8/255, received '8/0'"),
    ("dimaging attack nowhere nobody.png", "there is no file nobody.png"),
    ("dimaging attack nowhere noise --image grey", "give one image; received noise and --image grey"),
    ("dimaging attack nowhere empty", "empty is a folder, which bundles take"),
    ("dimaging attack nowhere noise --steps 0", "Invalid value for '--steps'"),
    ("dimaging attack CODEC --image grey --precision int8", "--precision is of runs: "),
    ("dimaging robustness nowhere --claim 93", "Invalid value for '--claim'"),
    ("dimaging robustness CODEC --data digits --precision fp16", "is a bundle, which has its own. Leave it out"),
    ("dimaging robustness nowhere", "nowhere"),
    ("dimaging robustness nowhere --plan fast", "unknown plan 'fast'; known: quick, standard, thorough"),
    ("dimaging robustness nowhere --data mnist6k", "did you mean 'mnist5k'?"),
    ("dimaging info nowhere", "no bundle folder at nowhere; make one with: dimaging export", 1),
    ("dimaging trian vae", "No such command 'trian'"),
    ("dimaging compress nowhere.png", "no file nowhere.png", 1),
    ("dimaging compress grey.png -o text.txt", "text.txt is there already; --force replaces it", 1),
    ("dimaging check nowhere", "no bundle folder at ", 1),
    ("dimaging --quit train vae", "No such option: --quit"),
    ("dimaging-edge info", "the following arguments are required: BUNDLE"),
    ("dimaging-edge inof x", "invalid choice: 'inof'"),
    ("dimaging-edge info grey.png", "grey.png", 1),
    ("dimaging-edge check nowhere", "no bundle folder at ", 1),
    ("dimaging-edge run CODEC decodr", "decoder", 1),
    ("dimaging-edge run CODEC decoder", "decoder", 1),
    ("dimaging-edge run CODEC decoder --input y", "--input: expected NAME=FILE or NAME=normal, received 'y'", 1),
    ("dimaging-edge run CODEC decoder --n 0", "expected 1 or more, received 0"),
    ("dimaging-edge bench CODEC --seconds -1", "expected a number of 0 or more, received -1"),
    ("dimaging-edge bench CODEC --budget nowhere.toml", "nowhere.toml", 1),
    ("dimaging-edge check CODEC --provider coda", "coda", 1),
    ("dimaging-edge compress nowhere.png", "no file nowhere.png", 1),
    ("dimaging-edge compress empty", "no files with ", 1),
    ("dimaging-edge compress text.txt", "text.txt", 1),
    ("dimaging-edge compress grey.png -q 64", "quality", 1),
    ("dimaging-edge compress grey.png -q best", "invalid int value: 'best'"),
    ("dimaging-edge compress grey.png --tile 100", "tile", 1),
    ("dimaging-edge compress grey.png -o grey.png", "it would be replaced by its own result; choose another -o", 1),
    ("dimaging-edge compress grey.png -o text.txt", "text.txt is there already; --force replaces it", 1),
    ("dimaging-edge compress grey.png --model nowhere", "nowhere", 1),
    ("dimaging-edge decompress grey.png", "grey.png", 1),
    ("dimaging-edge decompress nowhere.dimg", "nowhere.dimg", 1),
    ("dimaging-edge decompress text.txt -o x.png", "text.txt", 1),
]  # fmt: skip
CONFIGS = {
    "epoch": "epoch = 3",
    "zero": "epochs = 0",
    "half": "epochs = 2.5",
    "latent": "[set]\nlatent = 3",
}
"""Files for --config, and what is wrong in each."""


def test_there_are_more_than_sixty():
    assert len(ROWS) > 90


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A newcomer's folder: a picture, a text, notes, an empty folder, a SavedModel and configurations."""
    monkeypatch.chdir(tmp_path)
    grey = np.random.default_rng(0).integers(0, 255, (40, 40), np.uint8)
    Image.fromarray(grey).save("grey.png")
    Path("text.txt").write_text("to be or not to be")
    Path("notes.md").write_text("# Notes\nof mine")
    Path("empty").mkdir()
    Path("saved").mkdir()
    Path("saved/saved_model.pb").write_bytes(b"")
    for name, wrong in CONFIGS.items():
        Path(f"{name}.toml").write_text(f'model = "vae"\n{wrong}\n')
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("line", "expected", "code"), [(*row, 2)[:3] for row in ROWS])
def test_a_mistake_gets_a_sentence(line, expected, code, folder, monkeypatch, capsys):
    def loads():
        raise AssertionError("TensorFlow loads before the mistake is said")

    if code == 2:
        for module in (cli, attack, sample, train):
            monkeypatch.setattr(module, "load_tensorflow", loads)
    before = _files(folder)
    program, *words = line.replace("CODEC", str(SHIPPED / "unet_codec")).split()
    if program == "dimaging":
        monkeypatch.setattr(sys, "argv", [program, *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        found = stop.value.code
    else:
        found = edge_main(words)
    said = capsys.readouterr().err
    assert found == code
    assert expected in said
    assert "Traceback" not in said
    sentence = [one for one in said.splitlines() if "rror: " in one]
    assert len(sentence) == 1
    assert len(sentence[0]) < 700
    assert _files(folder) == before


LIGHT = """
import contextlib, io, sys
from dimaging_tf.commands import app
for line in sys.argv[1:]:
    sys.argv = line.split()
    with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(SystemExit):
        app.main()
    heavy = {"tensorflow", "keras"} & set(sys.modules)
    assert not heavy, (line, heavy)
"""


def test_mistakes_of_the_command_line_load_no_tensorflow(folder):
    lines = [row[0] for row in ROWS if row[0].startswith("dimaging ") and len(row) == 2]
    pages.run([sys.executable, "-c", LIGHT, *lines], folder)


def test_verbose_shows_the_traceback(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["dimaging", "-v", "train", "vea"])
    with pytest.raises(SystemExit):
        cli.main()
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert said.splitlines()[-1].startswith("error: no model 'vea'")
    assert edge_main(["-v", "info", "nowhere"]) == 1
    assert "Traceback" in capsys.readouterr().err
