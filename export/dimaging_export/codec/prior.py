"""The prior of a U-Net codec as a program of whole numbers, made from its trained networks."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dimaging_export.codec.program import BYTE, HALF, Part, Program
from dimaging_tf.compression.base import EIGHTHS, FINEST, SYMBOL
from dimaging_tf.layers.codec import NARROWEST, OCTAVE, QUALITIES, QualityBias
from dimaging_tf.models.unet_codec import REACH, WIDE, UNetCodec


@dataclass(frozen=True)
class Units:
    """The steps in which the prior's numbers are counted, and where they are clipped."""

    parts: int
    """Steps of activations and predictions in a unit."""
    neighbour: int
    """Steps in a unit of the y that the context reads."""
    widest: float
    """Largest |y| that the context reads, in units."""
    heaviest: int
    """Largest weight, in its own steps: BYTE or HALF."""

    @property
    def top(self) -> int:
        """Largest activation, in its steps."""
        return int(REACH * self.parts)


UNITS = {8: Units(64, 16, WIDE, BYTE), 16: Units(256, 256, 8.0, HALF)}
"""Bits of a pixel -> its Units. A unit is what y varies by; dark images of 16 bits vary by a twentieth of it.

With 16 bits a channel may have 40 quantisation steps in a unit where most have less than one. Weights of a
byte then mistake its mean by half a step, which made the first pass twice as large (nuclei at 60 dB).
"""
MEAN = FINEST // 2 - 1
"""Largest mean that the prior predicts, in eighths of a quantisation step."""


def prior_program(model: UNetCodec) -> Program:
    """Write the prior of `model` as a program.

    Inputs: z in symbols, y in eighths of a step, pass and quality. Outputs: the scale index, and the mean in
    eighths of a step. Raises ExportError where a sum could reach 2^24.
    """
    c, quality = model.config, np.arange(QUALITIES)
    log2 = {
        name: np.asarray(gain.log2(quality))[:, 0, 0].astype(np.float64)
        for name, gain in model.gains.items()
    }
    gain_y, gain_z = 2.0 ** log2["y"], 2.0 ** log2["z"]
    u = UNITS[c.bits]
    inputs = {"z": SYMBOL, "y": MEAN + EIGHTHS * SYMBOL, "pass": 1, "quality": QUALITIES - 1}
    p = Program(inputs, u.heaviest)

    convs = _convolutions(model.prior)
    biases = [x for x in model.prior.layers if isinstance(x, QualityBias)]
    z = p.scaled("bottleneck", "z", u.parts / gain_z, u.top)
    x = _activation(p, u, "deep", [(z, convs[0])])
    x = _up(p, u, "middle", x, convs[1])
    x = _activation(p, u, "middle_3x3", [(x, convs[2])])
    state = _up(p, u, "state", x, convs[3], u.parts * biases[0].table())
    even = _prediction(p, u, "even", state, convs[4], model.prior)

    convs = _convolutions(model.context)
    y = p.step("clip", "y_near", "y", low=-float(1 << 13) + 1, high=float(1 << 13) - 1)
    p.largest[y] = (1 << 13) - 1
    y = p.scaled("neighbours", y, u.neighbour / (EIGHTHS * gain_y), u.widest * u.neighbour)
    y = p.step("checkerboard", "known", y, odd=0)
    near, far = convs[:2]
    x = _activation(p, u, "context", [(y, near), (state, far)], (u.neighbour, u.parts))
    odd = _prediction(p, u, "odd", x, convs[2], model.context)

    found = p.step("where", "found", "pass", odd, even)
    mean = p.step("slice", "mean_units", found, start=0, stop=c.skip)
    scale = p.step("slice", "scale_units", found, start=c.skip, stop=2 * c.skip)
    mean = p.scaled("mean_eighths", mean, EIGHTHS * gain_y / u.parts, MEAN)
    p.rename(mean, "mean")
    shift = np.rint(u.parts * (log2["y"] - np.log2(NARROWEST)))
    row = p.row("octaves_row", shift)
    p.largest[row] = float(np.abs(shift).max())
    table = p.step("mul", "table_exact", p.step("add", "octaves", scale, row), by=OCTAVE / u.parts)
    table = p.step("plus", "table_half", table, by=1.5)
    p.rename(p.settle(table, 0, QUALITIES - 1), "index")
    return p


def _convolutions(network: Any) -> list[Any]:
    """Return the convolutions in the order of execution, without the last two, mean and log2_scale."""
    found = [x for x in network.layers if hasattr(x, "kernel")]
    return [x for x in found if x.name not in ("mean", "log2_scale")]


def _weights(layer: Any) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(layer.kernel, np.float64), np.asarray(layer.bias, np.float64)


def _activation(
    p: Program, u: Units, name: str, parts: list[tuple[str, Any]], units: Any = None
) -> str:
    """Write the sum of convolutions, clipped to [0, REACH] units.

    parts: (source, layer) of each. units: steps in a unit of each source; by default those of activations.
    """
    units = units or (u.parts,) * len(parts)
    weights = [_weights(layer) for _, layer in parts]
    scaled = [
        Part(source, kernel * (u.parts / unit))
        for (source, _), (kernel, _), unit in zip(parts, weights, units, strict=True)
    ]
    return p.settle(p.sum(name, scaled, u.parts * sum(bias for _, bias in weights)), 0, u.top)


def _up(
    p: Program, u: Units, name: str, source: str, layer: Any, table: np.ndarray | None = None
) -> str:
    """Write a transposed 2x2 convolution of stride 2 as a 1x1 convolution and depth_to_space.

    table: what is added by quality, [64, out].
    """
    kernel, bias = _weights(layer)  # [2, 2, out, in]
    kernel = kernel.transpose(3, 0, 1, 2).reshape(1, 1, kernel.shape[3], -1)
    table = None if table is None else np.tile(table, 4)
    x = p.sum(name, [Part(source, kernel)], u.parts * np.tile(bias, 4), table)
    return p.step("depth_to_space", f"{name}_up", p.settle(x, 0, u.top), by=2)


def _prediction(p: Program, u: Units, name: str, source: str, layer: Any, network: Any) -> str:
    """Write a last 1x1 convolution that gives the means, and behind them the log2 scales, as channels."""
    x = _activation(p, u, name, [(source, layer)])
    last = [_weights(network.get_layer(kind)) for kind in ("mean", "log2_scale")]
    kernel, bias = (np.concatenate(both, -1) for both in zip(*last, strict=True))
    x = p.sum(f"{name}_predicted", [Part(x, kernel)], u.parts * bias)
    return p.settle(x, -WIDE * u.parts, WIDE * u.parts)
