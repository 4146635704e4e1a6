"""Every row of the table of models as a bundle for the target `phone`."""

from helpers.exporting import check_export, rows


@rows("phone")
def test_a_bundle_that_proves_itself(models, row, precision, tmp_path):
    check_export(row, models[row.id], "phone", precision, tmp_path)
