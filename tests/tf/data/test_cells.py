"""Synthetic cells: the physical model's numbers, masks, determinism, and the errors' words."""

import numpy as np
import pytest
from scipy import ndimage

from dimaging_tf.data import load
from dimaging_tf.data.cells import Cells, draw, load_cells
from dimaging_tf.errors import DataError

DARK = Cells(density=(0.0, 0.0), background=(30.0, 30.0), read_noise=5.0, offset=100.0)


def test_the_default_set():
    dataset = load_cells(train=4, valid=2)
    assert dataset.train.x.shape == (4, 128, 128, 1)
    assert dataset.train.x.dtype == np.uint16
    assert dataset.valid.label is not None
    assert dataset.valid.label.shape == (2, 128, 128)
    assert np.unique(dataset.valid.label).tolist() == [0, 1]
    assert "Cells(size=128, pixel=0.65" in dataset.source


def test_loading_by_name_takes_size_and_seed(monkeypatch):
    def quick(cells, rng):
        image = np.full((cells.size, cells.size, 1), rng.integers(9999), np.uint16)
        return image, np.zeros((cells.size, cells.size), np.int32)

    monkeypatch.setattr("dimaging_tf.data.cells.draw", quick)
    dataset = load("cells", size=16, seed=1)
    assert (len(dataset.train), len(dataset.valid), dataset.shape) == (400, 50, (16, 16, 1))
    assert not np.array_equal(dataset.train.x, load("cells", size=16, seed=2).train.x)


def test_an_image_depends_on_seed_and_number_alone():
    few, many = load_cells(train=1, valid=1, seed=3), load_cells(train=3, valid=2, seed=3)
    assert np.array_equal(few.train.x, many.train.x[:1])
    assert np.array_equal(few.valid.x, many.valid.x[:1])
    assert not np.array_equal(few.train.x, few.valid.x)
    assert not np.array_equal(few.train.x, load_cells(train=1, valid=1, seed=4).train.x)


def test_without_cells_mean_and_variance_are_the_cameras():
    images = np.stack([draw(DARK, np.random.default_rng(seed))[0] for seed in range(4)])
    electrons = images / (65535 / DARK.full_scale)
    count = electrons.size
    # Poisson background 30, read noise 5: variance 55; four standard errors.
    variance = 30 + 5**2
    assert electrons.mean() == pytest.approx(130, abs=4 * np.sqrt(variance / count))
    assert electrons.var() == pytest.approx(variance, abs=4 * variance * np.sqrt(2.1 / count))


def test_the_full_well_cuts_off():
    full = Cells(background=(5000.0, 5000.0))
    assert (draw(full, np.random.default_rng(0))[0] == 65535).all()


def test_the_point_spread_is_the_least_squares_gaussian_of_the_airy_pattern():
    from scipy.optimize import least_squares
    from scipy.special import j1

    radius = np.linspace(1e-6, 1.5, 2000)  # in units of wavelength / aperture
    airy = (2 * j1(2 * np.pi * radius) / (2 * np.pi * radius)) ** 2
    fit = least_squares(
        lambda s: np.sqrt(radius) * (np.exp(-(radius**2) / 2 / s[0] ** 2) - airy), [0.2]
    )
    sigma = Cells(wavelength=1.0, aperture=1.0, pixel=1.0).psf_sigma
    assert sigma == pytest.approx(fit.x[0], rel=0.01)


def connected(region):
    """In how many pieces a region is."""
    pieces = np.empty(region.shape, np.int32)
    return ndimage.label(region, output=pieces)


def test_nuclei_are_whole_numbered_and_bright():
    cells = Cells(labels="instance", size=192)
    for seed in range(3):
        image, mask = draw(cells, np.random.default_rng(seed))
        numbers = np.unique(mask)
        assert np.array_equal(numbers, np.arange(len(numbers)))
        for number in numbers[1:]:
            assert connected(mask == number) == 1
        assert image[mask > 0].mean() > 2 * image[mask == 0].mean()
        semantic = draw(Cells(size=192), np.random.default_rng(seed))[1]
        assert np.array_equal(semantic, mask > 0)


def _touching(mask):
    """How many pairs of different nuclei share an edge of a pixel."""
    pairs = set()
    for a, b in ((mask[1:], mask[:-1]), (mask[:, 1:], mask[:, :-1])):
        meet = (a != b) & (a > 0) & (b > 0)
        pairs |= {tuple(sorted(pair)) for pair in zip(a[meet], b[meet], strict=True)}
    return len(pairs)


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0, 0), (1.0, 12, 99)])
def test_touching_is_a_share_of_the_nuclei(share, least, most):
    cells = Cells(labels="instance", touching=share, density=(2.0, 2.0), size=160)
    found = sum(_touching(draw(cells, np.random.default_rng(seed))[1]) for seed in range(3))
    assert least <= found <= most


def test_area_follows_the_stated_radius():
    cells = Cells(labels="instance", radius=(6.0, 6.0), roughness=0.0, touching=0.0, size=256)
    _, mask = draw(cells, np.random.default_rng(0))
    cut_off = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    whole = np.setdiff1d(mask, np.append(cut_off, 0))
    areas = np.bincount(mask.ravel())[whole] * cells.pixel**2
    assert len(areas) > 10
    assert areas == pytest.approx(np.pi * 6**2, rel=0.05)


ERRORS = [
    ({"labels": "both"}, "Cells.labels is 'semantic' or 'instance'; received 'both'"),
    ({"touching": 1.5}, "Cells.touching is a share from 0 to 1; received 1.5"),
    ({"roughness": 0.4}, "Cells.roughness is a share from 0 to 0.3; received 0.4"),
    ({"pixel": 0.0}, "Cells.pixel is above 0, low before high; received 0.0"),
    ({"radius": (7.0, 4.0)}, "Cells.radius is above 0, low before high; received (7.0, 4.0)"),
    ({"background": (-1.0, 2.0)}, "Cells.background is 0 or more, low before high"),
]


@pytest.mark.parametrize(("changes", "words"), ERRORS)
def test_parameters_are_checked(changes, words):
    with pytest.raises(DataError) as caught:
        Cells(**changes)
    assert words in str(caught.value)
