"""The site: it builds without a warning, its pages show every system and every script, and notebooks come of them."""

import ast
import re
import runpy
import sys

import pytest
from helpers.pages import ENV, ROOT, read, run

from dimaging_tf.registry import REGISTRY

LECTURE = sorted((ROOT / "docs" / "lecture").glob("*.md"))
SHOWN = {
    page.stem: re.findall(r"^--8<--\nexamples/(\w+)\.py$", page.read_text("utf-8"), re.M)
    for page in LECTURE
}


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    run([sys.executable, str(ROOT / "docs" / "notebooks.py"), "--out", str(folder)], ROOT)
    return {path.stem: path for path in folder.glob("*.ipynb")}


def test_the_site_builds_strictly(tmp_path, monkeypatch):
    monkeypatch.setitem(ENV, "NO_MKDOCS_2_WARNING", "1")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(tmp_path)]
    run(words, ROOT)
    reference = {path.parent.name: path.read_text() for path in tmp_path.glob("reference/*/*.html")}
    assert "Usage: dimaging export" in reference["commands"]
    assert "--certificate" in reference["commands"]
    assert "usable image(s); expected at least 2, because" in reference["errors"]
    assert re.search(
        r"<li>\s*(<p>)?<code>converter</code>", reference["python"]
    )  # parameters are a list


def test_every_script_is_on_a_page():
    shown = [name for names in SHOWN.values() for name in names] + ["memory"]  # docs/memory.md
    assert sorted(shown) == sorted(path.stem for path in (ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_system_is_on_a_page(name):
    module = REGISTRY[name].model.split(":")[0]
    path = f"dimaging_tf/{module.replace('.', '/') if '.' in module else f'models/{module}'}.py"
    assert any(path in page.read_text("utf-8") for page in LECTURE)


def test_every_page_has_an_answer():
    for name in SHOWN.keys() - {"index"}:
        text = read(f"docs/lecture/{name}.md")
        assert "## Exercise" in text
        assert '??? success "Answer"' in text


def test_notebooks_are_python_and_no_line_is_lost(notebooks):
    import nbformat

    assert sorted(notebooks) == sorted(name for name, scripts in SHOWN.items() if scripts)
    for name, path in notebooks.items():
        found = nbformat.read(path, 4)
        nbformat.validate(found)
        code = "\n".join(cell.source for cell in found.cells if cell.cell_type == "code")
        ast.parse(code)
        for script in SHOWN[name]:
            body = (ROOT / "examples" / f"{script}.py").read_text("utf-8").split('"""', 2)[2]
            assert [x for x in body.splitlines() if x.strip() and x not in code.splitlines()] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(name for name, scripts in SHOWN.items() if scripts))
def test_notebook_runs(name, notebooks, tmp_path):
    import nbformat
    from nbclient import NotebookClient

    options = runpy.run_path(str(ROOT / "tests" / "docs" / "test_examples.py"))["EXAMPLES"]
    found = nbformat.read(notebooks[name], 4)
    for cell in found.cells:
        for script in SHOWN[name]:
            given = f"sys.argv = ['{script}.py']"
            cell.source = cell.source.replace(given, f"sys.argv = {[script, *options[script]]!r}")
    client = NotebookClient(
        found,
        timeout=600,  # seconds a cell
        startup_timeout=300,  # of the kernel, on a busy machine
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute(env={**ENV})
