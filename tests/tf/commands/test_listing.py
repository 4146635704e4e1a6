"""`dimaging list`: readable in 80 columns and in a pipe, as JSON, and without TensorFlow or typer."""

import json
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from helpers import pages

from dimaging_tf import data, registry
from dimaging_tf.commands import edge_only, listing
from dimaging_tf.training.model_settings import kinds_learned, model_settings


@pytest.mark.parametrize("width", [80, 200])
def test_no_line_is_longer_than_the_terminal(width):
    assert max(map(len, listing.listing_text(width).splitlines())) <= width


def test_json_holds_every_name(capsys):
    listing.list_main(as_json="-")
    found = json.loads(capsys.readouterr().out)
    assert set(found["models"]) == set(registry.REGISTRY)
    assert set(found["data"]) == set(data.NAMES)
    assert "phone" in found["targets"]


@pytest.mark.parametrize("name", registry.REGISTRY)
def test_what_is_read_from_the_source_is_what_the_class_says(name):
    """The words that a comment offers are the only ones that the Config takes; kinds are those of the class."""
    entry = registry.find(name)
    model = entry.model_class()
    assert kinds_learned(entry) == model.kinds
    for key, one in model_settings(entry).items():
        if one.choices:
            assert getattr(model.config_class(), key) in one.choices
            with pytest.raises(ValueError, match="nothing"):
                model.config_class(**{key: "nothing"})


@pytest.mark.parametrize("name", registry.REGISTRY)
def test_settings_read_from_the_source_are_the_fields_of_the_config(name):
    entry = registry.find(name)
    read = model_settings(entry)
    config = entry.model_class().config_class
    assert set(read) == {field.name for field in fields(config)}
    default = config()
    for key, one in read.items():
        if one.default[0] in "0123456789(-\"'TF" and "*" not in one.default:
            assert eval(one.default) == getattr(default, key)  # the source's own literals


def test_one_model_shows_what_the_registry_changes(capsys):
    listing.list_main("dcgan")
    said = capsys.readouterr().out
    assert "float, default 0.3" in said  # d_rate, 1.0 in the Config
    assert "learning rate of the discriminator" in said


CODE = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"typer", "rich", "tensorflow", "keras", "numpy", "onnx", "onnxruntime"}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Absent())
sys.argv = ["dimaging", *sys.argv[1:]]
from dimaging_tf.__main__ import main
main()
"""


def test_list_needs_nothing_installed():
    said = pages.run([sys.executable, "-c", CODE, "list"], Path.cwd())
    assert "variational" in said
    assert "latent_dim" in pages.run([sys.executable, "-c", CODE, "list", "vae"], Path.cwd())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["train", "vae"], "error: dimaging train needs typer and more: pip install 'dimaging[train,"),
        (["list", "vea"], "error: no model 'vea'; did you mean 'vae'?"),
        (["list", "vae", "--json"], "expected one argument"),
    ],
)  # fmt: skip
def test_what_the_edge_alone_cannot_do(words, expected, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["dimaging", *words])
    with pytest.raises(SystemExit) as stop:
        edge_only.main()
    assert expected in str(stop.value.code) + capsys.readouterr().err


def test_list_as_json_without_typer(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["dimaging", "list", "vae", "--json", "-"])
    edge_only.main()
    assert "latent_dim" in json.loads(capsys.readouterr().out)["settings"]


def test_the_edge_alone_runs_its_own_verbs(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["dimaging", "info", "nowhere"])
    with pytest.raises(SystemExit) as stop:
        edge_only.main()
    assert stop.value.code == 1
    assert "error: no bundle folder at nowhere" in capsys.readouterr().err
