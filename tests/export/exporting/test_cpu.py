"""Every row of the table of models as a bundle for the target `cpu`."""

from helpers.exporting import check_export, rows


@rows("cpu")
def test_a_bundle_that_proves_itself(models, row, precision, tmp_path):
    check_export(row, models[row.id], "cpu", precision, tmp_path)
