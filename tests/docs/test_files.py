"""Every file that a command of the README, or then of docs/jobs.md, reads was written by a command before it, or is the reader's own."""

import re
from itertools import pairwise

import numpy as np
import pytest
from helpers.pages import blocks, read

from dimaging_tf.commands.example_files import LETTER, write_example_files
from dimaging_tf.errors import UserError

OUTPUTS = ("--out", "-o", "--write-budget", "--collect")
OWN = {"c.pem", "k.pem", "[mine]", "runs/mine"}
"""A certificate, and the run of the script above the commands."""
PLACE = re.compile(r"(?:[a-z_]+=)?((?:runs|bundle)/[\w./-]+|[\w-]+\.[a-z]{3,5}|[\w-]+/)$")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    return folder, write_example_files(folder)


def test_every_file_is_there_before_it_is_read(files):
    _, paths = files
    there = OWN | {p.name for p in paths} | {f"{p.name}/" for p in paths if p.is_dir()}
    pages = read("README.md") + read("docs/jobs.md")
    for line in "\n".join(blocks(pages, "sh")).splitlines():
        words = line.split("#")[0].split()
        if words[:1] not in (["dimaging"], ["dimaging-edge"]):
            continue
        made, verb = set(), words[1]
        for before, word in pairwise(words):
            if not (place := PLACE.match(word)):
                continue
            name = place[1]
            if before in OUTPUTS:
                made.add(name)
                continue
            known = name in there or any(name.startswith(f"{one}/") for one in there)
            assert known, f"{line}: nothing has written {name}"
        if verb == "export" and "--out" not in words:
            options = dict(pairwise(words))
            target = options.get("--target", "cpu")
            name = f"{words[2].split('/')[1]}-{options.get('--precision', 'fp32')}"
            made.add(f"bundle/{name}" + ("" if target == "cpu" else f"-{target}"))
        there |= made


def test_the_files_are_what_the_commands_take(files):
    folder, _ = files
    digits = np.load(folder / "digits.npy")
    assert (digits.dtype, digits.shape, digits.max()) == (np.uint8, (100, 28, 28), 1)
    with np.load(folder / "digits.npz") as stored:
        assert stored["x"].shape == (100, 28, 28, 1)
        assert stored["x"].max() <= 1
        assert len(stored["y"]) == 100
    assert len(list((folder / "my_signs").iterdir())) == 8
    assert (folder / "letter.txt").read_text("utf-8") == LETTER


def test_nothing_is_written_over(files):
    with pytest.raises(
        UserError, match="holds my_photos, photo.png, .* already; choose an empty folder"
    ):
        write_example_files(files[0])
