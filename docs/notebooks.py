"""Makes a notebook of each page of the lecture: its words, its scripts cell by cell, question and answer.

python docs/notebooks.py --out notebooks          # needs '.[docs]'
"""

import argparse
import re
from pathlib import Path

import nbformat
from nbformat import v4

ROOT = Path(__file__).parents[1]


def notebook(page: Path, options: dict[str, list[str]]) -> nbformat.NotebookNode:
    """Return the notebook of a page of docs/lecture.

    page      text in which the name of a script, examples/NAME.py, stands for it between lines `--8<--`
    options   script's name -> the command-line options that it gets
    """
    text = page.read_text("utf-8")
    words = re.split(r"^```python title.*?^```$", text, flags=re.M | re.S)
    cells = [[v4.new_markdown_cell(part.strip())] for part in words]
    scripts = re.findall(r"^--8<--\nexamples/(\w+)\.py$", text, re.M)
    for before, name in zip(cells, scripts, strict=False):
        before += _script(name, options.get(name, []))
    return v4.new_notebook(cells=[cell for part in cells for cell in part])


def _script(name: str, options: list[str]) -> list[nbformat.NotebookNode]:
    """Return a cell with the options, and a cell for each paragraph of the script."""
    text = (ROOT / "examples" / f"{name}.py").read_text("utf-8")
    given = v4.new_code_cell(
        f"import sys\n\nsys.argv = {[f'{name}.py', *options]!r}  # the options"
    )
    text = text.split('"""', 2)[2]
    paragraphs = re.split(r"\n{2,}(?=[^\s)\]}])", text.strip())
    return [given, *(v4.new_code_cell(paragraph) for paragraph in paragraphs)]


def main() -> None:
    """Write every notebook."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument(
        "--out", type=Path, default=Path("notebooks"), help="folder (default: notebooks)"
    )
    out = p.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for page in sorted((ROOT / "docs" / "lecture").glob("*.md")):
        if "--8<--" in page.read_text("utf-8"):
            nbformat.write(notebook(page, {}), out / f"{page.stem}.ipynb")
            print(out / f"{page.stem}.ipynb")


if __name__ == "__main__":
    main()
