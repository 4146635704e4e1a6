"""Sixty mistakes of a first hour: each gets one plain sentence, exit code 1 or 2, and leaves no file."""

import sys
from pathlib import Path

import numpy as np
import pytest
from dimaging_edge.commands.main import main as edge_main
from dimaging_edge.photo.bundle_model import SHIPPED
from PIL import Image

from dimaging_tf.commands import app as cli

CODEC = SHIPPED / "unet_codec"
TRAIN = [
    ("train vea", "no model 'vea'; did you mean 'vae'?"),
    ("train VAE", "no model 'VAE'; did you mean 'vae'?"),
    ("train", "Which model? dimaging list shows them"),
    ("train vae extra", "unexpected extra argument"),
    ("train --resume", "Which run? Name it: dimaging train --resume --out runs/vae"),
    ("train vae --resume", "runs/vae is not a run folder"),
    ("train vae --sett latent_dim=2", "No such option: --sett"),
    ("train vae --set latent_dim", "--set takes NAME=VALUE, such as latent_dim=2"),
    ("train vae --set latent=2", "vae has no setting 'latent'; did you mean 'latent_dim'?"),
    ("train dcgan --set depth=3", "dcgan has no setting 'depth'"),
    ("train vae --epochs 0", "Invalid value for '--epochs'"),
    ("train vae --epochs ten", "Invalid value for '--epochs'"),
    ("train vae --minutes 0", "Invalid value for '--minutes'"),
    ("train vae --batch -1", "Invalid value for '--batch'"),
    ("train vae --seed -1", "Invalid value for '--seed'"),
    ("train vae --size 0", "Invalid value for '--size'"),
    ("train vae --data digitz", "neither a data set nor a file or folder called 'digitz'; did you mean 'digits'?"),
    ("train vae --data ./digits", "neither a data set nor a file or folder called './digits'"),
    ("train vae --data empty", "empty"),
    ("train vae --data text.txt", "vae learns from images [N, H, W, C]; text.txt holds tokens [N, T]"),
    ("train vae --data notes.md", "notes.md"),
    ("train vae --data digits --kind tokens", "kind= is of data of your own; digits has no such option"),
    ("train vae --data digits --augment flip", "flip"),
    ("train vae --data digits --strategy both", "both"),
    ("train vae --data digits --init nowhere.keras", "nowhere.keras"),
    ("train vae --data digits --set latent_dim=two", "vae: latent_dim must be int. Received: 'two'"),
    ("train vae --data digits --set hidden=64", "vae: hidden must be tuple[int, ...]. Received: 64"),
    ("train mnist5k", "no model 'mnist5k'"),
    ("list vea", "no model 'vea'; did you mean 'vae'?"),
    ("sample nowhere", "nowhere is not a run folder"),
    ("sample", "Missing argument"),
    ("sample nowhere --n 0", "Invalid value for '--n'"),
    ("sample nowhere --strength 2", "--strength is of --attribute; give both, or neither. Received: --strength 2"),
    ("sample nowhere --analogy 1+2 --strength 2", "--strength is of --attribute"),
    ("sample nowhere --n 8 --reconstruct 4", "--n is the number of samples, which --reconstruct draws none of"),
    ("sample nowhere --n 8 --attribute 7", "which --attribute draws none of; leave one of them out. Received: --n 8"),
    ("export nowhere", "nowhere is not a run folder"),
    ("export nowhere.keras", "nowhere.keras"),
    ("export text.txt", "text.txt"),
    ("export nowhere --range image", "--range takes NAME=LOW:HIGH, such as image=0:255"),
    ("export nowhere --data a=x --data y", "or NAME=PATH for each input, such as content=photos/. Received: 'y'"),
    ("export nowhere --data a=", "NAME=PATH for each input"),
    ("export nowhere --data a=x --data a=y", "--data names the input 'a' twice. Received: a=x, a=y"),
    ("export nowhere.keras --import no_such_layers", "there is no module 'no_such_layers'"),
    ("report .", "is neither a run folder (run.json) nor a bundle (bundle.json)"),
    ("rd nowhere", "nowhere"),
    ("gradient nowhere.onnx", "nowhere.onnx"),
    ("attack nowhere --image grey.png", "nowhere"),
    ("robustness nowhere", "nowhere"),
    ("info nowhere", "no bundle folder at nowhere; make one with: dimaging export"),
    ("compress grey.png", "No such command 'compress'"),
    ("trian vae", "No such command 'trian'"),
]  # fmt: skip
EDGE = [
    ("info", "the following arguments are required: BUNDLE"),
    ("inof x", "invalid choice: 'inof'"),
    ("info grey.png", "grey.png"),
    ("check nowhere", "no bundle folder at "),
    (f"run {CODEC} decodr", "decoder"),
    (f"run {CODEC} decoder", "decoder"),
    (f"run {CODEC} decoder --input y", "--input: expected NAME=FILE or NAME=normal, received 'y'"),
    (f"run {CODEC} decoder --n 0", "expected 1 or more, received 0"),
    (f"bench {CODEC} --seconds -1", "expected a number of 0 or more, received -1"),
    (f"bench {CODEC} --budget nowhere.toml", "nowhere.toml"),
    (f"check {CODEC} --provider coda", "coda"),
    ("compress nowhere.png", "no file nowhere.png"),
    ("compress empty", "no files with "),
    ("compress text.txt", "text.txt"),
    ("compress grey.png -q 64", "quality"),
    ("compress grey.png -q best", "invalid int value: 'best'"),
    ("compress grey.png --tile 100", "tile"),
    ("compress grey.png -o grey.png", "it would be replaced by its own result; choose another -o"),
    ("compress grey.png -o text.txt", "text.txt is there already; --force replaces it"),
    ("compress grey.png --model nowhere", "nowhere"),
    ("decompress grey.png", "grey.png"),
    ("decompress nowhere.dimg", "nowhere.dimg"),
    ("decompress text.txt -o x.png", "text.txt"),
]


def test_there_are_sixty():
    assert len(TRAIN) + len(EDGE) >= 60


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A newcomer's folder: a picture, a text, notes and an empty folder."""
    monkeypatch.chdir(tmp_path)
    grey = np.random.default_rng(0).integers(0, 255, (40, 40), np.uint8)
    Image.fromarray(grey).save("grey.png")
    Path("text.txt").write_text("to be or not to be")
    Path("notes.md").write_text("# Notes")
    Path("empty").mkdir()
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("words", "expected"), TRAIN)
def test_dimaging(words, expected, folder, monkeypatch, capsys):
    before = _files(folder)
    monkeypatch.setattr(sys, "argv", ["dimaging", *words.split()])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    _check(stop.value.code, capsys.readouterr().err, expected)
    assert _files(folder) == before


@pytest.mark.parametrize(("words", "expected"), EDGE)
def test_dimaging_edge(words, expected, folder, capsys):
    before = _files(folder)
    code = edge_main(words.split())
    _check(code, capsys.readouterr().err, expected)
    assert _files(folder) == before


def _check(code, said: str, expected: str) -> None:
    assert code in (1, 2)
    assert expected in said
    assert "Traceback" not in said
    sentence = [line for line in said.splitlines() if "rror: " in line]
    assert len(sentence) == 1
    assert len(sentence[0]) < 600
