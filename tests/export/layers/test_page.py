"""docs/layers.md says what the table of layers says, and the table is as large as it promises."""

from helpers.layer_table.page import KINDS, PAGE, page


def test_the_page_is_current():
    made = page()
    assert PAGE.read_text(encoding="utf-8") == made, (
        "rewrite it: python -m helpers.layer_table.page"
    )


def test_every_row_has_a_name_of_its_own():
    names = [row.name for rows in KINDS.values() for row in rows]
    assert len(set(names)) == len(names) >= 120
