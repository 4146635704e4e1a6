"""Dense layers that see only earlier pixels (MADE: Germain et al. 2015, arXiv 1502.03509).

Pixels have numbers 0 .. D-1 in raster order (in colour: a pixel's colours one after the other); a
hidden unit has a degree d in 1 .. D-1.

edge      from          to            where
hidden    pixel j       unit d        j < d       the unit sees the first d pixels,
output    unit d        pixel i       d <= i      ... and contributes to those after them
direct    pixel j       pixel i       j < i

On every path from pixel j to the parameters of pixel i, j < d <= i holds, and so does the chain rule.
"""

import keras
import numpy as np

EDGES = ("hidden", "output", "direct")
"""Names of the kinds of edges, as in the table above."""


def degrees(units: int, pixels: int) -> np.ndarray:
    """Return the degree of each hidden unit: spread evenly over 1 .. pixels - 1, in rising order."""
    return 1 + np.arange(units) * max(1, pixels - 1) // units


@keras.saving.register_keras_serializable("dimaging")
class MaskedDense(keras.layers.Layer):
    """A masked dense layer, [B, inputs] -> [B, units].

    The mask is a factor of the kernel, so the gradient is masked too.

    edge                  one of EDGES
    pixels                D, the numbers of an image
    colours, parameters   for the edges output and direct, which have D * parameters units: unit
                          `(place * parameters + p) * colours + colour` holds parameter p of pixel
                          `place * colours + colour`
    """

    def __init__(self, units, edge, pixels, colours=1, parameters=1, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        wrong = edge != "hidden" and units != pixels * parameters
        if edge not in EDGES or wrong:
            raise ValueError(
                f"MaskedDense: edge must be one of {', '.join(EDGES)}, and units = pixels * parameters "
                f"except for hidden. Received: {edge!r}, {units} units of {pixels} x {parameters}"
            )
        self.units, self.edge, self.pixels = units, edge, pixels
        self.colours, self.parameters, self.use_bias = colours, parameters, use_bias

    def build(self, shape):
        """Make the weights."""
        mask = self.mask(shape[-1])
        # Glorot uniform, whose fans count only the edges that the mask leaves.
        limit = float(np.sqrt(6 / max(1.0, mask.sum(0).mean() + mask.sum(1).mean())))
        self.kernel = self.add_weight(
            shape=mask.shape, initializer=keras.initializers.RandomUniform(-limit, limit),
            name="kernel",
        )  # fmt: skip
        self.bias = self.add_weight(shape=(self.units,), name="bias") if self.use_bias else None
        super().build(shape)

    def mask(self, inputs: int) -> np.ndarray:
        """Return 0 or 1 for each weight, float32 [inputs, units]."""
        known = degrees(inputs, self.pixels) if self.edge == "output" else np.arange(inputs) + 1
        if self.edge == "hidden":
            allowed = degrees(self.units, self.pixels)
        else:
            unit = np.arange(self.units)
            block = self.parameters * self.colours
            allowed = unit // block * self.colours + unit % self.colours
        return (known[:, None] <= allowed).astype(np.float32)

    def masked_kernel(self):
        """Return the kernel with zeros where there is no edge, [inputs, units]."""
        kernel = keras.ops.convert_to_tensor(self.kernel)  # of 16 bits under a mixed policy
        return kernel * keras.ops.cast(self.mask(kernel.shape[0]), kernel.dtype)

    def call(self, x):
        """Multiply by the masked kernel, and add the bias."""
        y = keras.ops.matmul(x, self.masked_kernel())
        return y if self.bias is None else y + self.bias

    def compute_output_shape(self, shape):
        """Return the output's shape: [B, inputs] -> [B, units]."""
        return (*shape[:-1], self.units)

    def get_config(self):
        """Return what Keras needs to rebuild the layer."""
        names = ("units", "edge", "pixels", "colours", "parameters", "use_bias")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
