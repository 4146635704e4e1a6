"""docs/deploy.md in JavaScript: the page's own lines run in node, with the engine of the phone's page."""

import gzip
import json
import shutil
import subprocess

import pytest
from dimaging_export import export
from helpers.pages import ROOT, blocks, read

from dimaging_tf.models.vae import VAE, Config

ENGINE = ROOT / "edge" / "dimaging_edge" / "web" / "engine"


def test_the_javascript_of_the_page_runs(tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    export(VAE(Config((8, 8, 1), 2, (8,))), tmp_path / "bundle" / "mine", data="digits")
    package = tmp_path / "node_modules" / "onnxruntime-web"
    shutil.copytree(ENGINE, package, ignore=shutil.ignore_patterns("*.gz"))
    wasm = next(ENGINE.glob("*.wasm.gz"))
    (package / wasm.stem).write_bytes(gzip.decompress(wasm.read_bytes()))
    exports = {"exports": {"./wasm": "./ort.wasm.min.mjs"}}
    (package / "package.json").write_text(json.dumps(exports))
    (code,) = blocks(read("docs/deploy.md"), "js")
    (tmp_path / "page.mjs").write_text(code)
    done = subprocess.run(
        [node, "page.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "4 x 8 x 8 x 1\n", done.stderr
