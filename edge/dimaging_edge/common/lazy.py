"""Public names of a package that load on first use (PEP 562), so that importing it costs nothing."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a module's `__getattr__` that finds each name of `homes` in its module below `package`.

    homes maps a public name to the dotted module that defines it, relative to the package. A name that is its
    own home is a submodule; "vae:Config" is what the module vae calls Config. AttributeError for other names.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home, _, other_name = homes[name].partition(":")
        module = import_module(f"{package}.{home}")
        return module if home.rpartition(".")[2] == name else getattr(module, other_name or name)

    return find
