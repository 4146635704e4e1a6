"""The card says which photographs the weights learned from, and the command that trains them again."""

import json
from dataclasses import asdict

import pytest
from dimaging_export.bundle.provenance import rewrite_card, sections, training_command
from dimaging_export.errors import ExportError

from dimaging_tf.data.credits import credits, page
from dimaging_tf.data.wallpapers import HELD_BACK, LICENCES
from dimaging_tf.training.runs import default_settings


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    settings = default_settings("unet_codec", minutes=71.0, data_options={"data_dir": "/somewhere"})
    record = {
        "model": "unet_codec", "settings": asdict(settings), "data": {"name": "wallpapers"}
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(record))
    epoch = {"epoch": 64, "step": 19279, "seconds": 4264.3}
    (folder / "metrics.jsonl").write_text(json.dumps(epoch) + "\n")
    return folder


def test_every_photograph_has_author_and_licence():
    found = credits("wallpapers")
    assert len(found) == 65 == len({credit.file for credit in found})
    assert set(HELD_BACK) <= {credit.file for credit in found}
    assert {credit.file.split("_")[0] for credit in found} == set(LICENCES)
    for credit in (*found, *credits("photos")):
        assert credit.author
        assert credit.licence
        assert not any(word in credit.licence for word in ("NC", "ND"))
    assert credits("mnist") == []
    assert page().count("Fossa_by_Jasper_Roks.jpg*") == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"minutes": 71.0}, "--minutes 71.0"),
        ({"epochs": 3, "batch": 4, "seed": 2}, "--epochs 3 --batch 4 --seed 2"),
        ({"changes": {"bits": 16, "blocks": [2, 3]}}, "--set bits=16 --set 'blocks=(2, 3)'"),
        ({"learning_rate": 0.1, "augment": "flips"}, "--learning-rate 0.1 --augment flips"),
    ],
)
def test_training_command(given, words):
    command = training_command(asdict(default_settings("unet_codec", **given)))
    assert command == f"dimaging train unet_codec --data wallpapers --size 256 {words}"


def test_sections(run):
    found = sections(run)
    assert "| mate-backgrounds | GPL 2 or later | Jens Ansorg, 2005 |" in found["## Learned from"]
    text = found["## Train it again"]
    assert "dimaging train unet_codec --data wallpapers --size 256 --minutes 71.0" in text
    assert "71 minutes of training, 19,279 steps in 64 epochs" in text
    assert "somewhere" not in text
    assert sections(None) == sections("nowhere") == {}


def test_rewrite_card(run, tmp_path):
    card = tmp_path / "CARD.md"
    card.write_text(
        "# unet_codec\n\n## Limits\n\n* none\n\n## Make it again\n\n    dimaging export\n"
    )
    for _ in range(2):  # the second time it replaces what the first has written
        rewrite_card(tmp_path, run)
        titles = [line for line in card.read_text().splitlines() if line.startswith("## ")]
        assert titles == ["## Limits", "## Learned from", "## Train it again", "## Make it again"]
    with pytest.raises(ExportError, match=r"there is no .*run\.json"):
        rewrite_card(tmp_path, tmp_path)
    with pytest.raises(ExportError, match=r"there is no .*CARD\.md"):
        rewrite_card(run, run)
