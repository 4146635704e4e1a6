"""Names of classes come from a bundle's settings, which may be wrong."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from dimaging_edge.bundle.open import Bundle
from dimaging_edge.commands.class_names import class_name
from dimaging_edge.common.errors import BundleError


def bundle(config: dict[str, Any]) -> Bundle:
    found = SimpleNamespace(path=Path("folder/signs"), manifest=SimpleNamespace(config=config))
    return cast(Bundle, found)


@pytest.mark.parametrize(
    ("config", "name"), [({"names": ["cat", "dog"]}, "dog"), ({"names": []}, ""), ({}, "")]
)
def test_a_class_has_a_name_where_the_bundle_has_names(config: dict, name: str) -> None:
    assert class_name(bundle(config), 1) == name


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (
            ["cat"],
            "signs: config.names of bundle.json: no name for class 1: 1 names",
        ),
        ("cat", "expected a list of names, received 'cat'"),
        (["cat", 1], "expected a list of names, received"),
    ],
)
def test_wrong_names_are_told(names: Any, says: str) -> None:
    with pytest.raises(BundleError, match=says):
        class_name(bundle({"names": names}), 1)
