"""A bundle takes its place whole: what a kill leaves goes or comes back, links stay, one writer at a time."""

import json
import os
import signal
from pathlib import Path

import onnx
import pytest
from dimaging_edge.bundle import schema
from dimaging_edge.bundle.identity import SEAL, metadata, seal
from dimaging_edge.common.errors import DimagingError
from dimaging_export.bundle import write
from dimaging_export.bundle.write import check_place, new_bundle
from dimaging_export.errors import ExportError
from onnx import helper


def fill(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bundle.json").write_text(json.dumps(text))


def told(folder: Path) -> str:
    return json.loads((folder / "bundle.json").read_text())


def kill_during(action) -> None:
    """Run something in a process that is killed where it calls `die`."""
    pid = os.fork()
    if pid == 0:
        try:
            action(lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        finally:
            os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def test_what_a_killed_export_left_goes_with_the_next_one_of_that_name(tmp_path: Path) -> None:
    def half(die) -> None:
        with new_bundle(tmp_path / "b", force=False) as folder:
            (folder / "weights.onnx").write_bytes(bytes(1000))
            die()

    kill_during(half)
    left = [path.name for path in tmp_path.iterdir()]
    assert len(left) == 2  # a lock and a folder
    assert all(name.startswith(".b") and ".dimaging" in name for name in left)
    with new_bundle(tmp_path / "other", force=False) as folder:
        fill(folder, "other")
    assert {path.name for path in tmp_path.iterdir()} == {*left, "other"}
    with new_bundle(tmp_path / "b", force=False) as folder:
        fill(folder, "new")
    assert {path.name for path in tmp_path.iterdir()} == {"b", "other"}


def test_a_bundle_moved_away_by_a_killed_export_comes_back(tmp_path: Path) -> None:
    """Between the two renames of --force there is no bundle for a moment."""
    fill(tmp_path / "b", "old")

    def exchange(die) -> None:
        rename = Path.rename

        def once(path: Path, target: Path) -> Path:
            if path.name == "bundle":
                die()
            return rename(path, target)

        Path.rename = once  # type: ignore[method-assign]
        with new_bundle(tmp_path / "b", force=True) as folder:
            fill(folder, "new")

    kill_during(exchange)
    assert not (tmp_path / "b").exists()
    with pytest.raises(ZeroDivisionError), new_bundle(tmp_path / "b", force=True):
        raise ZeroDivisionError
    assert told(tmp_path / "b") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_bundle_that_cannot_be_replaced_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    fill(tmp_path / "b", "old")
    rename = Path.rename

    def fails(path: Path, target: Path) -> Path:
        if path.name == "bundle":
            raise error
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fails)
    with (
        pytest.raises((ExportError, KeyboardInterrupt)),
        new_bundle(tmp_path / "b", force=True) as folder,
    ):
        fill(folder, "new")
    assert told(tmp_path / "b") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_link_stays_and_its_bundle_is_replaced(tmp_path: Path) -> None:
    fill(tmp_path / "real" / "b", "old")
    (tmp_path / "link").symlink_to("real/b")
    with new_bundle(tmp_path / "link", force=True) as folder:
        fill(folder, "new")
    assert (tmp_path / "link").is_symlink()
    assert told(tmp_path / "real" / "b") == "new"
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["b"]


def test_two_exports_of_one_bundle(tmp_path: Path) -> None:
    with new_bundle(tmp_path / "b", force=False) as folder:
        with (
            pytest.raises(DimagingError, match="b is being written by this process; wait"),
            new_bundle(tmp_path / "b", force=False),
        ):
            pass
        fill(folder, "first")
    assert told(tmp_path / "b") == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_folders_that_were_missing_go_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), new_bundle(tmp_path / "x" / "y" / "b", force=False):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_bundle_stays(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    with pytest.raises(ExportError, match="exists and is no bundle, so it stays"):
        check_place(tmp_path / "notes", force=True)
    with (
        pytest.raises(ExportError, match="exists and is no bundle"),
        new_bundle(tmp_path / "notes", force=True),
    ):
        pass
    assert (tmp_path / "notes" / "mine.txt").read_text() == "mine"
    assert write.REPLACED == "replaced"


def test_every_graph_is_sealed_with_the_tables_beside_it(tmp_path: Path) -> None:
    x = [helper.make_tensor_value_info("x", 1, [1]), helper.make_tensor_value_info("y", 1, [1])]
    node = helper.make_node("Identity", ["x"], ["y"])
    model = helper.make_model(helper.make_graph([node], "g", x[:1], x[1:]), ir_version=8)
    onnx.save(model, tmp_path / "a.onnx")
    for name, data in (("table.bin", b"1"), ("examples.npz", b"2")):
        (tmp_path / name).write_bytes(data)
    graphs = {"a": schema.Graph("a", "a.onnx", (), (), 17, None, {}, {})}
    entries = write.seal_graphs(tmp_path, "ab" * 32, graphs)
    assert entries == {p.name: write.file_entry(p) for p in sorted(tmp_path.iterdir())}
    data = (tmp_path / "a.onnx").read_bytes()
    tables = {"table.bin": write.file_entry(tmp_path / "table.bin").sha256}
    assert metadata(data)[SEAL] == seal(data, "ab" * 32, "a", tables)
    assert onnx.load(tmp_path / "a.onnx").graph == model.graph
