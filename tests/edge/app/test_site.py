"""The files of the page: all there, pinned, and for any host; the verb that serves them."""

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from dimaging_edge.app import engine
from dimaging_edge.app import site as site_module
from dimaging_edge.app.site import TYPES, WEB, Site
from dimaging_edge.bundle.schema import Manifest
from dimaging_edge.commands.main import main
from dimaging_edge.common.errors import BundleError, InputError
from dimaging_edge.photo.bundle_model import SHIPPED
from helpers.pages import ENV


@pytest.mark.parametrize("name", engine.PINNED)
def test_the_engine_is_the_one_that_was_pinned(name: str) -> None:
    assert hashlib.sha256(engine.read_engine(name)).hexdigest() == engine.PINNED[name]


def test_a_damaged_engine_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "FOLDER", tmp_path)
    with pytest.raises(
        BundleError, match=r"cannot be read .* pip install --force-reinstall dimaging"
    ):
        engine.read_engine("ort.wasm.min.mjs")
    (tmp_path / "ort.wasm.min.mjs").write_text("other")
    with pytest.raises(BundleError, match="is damaged: expected SHA-256 219e6a"):
        engine.read_engine("ort.wasm.min.mjs")


def test_every_file_has_a_type_and_the_first_visit_is_small() -> None:
    site = Site()
    unknown = {Path(name).suffix for name in site.files} - set(TYPES)
    assert unknown == {".onnx", ".bin", ".npz"}  # bytes to every browser
    first = sum(len(file.packed()) for file in site.files.values() if file.core)
    assert first < 6.5e6
    others = [name for name, file in site.files.items() if not file.core]
    assert any("unet_codec_msssim" in name for name in others)
    assert not any(name.endswith("prior.npz") for name in site.files)


def test_a_manifest_is_read_once_and_sizes_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []
    read = site_module.read_manifest
    monkeypatch.setattr(site_module, "read_manifest", lambda path: seen.append(path) or read(path))
    site = Site([SHIPPED / "unet_codec"])
    assert len(seen) == len(set(seen)) == len(site.bundles)
    one = site.bundles[0]
    files = [file for name, file in site.files.items() if name.startswith(one["folder"])]
    assert one["bytes"] == sum(len(file.read()) for file in files)


def test_every_import_of_the_page_is_a_file_of_it() -> None:
    site = Site()
    for path in WEB.rglob("*.mjs"):
        if path.parent == engine.FOLDER:
            continue
        for line in path.read_text().splitlines():
            if line.startswith(("import ", "} from ")) and ' from "' in line:
                wanted = (path.parent / line.split(' from "')[1].split('"')[0]).resolve()
                assert wanted.relative_to(WEB.resolve()).as_posix() in site.files, (path, line)


def test_the_version_follows_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(WEB, tmp_path / "web")
    first = Site().version
    monkeypatch.setattr("dimaging_edge.app.site.WEB", tmp_path / "web")
    monkeypatch.setattr(engine, "FOLDER", tmp_path / "web" / "engine")
    assert Site().version == first
    (tmp_path / "web" / "app.css").write_text("body {}")
    assert Site().version != first


def test_a_folder_of_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "my #1?"
    shutil.copytree(SHIPPED / "denoiser_photos", folder)
    monkeypatch.chdir(folder)
    one = Site(["."]).bundles[0]
    assert one["name"] == "my #1?"
    assert one["folder"].startswith("keep/my__1_-")


def test_a_codec_of_one_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page would start with a model that no photo fits."""
    read = site_module.read_manifest

    def fixed(path: Path) -> Manifest:
        manifest = read(path)
        if path.name != "unet_codec":
            return manifest
        decoder = manifest.graphs["decoder"]
        image = replace(decoder.outputs[0], shape=(1, 256, 256, 3))
        return replace(
            manifest, graphs={**manifest.graphs, "decoder": replace(decoder, outputs=(image,))}
        )

    monkeypatch.setattr(site_module, "read_manifest", fixed)
    with pytest.raises(InputError, match="unet_codec takes pictures of one size .*--target web"):
        Site()


def test_a_codec_given_first_is_the_page_s_own(tmp_path: Path) -> None:
    bundle = tmp_path / "mine"
    shutil.copytree(SHIPPED / "unet_codec_grey16", bundle)
    site = Site([bundle])
    assert next(one["name"] for one in site.bundles) == "mine"
    core = [name for name, file in site.files.items() if file.core and "keep/mine-" in name]
    assert len(core) > 5
    with pytest.raises(InputError, match="two bundles are called mine; rename the folder of one"):
        Site([bundle, shutil.copytree(bundle, tmp_path / "other" / "mine")])


def test_a_folder_for_any_host(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["app", "--out", str(tmp_path / "site")]) == 0
    assert "copy the folder to an https host" in capsys.readouterr().out
    listing = json.loads((tmp_path / "site" / "files.json").read_text())
    assert all((tmp_path / "site" / name).is_file() for name in listing["files"])
    assert (tmp_path / "site" / "sw.js").read_text().startswith("const VERSION = ")
    wasm = tmp_path / "site" / listing["engine"] / "ort-wasm-simd-threaded.wasm"
    assert wasm.read_bytes()[:4] == b"\0asm"


def test_a_folder_of_other_files_is_left_alone(tmp_path: Path, capsys) -> None:
    (tmp_path / "index.html").write_text("mine")
    assert main(["app", "--out", str(tmp_path)]) == 1
    assert "holds other files" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--cert", "x.pem"], "--cert needs --key"),
        (["--port", "70000"], "--port: expected 0 to 65535, received 70000"),
        (["--cert", "no.pem", "--key", "no.pem", "--port", "0"], "--cert no.pem --key no.pem"),
        (["nowhere"], "nowhere"),
        (["--name", "http://phone.local/"], "--name: expected a host name alone"),
        (["--name", "phone.local:80"], "--name: expected a host name alone"),
        (
            ["--out", "site", "--collect", "x", "--port", "1"],
            "drop --collect, --port, or drop --out",
        ),
    ],
)
def test_words_of_errors(options: list[str], words: str, capsys: pytest.CaptureFixture) -> None:
    assert main(["app", *options]) == 1
    assert words in capsys.readouterr().err


def test_adb_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert main(["app", "--adb", "--port", "0"]) == 1
    assert "--adb needs the command adb" in capsys.readouterr().err


def test_the_verb_serves_and_stops(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dimaging_edge.commands.main", "app", "--port", "0"]
    command += ["--collect", str(tmp_path / "phones")]
    with subprocess.Popen(command, env=ENV, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"results are kept in {tmp_path / 'phones'}\n"
        line = process.stdout.readline()
        assert line.startswith("http://localhost:")
        assert "/#/measure?token=" in line
        process.terminate()
        assert process.wait(10) == 143
