"""The tree of docs/architecture.md names the packages that exist: all of them, and no others."""

import re

from helpers.pages import ROOT, read

ROOTS = ("dimaging_tf", "export/dimaging_export", "edge/dimaging_edge")


def packages() -> set[str]:
    """Every folder with modules, from the root of the project."""
    found = {path.parent for root in ROOTS for path in (ROOT / root).rglob("*.py")}
    return {str(folder.relative_to(ROOT)) for folder in found}


def test_the_tree_names_the_packages_that_exist():
    page = read("docs/architecture.md")
    heading = page.index("\n## The tree\n")
    tree = page[heading:].split("```\n")[1]
    named = re.findall(r"^(\S+)/ {2,}\S", tree, re.MULTILINE)
    assert len(named) == len(tree.splitlines())
    assert sorted(named) == sorted(packages())


def test_every_folder_with_modules_is_a_package():
    missing = [name for name in packages() if not (ROOT / name / "__init__.py").exists()]
    assert not missing, "setuptools leaves a folder without __init__.py out of the wheel"
