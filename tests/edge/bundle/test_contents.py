"""The files of a bundle: read once, checked, and used from memory whatever happens to the folder."""

import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from dimaging_edge import Bundle, BundleError, open_bundle
from dimaging_edge.bundle import contents
from dimaging_edge.bundle.open import read_manifest

Z = np.ones((1, 4), np.float32)


def _link_out(folder: Path, name: str) -> None:
    (folder / name).rename(folder.parent / name)
    (folder / name).symlink_to(f"../{name}")


def _fifo(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)


def _endless(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")


def _folder(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()


def _loop(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).symlink_to(name)


SPECIAL = [
    (_link_out, "decoder.onnx", "is a link that leads out of the bundle; copy it with cp -rL"),
    (_endless, "examples.npz", "is a link that leads out of the bundle"),
    (_fifo, "decoder.onnx", "is no regular file"),
    (_fifo, "examples.npz", "is no regular file"),
    (_folder, "examples.npz", "is no regular file"),
    (_loop, "decoder.onnx", "cannot be read"),
    (_fifo, "bundle.json", "is no regular file"),
    (_endless, "bundle.json", "is no regular file"),
    (_folder, "bundle.json", "is no regular file"),
    (_loop, "bundle.json", "cannot be read"),
]


@pytest.mark.parametrize(("damage", "name", "says"), SPECIAL)
def test_special_files_are_refused(
    own: Path, damage: Callable[[Path, str], None], name: str, says: str
) -> None:
    """In a process of its own, which a FIFO would hold and an endless file would fill."""
    damage(own, name)
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n"
        "from dimaging_edge import BundleError, open_bundle\n"
        "try: open_bundle(sys.argv[1])\n"
        "except BundleError as error: print(error)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(own)], env=env, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    assert name in done.stdout
    assert says in done.stdout


def test_a_link_inside_the_bundle_is_followed(own: Path) -> None:
    (own / "decoder.onnx").rename(own / "real.bin")
    (own / "decoder.onnx").symlink_to("real.bin")
    assert open_bundle(own).run("decoder", z=Z)["image"].shape == (1, 8, 8, 1)


LIMITS = [("MOST_MANIFEST", "expected at most 100"), ("MOST_BYTES", "at most 100 are read")]


@pytest.mark.parametrize(("limit", "says"), LIMITS)
def test_sizes_are_limited(
    own: Path, monkeypatch: pytest.MonkeyPatch, limit: str, says: str
) -> None:
    module = "dimaging_edge.bundle." + ("open" if limit == "MOST_MANIFEST" else "contents")
    monkeypatch.setattr(f"{module}.{limit}", 100)
    with pytest.raises(BundleError, match=says):
        open_bundle(own)


def _replace(folder: Path, make: SimpleNamespace) -> None:
    """As `dimaging export --force` does: another folder takes the name."""
    model = make.decoder()
    for tensor in model.graph.initializer:
        if tensor.name == "w":
            tensor.raw_data = bytes(len(tensor.raw_data))
    folder.rename(folder.parent / "old")
    make.bundle(folder, {"decoder": model})


def _rewrite(folder: Path, make: SimpleNamespace) -> None:
    model = onnx.load(folder / "decoder.onnx")
    model.graph.initializer[0].raw_data = bytes(len(model.graph.initializer[0].raw_data))
    onnx.save(model, folder / "decoder.onnx")


@pytest.mark.parametrize("change", [_replace, _rewrite])
def test_a_bundle_that_is_replaced_goes_on_or_says_so(
    own: Path, make: SimpleNamespace, change: Callable
) -> None:
    ran, late = open_bundle(own), open_bundle(own)
    before = ran.run("decoder", z=Z)["image"]
    change(own, make)
    np.testing.assert_array_equal(ran.run("decoder", z=Z)["image"], before)
    with pytest.raises(
        BundleError, match=r"decoder\.onnx was replaced since the bundle was opened"
    ):
        late.run("decoder", z=Z)
    with pytest.raises(
        BundleError, match=r"decoder\.onnx was replaced since the bundle was opened"
    ):
        ran.new_session("decoder")


def test_a_bundle_whose_folder_is_gone_goes_on(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own.parent)
    bundle = open_bundle(own.name)
    monkeypatch.chdir(tmp_path.parent)
    assert bundle.path == own
    own.rename(own.parent / "elsewhere")
    assert all(one.ok for graph in bundle.check().values() for one in graph.values())


def test_a_relative_path_survives_a_change_of_the_working_directory(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own.parent)
    bundle = open_bundle(Path(own.name))
    monkeypatch.chdir(tmp_path)
    assert bundle.run("decoder", z=Z)["image"].shape == (1, 8, 8, 1)
    assert bundle.new_session("decoder").get_inputs()[0].name == "z"


def test_memory_is_let_go_once_a_graph_has_its_session(own: Path) -> None:
    bundle = open_bundle(own)
    held = bundle._contents._files
    assert set(held) == set(bundle.manifest.files)
    bundle.run("decoder", z=Z)
    assert set(held) == set(bundle.manifest.files) - {"decoder.onnx"}
    assert bundle.read("decoder.onnx") == (own / "decoder.onnx").read_bytes()


@pytest.mark.parametrize("again", [lambda b: pickle.loads(pickle.dumps(b)), copy.deepcopy])
@pytest.mark.parametrize("ran", [False, True])
def test_a_bundle_can_be_pickled(own: Path, ran: bool, again: Callable[[Bundle], Bundle]) -> None:
    bundle = open_bundle(own, threads=1, limit_s=60)
    if ran:
        bundle.run("decoder", z=Z)
    copied = again(bundle)
    assert (copied.path, copied.threads, copied.limit_s) == (own, 1, 60)
    np.testing.assert_array_equal(
        copied.run("decoder", z=Z)["image"], bundle.run("decoder", z=Z)["image"]
    )


def test_a_pickle_of_a_bundle_that_was_replaced_says_so(own: Path, make: SimpleNamespace) -> None:
    stored = pickle.dumps(open_bundle(own))
    _replace(own, make)
    with pytest.raises(BundleError, match="was replaced by another bundle since it was opened"):
        pickle.loads(stored)


def test_a_file_that_is_not_listed_is_not_read(own: Path) -> None:
    (own / "notes.txt").write_text("x")
    with pytest.raises(BundleError, match=r"notes\.txt is not listed in bundle\.json"):
        open_bundle(own).read("notes.txt")


def test_a_file_that_grows_while_it_is_read(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = read_manifest(own).files["decoder.onnx"]
    monkeypatch.setattr(
        contents.os, "fstat", lambda descriptor: SimpleNamespace(st_mode=0o100644, st_size=5)
    )
    with pytest.raises(BundleError, match="grows while it is read"):
        contents.read_regular(own / "decoder.onnx", listed.bytes - 1)
