"""A bundle as the predictor of the lossless codec: its integer-valued density, parallel and step by step."""

from collections.abc import Generator

import numpy as np

from dimaging_edge.bundle.open import Bundle
from dimaging_edge.common.errors import BundleError, InputError
from dimaging_edge.generate.density import condition_of, density_size, levels, step_inputs
from dimaging_edge.generate.stepping import Stepper


class BundlePredictor:
    """A `Predictor`: the encoder uses the graph `density`, the decoder the graphs `row` and `pixel`."""

    def __init__(self, bundle: Bundle):
        """Take an open bundle; InputError if it has no integer weights, colours, or a condition."""
        height, width = density_size(bundle)
        if all(t.name != "weights" for t in bundle.graph("density").outputs):
            raise InputError(
                f"{bundle.path.name} gives float likelihoods, and no two devices agree on those to the "
                "last bit; export it again: --precision integer"
            )
        weights = bundle.tensor("density", "weights", 5).example
        if weights[3] != 1 or condition_of(bundle):
            raise InputError(
                f"{bundle.path.name}: the codec takes grey images and a model without a condition"
            )
        self.bundle, self.levels, self.shape = bundle, levels(bundle), (height, width, 1)
        if (
            bundle.tensor("pixel", "weights", 3).example[1:] != (1, weights[4])
            or weights[4] != self.levels
        ):
            raise BundleError(
                f"{bundle.path.name}: its graphs do not give {self.levels} weights a pixel; export it again"
            )
        self._steps = step_inputs(bundle)
        image = bundle.tensor("density", "image", 4)
        self._alone = image.shape[0] == 1  # target phone: one image a call
        self._bytes = image.dtype == "uint8"

    def parallel(self, symbols: np.ndarray) -> np.ndarray:
        """Return the weights of all pixels, int64 [B, H, W, levels], for symbols uint8 [B, H, W]."""
        image = self._image(symbols)[..., None]
        if self._bytes:
            image = np.rint(255 * image).astype(np.uint8)
        parts = np.split(image, len(image)) if self._alone else [image]
        found = [self.bundle.run("density", image=part)["weights"] for part in parts]
        return np.concatenate(found)[:, :, :, 0].astype(np.int64)

    def sequential(self, batch: int) -> Generator[np.ndarray, np.ndarray, None]:
        """Yield the weights [batch, levels] of each pixel in raster order; send its symbols each time."""
        if self._alone and batch > 1:
            yield from self._one_by_one(batch)
            return
        height, width, _ = self.shape
        sizes = (self._steps["pixel"][name][1] for name in ("noise", "canvas", "mask"))
        unused = [np.full((batch, n), 0.5, np.float32) for n in sizes]  # what it draws is not kept
        stepper = Stepper(self._steps, self.bundle.again, batch)
        for r in range(height):
            stepper.row(r)
            for c in range(width):
                weights = stepper.pixel(c, *unused)["weights"]
                symbols = yield weights[:, 0].astype(np.int64)
                stepper.put(self._image(symbols)[:, None])

    def _one_by_one(self, batch: int) -> Generator[np.ndarray, np.ndarray, None]:
        steps = [self.sequential(1) for _ in range(batch)]
        weights = [next(step) for step in steps]
        while True:
            symbols = yield np.concatenate(weights)
            weights = [step.send(symbols[i : i + 1]) for i, step in enumerate(steps)]

    def _image(self, symbols: np.ndarray) -> np.ndarray:
        return symbols.astype(np.float32) / np.float32(self.levels - 1)
