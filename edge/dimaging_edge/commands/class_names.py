"""Names of a bundle's classes, and the number of the class that a word of the command line means."""

from typing import TYPE_CHECKING

from dimaging_edge.common.errors import BundleError, InputError, near

if TYPE_CHECKING:
    from dimaging_edge.bundle.open import Bundle


def names_of(bundle: "Bundle") -> list[str]:
    """Return the names of the classes, as the model's settings hold them; [] where they have none.

    BundleError where they are no list of texts.
    """
    names = bundle.manifest.config.get("names") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BundleError(
            f"{bundle.path.name}: config.names of bundle.json: expected a list of names, received {names!r}"
        )
    return names


def class_name(bundle: "Bundle", number: int) -> str:
    """Return the name of a class, "" where the bundle has no names; BundleError where it has too few."""
    names = names_of(bundle)
    if names and number >= len(names):
        raise BundleError(
            f"{bundle.path.name}: config.names of bundle.json: no name for class {number}: {len(names)} names"
        )
    return names[number] if names else ""


def class_number(bundle: "Bundle", text: str | None, count: int, option: str) -> int | None:
    """Return the class that a name, an unambiguous part of one, or a number means; None for None.

    count: the number of classes. InputError, which begins with `option`, for a word that means none.
    """
    names = names_of(bundle)
    if text is None:
        return None
    if text in names:
        return names.index(text)
    alike = [name for name in names if text.lower() in name.lower()]
    if len(alike) == 1 and not text.isdecimal():
        return names.index(alike[0])
    if text.isdecimal() and int(text) < count:
        return int(text)
    said = f"is part of {', '.join(alike[:5])}" if len(alike) > 1 else "is no class"
    raise InputError(f"{option}: {text!r} {said}; known: 0 to {count - 1}{_hint(text, names)}")


def _hint(text: str, names: list[str]) -> str:
    if not names:
        return ""
    few = len(names) <= 50
    hint = near(text, names) if few else near(text, names).partition("known:")[0].strip()
    return f", or a name ({hint})" if hint else ", or a name"
