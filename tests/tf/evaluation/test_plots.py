"""Figures: pixels of a grid are checked, plots are drawn and saved whole."""

import numpy as np
import pytest
from PIL import Image

from dimaging_tf.evaluation import metrics, plots


def test_grid_places_and_enlarges_cells(tmp_path):
    cells = np.zeros((1, 2, 32, 32, 1))
    cells[0, 1] = 0.5
    plots.save_grid(cells, tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (98, 196)  # three times as large, 2 pixels of gap
    assert pixels[0, 0] == 0
    assert pixels[0, 97] == 255
    assert pixels[0, 98] == 128
    assert [p.name for p in tmp_path.iterdir()] == ["grid.png"]


def test_names_of_rows_stand_to_their_left():
    cells = np.zeros((3, 2, 8, 8, 3))
    plain, named = plots.grid(cells, scale=4), plots.grid(cells, rows=("clean", "noisy"), scale=4)
    assert plain.shape == (3 * 34, 2 * 34, 3)
    margin = named[:, : -plain.shape[1]]
    np.testing.assert_array_equal(named[:, -plain.shape[1] :], plain)
    assert [int(part.min()) < 128 for part in np.split(margin, 3)] == [True, True, False]


def test_a_class_has_a_row():
    drawn = (np.arange(7) % 3).reshape(7, 1, 1, 1) * np.ones((7, 2, 2, 1)) / 3
    cells = plots.tile_classes(drawn, 3)
    assert cells.shape == (3, 3, 2, 2, 1)
    np.testing.assert_allclose(cells[:, :, 0, 0, 0] * 3, [[0, 0, 0], [1, 1, 3], [2, 2, 3]])


def test_tile_is_as_square_as_it_can_be():
    assert plots.tile(np.zeros((7, 4, 4, 1))).shape == (3, 3, 4, 4, 1)
    assert plots.tile(np.zeros((7, 4, 4, 1)))[2, 1].min() == 1


@pytest.mark.parametrize(
    ("losses", "scale"), [([2.0], "linear"), ([2.0, 1.0, 0.0], "linear"), ([90.0, 9.0], "log")]
)
def test_loss_curves(losses, scale, tmp_path):
    rows = [
        {"epoch": i + 1, "step": 9 * i, "seconds": 1.0, "loss": loss, "val_loss": 3.0, "kl": 1e9}
        for i, loss in enumerate(losses)
    ]
    figure = plots.loss_curves(rows, names=("loss", "absent"), unit="nats")
    assert [line.get_label() for line in figure.axes[0].lines] == ["loss", "loss, validation"]
    assert figure.axes[0].get_yscale() == scale
    assert figure.axes[0].get_ylabel() == "nats"
    ticks = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert not any("10^" in tick for tick in ticks)
    plots.save_figure(figure, tmp_path / "loss.png")
    with Image.open(tmp_path / "loss.png") as picture:
        assert picture.size == (600, 360)


def test_latent_plane_is_the_plane_of_largest_variance():
    codes = np.random.default_rng(0).normal(size=(50, 4)) * [1, 30, 1, 10]
    points = plots.latent_plane(codes, None).axes[0].collections[0].get_offsets()
    assert np.std(points[:, 0]) == pytest.approx(np.std(codes[:, 1]), rel=0.05)
    assert np.std(points[:, 1]) == pytest.approx(np.std(codes[:, 3]), rel=0.05)


def test_psnr_of_known_errors_is_a_mean_of_decibels():
    target = np.full((2, 4, 4, 1), 0.5)
    estimate = np.stack([target[0] + 0.1, target[1] + 0.01])
    assert metrics.psnr(estimate, target) == pytest.approx(30)
    assert metrics.psnr(np.full((1, 2, 2, 1), 7.0), np.ones((1, 2, 2, 1))) == pytest.approx(120)


def test_mean_iou_by_hand():
    found, truth = np.array([[0, 1], [1, 1]]), np.array([[0, 0], [1, 1]])
    assert metrics.mean_iou(found, truth, 3) == pytest.approx((1 / 2 + 2 / 3) / 2)
