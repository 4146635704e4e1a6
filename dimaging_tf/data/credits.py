"""Who made each photograph that networks learn from here, and under which licence.

    credits("wallpapers")      a Credit for every file
    python -m dimaging_tf.data.credits > docs/photographs.md

Read file by file in debian/copyright of lomiri-wallpapers 20.04.0-2 and mate-backgrounds 1.26.0-1, and in
the READMEs of BuddiesOfBudgie/budgie-backgrounds ("licensed under the CC0-1.0 license") and
pop-os/wallpapers ("Unsplash photos are in the public domain"). None forbids commercial use or derived works.
"""

from typing import NamedTuple

from dimaging_tf.data import photos


class Credit(NamedTuple):
    """One photograph; `file` is its name here without a suffix, `source` the package or repository."""

    file: str
    author: str
    licence: str
    source: str


_BUDGIE = """abstract-spiral beacon-street-sunset blue-periwinkle canyon-wren casa-mila extreme-desert-hike
high-trestle-trail lake-sherburne oakland-zoo-otters ocean-waves perched-osprey piazza-gae-aulenti
roman-colosseum saturnian-profile singaporean-cityscape tea-gardens the-spices-of-life valley-midnight
waves-midnight"""
_POPOS = """ahmadreza-sajadi-10140 galen-crout-175291 jad-limcaco-183877 jake-hills-36605 jared-evans-119758
kait-herzog-8242 nasa-45068 nasa-53884 nasa-89127 ng-32703 samuel-zeller-337041 sean-afnan-244576
sebastien-gabriel-232361 spacex-81773 tony-webster-97532"""
_LOMIRI = {  # folder, licence -> author: files
    ("16.04", "CC BY 4.0"): {
        "Aitzol Berasategi, 2018": "aitzgorri_by_Aitzol_Berasategi friends_by_Aitzol_Berasategi "
        "life_by_Aitzol_Berasategi picosdeeuropa_by_Aitzol_Berasategi sunset_by_Aitzol_Berasategi",
        'Trevor "Freespace", 2018': "Picture_0B_by_freespace Picture_1A_by_freespace",
        "Abhishek Mudgal, 2018": "umang_by_Abhishek_Mudgal",
        "Jakub Mede, 2018": "Wine_by_Jakkub_Mede",
    },
    ("16.04", "CC BY-SA 4.0"): {
        "Peter Nerlich, 2018": "analogpattern_by_Peter_Nerlich free_by_Peter_Nerlich "
        "greentock_by_Peter_Nerlich",
        "Sander Klootwijk, 2018": "Bridge_by_Sander_Klootwijk",
        '"Bolly", 2018': "Dragonfly_by_Bolly",
    },
    ("16.04", "CC0 1.0"): {"Clemens Engelhardt, 2018": "seeding_by_Clements_Engelhardt"},
    ("20.04", "CC BY-SA 3.0"): {
        "Jasper Roks, 2023": "Fossa_by_Jasper_Roks",
        "Aury88, 2019": "Infinite-Sea_by_Aury88",
        "Lukas Baubkus, 2021": "Kleiber_by_Lukas_Baubkus",
        "HEROBRINE7GAMER, 2021": "Painting-Colors_by__herobrine7gamer",
    },
}
_MATE = {
    "Charles Barbin, 2008": "Aqua Garden LadyBird YellowFlower",
    "Lennart Poettering, Andrea Cimitan, 2008": "Blinds",
    "Marco Cogoni, 2007; Hylke Bons, 2008": "Dune",
    "Jens Ansorg, 2005": "FreshFlower",
    "Timothy Schellhase, 2005; Lapo Calamandrei, 2008": "GreenMeadow",
    '"blackcombwhistler07", 2008': "RainDrops",
    "Sergey Nazarov, 2008": "Storm",
    "Charles Barbin, Hylke Bons, 2008": "TwoWings",
    "Jean-François Fortin Tam, 2008": "Wood",
}


def _wallpapers() -> list[Credit]:
    found = [
        Credit(f"budgie_{name}", "not named", "CC0 1.0", f"budgie-backgrounds, {name}.jpg")
        for name in _BUDGIE.split()
    ]
    for name in _POPOS.split():
        author = " ".join(word.title() for word in name.split("-")[:-1])
        author = {"Nasa": "NASA", "Spacex": "SpaceX", "Ng": "NG"}.get(author, author)
        edited = "-edit" if name.startswith("ahmadreza") else ""
        source = f"pop-os/wallpapers, {name}.jpg"
        found.append(Credit(f"popos_{name}{edited}", author, "public domain by its README", source))
    for (folder, licence), authors in _LOMIRI.items():
        for author, names in authors.items():
            for name in names.split():
                source = f"lomiri-wallpapers-{folder}, {name}.jpg"
                found.append(Credit(f"backgrounds_{name}", author, licence, source))
    for author, names in _MATE.items():
        for name in names.split():
            source = f"mate-backgrounds, nature/{name}.jpg"
            found.append(Credit(f"nature_{name}", author, "GPL 2 or later", source))
    return sorted(found)


def _photos() -> list[Credit]:
    found = []
    for photo in (*photos.TRAIN, *photos.VALID):
        author, licence = (
            photo.credit.split(", ", 1) if ", " in photo.credit else ("", photo.credit)
        )
        found.append(
            Credit(photo.file.rsplit("/", 1)[-1], author, licence, photo.file.split("/")[0])
        )
    return found


def _nuclei() -> list[Credit]:
    author = "Broad Bioimage Benchmark Collection, BBBC039 (Caicedo et al. 2018)"
    return [Credit("40 fields", author, "CC0 1.0", "BBBC039, 40 fields")]


def credits(data: str) -> list[Credit]:
    """Return a Credit for each photograph of the data set, held-back ones included; [] where it has none."""
    known = {"wallpapers": _wallpapers, "photos": _photos, "nuclei": _nuclei}
    return known.get(data, list)()


def table(data: str) -> str:
    """Return the credits as a table in Markdown; photographs of one author and source share a row."""
    from dimaging_tf.data.wallpapers import HELD_BACK

    rows: dict[tuple[str, str, str], list[str]] = {}
    for credit in credits(data):
        mark = "*" if credit.file in HELD_BACK else ""
        package, _, file = credit.source.partition(", ")
        rows.setdefault((package, credit.licence, credit.author), []).append(
            (file or credit.file) + mark
        )
    lines = ["| from | licence | author | files |", "|---|---|---|---|"]
    lines += [
        f"| {' | '.join(key)} | {', '.join(files)} |"
        for key, files in sorted(rows.items(), key=lambda row: row[0])
    ]
    return "\n".join(lines)


def page() -> str:
    """Return the text of docs/photographs.md."""
    return f"""# Photographs

What the shipped codec weights learned from (`wallpapers`), and the photographs that come with packages
(`photos`), each with its author and licence. The codec `unet_codec` learned from textured photographs, too:
its `CARD.md` names them.
Made by `python -m dimaging_tf.data.credits > docs/photographs.md`.

The licences were read in `debian/copyright` of lomiri-wallpapers 20.04.0-2 and mate-backgrounds 1.26.0-1 and
in the READMEs of BuddiesOfBudgie/budgie-backgrounds and pop-os/wallpapers. None of them forbids commercial
use or derived works. CC BY and CC BY-SA ask for credit, which is given here; CC BY-SA and the GPL ask that
works derived from the photographs carry the same licence. None of the photographs comes with this project.
Whether weights count as derived from what they learned from is not settled everywhere: who must be sure
leaves such files out of `photos/` and trains again; the command stands in each bundle's `CARD.md`.

## wallpapers

Resampled to at most 1280 pixels. Those with a star are held back: no network learned from them, and figures
are measured on them.

{table("wallpapers")}

## photos

{table("photos")}
"""


if __name__ == "__main__":
    print(page(), end="")
