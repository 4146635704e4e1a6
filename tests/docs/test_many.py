"""The recipes of docs/many.md run on a local cluster, where dask and ray are installed."""

import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.pages import blocks, read, run

PAGE = read("docs/many.md")


@pytest.mark.slow
@pytest.mark.parametrize("package", ["dask.distributed", "ray"])
def test_a_recipe_runs_on_a_local_cluster(package, tmp_path):
    pytest.importorskip(package, reason="pip install '.[benchmarks]'")
    from dimaging_export import export

    from dimaging_tf.models.denoiser import Config, Denoiser

    model = Denoiser(Config(depth=1, width=4))
    export(
        model,
        tmp_path / "bundle" / "denoiser",
        data=np.random.default_rng(0).random((40, 16, 16, 1), np.float32),
    )
    folder = tmp_path / "arrays"
    folder.mkdir()
    for number in range(4):
        np.save(folder / f"{number}.npy", np.full((1, 16, 16, 1), number / 4, np.float32))
    imports = (f"import {package}\n", f"from {package} import")
    (code,) = (block for block in blocks(PAGE, "python") if any(x in block for x in imports))
    script = Path(tmp_path, "recipe.py")
    script.write_text(code)
    assert "4 restored" in run([sys.executable, str(script)], tmp_path)
    assert len(list(folder.glob("*.restored.npy"))) == 4
