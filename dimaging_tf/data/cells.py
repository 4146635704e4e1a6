"""Synthetic fluorescence microscopy: stained nuclei behind a 10x/0.3 objective on a 16-bit camera.

    outlines ─ thickness x chromatin ─ + background ─ PSF ─ Poisson ─ + read noise ─ gain ─ uint16
       └ mask            expected photo-electrons a pixel         the camera

Nuclei are ellipses with a rough outline; they never overlap, and a share of them touch a neighbour.
Brightness follows the thickness of an ellipsoid, modulated by correlated chromatin texture. The
point spread function is a Gaussian of sigma = 0.21 wavelength / aperture, the least-squares fit to
the Airy pattern (B. Zhang, J. Zerubia, J.-C. Olivo-Marin, Applied Optics 46, 1819, 2007).

image uint16 [N, S, S, 1], 65535 = `full_scale` photo-electrons; label int32 [N, S, S].
"""

from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np

from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.errors import DataError

Range = tuple[float, float]


@dataclass(frozen=True)
class Cells:
    """The specimen, the microscope and the camera. A range is drawn from uniformly."""

    size: int = 128  # pixels, side of an image
    pixel: float = 0.65  # um, side of a pixel in the specimen
    density: Range = (1.0, 3.0)  # nuclei per 1000 um^2
    radius: Range = (4.0, 7.0)  # um, geometric mean of an ellipse's two half axes
    elongation: Range = (1.0, 1.7)  # long axis over short axis
    roughness: float = 0.05  # the outline's 3rd to 5th harmonic at most, share of the radius
    touching: float = 0.3  # share of the nuclei that are put against a neighbour
    gap: float = 1.0  # um, at least, between the others
    texture: float = 0.15  # standard deviation of the chromatin, relative
    grain: float = 0.8  # um, standard deviation of its correlation
    brightness: Range = (100.0, 500.0)  # photo-electrons a pixel where a nucleus is thickest
    background: Range = (10.0, 40.0)  # photo-electrons a pixel
    wavelength: float = 0.46  # um, emission (DAPI, Hoechst)
    aperture: float = 0.3  # numerical aperture of the objective
    read_noise: float = 2.0  # electrons, root mean square
    offset: float = 20.0  # electrons, black level, so that read noise is not cut off at 0
    full_scale: float = 800.0  # electrons that give 65535; more are cut off
    labels: Literal["semantic", "instance"] = "semantic"  # 0 background; 1 nucleus, or 1, 2, 3 ...

    def __post_init__(self) -> None:
        if self.labels not in ("semantic", "instance"):
            raise DataError(f"Cells.labels is 'semantic' or 'instance'; received {self.labels!r}")
        for name, most in (("touching", 1), ("roughness", 0.3)):
            if getattr(self, name) > most:
                raise DataError(
                    f"Cells.{name} is a share from 0 to {most}; received {getattr(self, name)}"
                )
        for field in fields(self)[:-1]:
            value = getattr(self, field.name)
            low, high = value if isinstance(value, tuple) else (value, value)
            if not 0 <= low <= high or (field.name in _POSITIVE and low == 0):
                least = "above 0" if field.name in _POSITIVE else "0 or more"
                raise DataError(
                    f"Cells.{field.name} is {least}, low before high; received {value!r}"
                )

    @property
    def psf_sigma(self) -> float:
        """Standard deviation of the point spread function in pixels."""
        return 0.21 * self.wavelength / self.aperture / self.pixel


_POSITIVE = {"size", "pixel", "radius", "elongation", "wavelength", "aperture", "full_scale"}


def load_cells(
    cells: Cells | None = None,
    *,
    size: int | None = None,
    train: int = 400,
    valid: int = 50,
    seed: int = 0,
) -> Dataset:
    """Draw `train` + `valid` images from `seed`; image i is the same however many there are."""
    cells = cells or Cells()
    cells = cells if size is None else replace(cells, size=size)
    splits = []
    for stream, count in enumerate((train, valid)):
        drawn = [draw(cells, np.random.default_rng([seed, stream, i])) for i in range(count)]
        image, mask = (np.stack(part) for part in zip(*drawn, strict=True))
        splits.append(Split(image, mask))
    return Dataset(
        name="cells",
        train=splits[0],
        valid=splits[1],
        licence="synthetic, free",
        source=str(cells),
        summary=f"synthetic nuclei, {cells.size} x {cells.size} pixels of {cells.pixel} um",
    )


def draw(cells: Cells, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw one image [S, S, 1] uint16 and its mask [S, S] int32."""
    from scipy.ndimage import gaussian_filter

    light, mask = _specimen(cells, rng)
    grain = gaussian_filter(rng.standard_normal(mask.shape), cells.grain / cells.pixel, mode="wrap")
    light *= np.maximum(0, 1 + cells.texture * grain / grain.std())
    light = gaussian_filter(light, cells.psf_sigma) + rng.uniform(*cells.background)
    # Only now the margin goes: nuclei beyond the edge have shone into the image.
    margin = (len(mask) - cells.size) // 2
    seen = np.s_[margin : margin + cells.size, margin : margin + cells.size]
    light, mask = light[seen], mask[seen]
    electrons = rng.poisson(light) + rng.normal(cells.offset, cells.read_noise, light.shape)
    image = np.rint(electrons * (65535 / cells.full_scale)).clip(0, 65535).astype(np.uint16)
    return image[..., None], (mask > 0).astype(np.int32) if cells.labels == "semantic" else mask


def _specimen(cells: Cells, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the photo-electrons expected of the nuclei, and the nuclei's numbers.

    Both are wider than the image by a margin, for nuclei beyond its edge shine into it.
    """
    reach = cells.radius[1] * np.sqrt(cells.elongation[1]) * (1 + 3 * cells.roughness) + cells.gap
    reach = int(np.ceil(reach / cells.pixel)) + 1
    side = cells.size + 2 * reach
    light, mask = np.zeros((side, side)), np.zeros((side, side), np.int32)
    centres: list[np.ndarray] = []
    area = (cells.size * cells.pixel) ** 2
    for _ in range(rng.poisson(rng.uniform(*cells.density) * area / 1000)):
        distance, radius = _nucleus(cells, rng, reach)
        touch = bool(centres) and rng.random() < cells.touching
        if touch:
            angle = rng.uniform(0, 2 * np.pi)
            steps = np.arange(radius, 4 * reach)[:, None] * [np.sin(angle), np.cos(angle)]
            places = centres[rng.integers(len(centres))] + np.rint(steps).astype(int)
        else:
            places = rng.integers(reach, reach + cells.size, (30, 2))
        claimed = distance < 1 + (0 if touch else cells.gap / cells.pixel / radius)
        for y, x in places[((places >= reach) & (places < reach + cells.size)).all(1)]:
            box = np.s_[y - reach : y + reach + 1, x - reach : x + reach + 1]
            if not mask[box][claimed].any():
                centres.append(np.array([y, x]))
                mask[box][distance < 1] = len(centres)
                thickness = np.sqrt(np.maximum(0, 1 - distance**2))
                light[box] += rng.uniform(*cells.brightness) * thickness
                break
    return light, mask


def _nucleus(cells: Cells, rng: np.random.Generator, reach: int) -> tuple[np.ndarray, float]:
    """Return a nucleus in a square of 2 reach + 1 pixels, and its short half axis in pixels.

    A pixel's value is its distance from the centre, as a share of the way to the outline.
    """
    radius = rng.uniform(*cells.radius) / cells.pixel
    stretch = np.sqrt(rng.uniform(*cells.elongation))
    angle = rng.uniform(0, np.pi)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1] + rng.uniform(-0.5, 0.5, (2, 1, 1))
    u = (np.cos(angle) * x + np.sin(angle) * y) / (radius * stretch)
    v = (np.cos(angle) * y - np.sin(angle) * x) / (radius / stretch)
    outline = 1.0 + sum(
        rng.uniform(0, cells.roughness) * np.cos(k * np.arctan2(v, u) + rng.uniform(0, 2 * np.pi))
        for k in (3, 4, 5)
    )
    return np.hypot(u, v) / outline, radius / stretch
