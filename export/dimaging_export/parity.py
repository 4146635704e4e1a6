"""Is the file the model? Every graph runs in onnxruntime and in Keras before anything is written.

    what           against Keras, on seeded and real inputs at batch 1, 3 and 8
    float32        |difference| <= ABSOLUTE + RELATIVE * largest |value|
    uint8          one grey level (float32 differences may tip a rounding)
    fp16, int8     the model's own figure of merit on real images: `quality.allowed_loss`;
                   a model without one: signal to noise of every output, SQNR below

The reduced precisions have no useful bound per element: their largest difference is recorded, and a
device may show twice as much, since another processor rounds other values up.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dimaging_export.errors import ParityError
from dimaging_export.runner import Graph

ABSOLUTE, RELATIVE = 1e-5, 1e-4
LEVELS = 1.0
SQNR = {"fp16": 40.0, "int8": 20.0}
"""Least signal to quantisation noise in dB where a model has no figure of merit of its own."""

Arrays = dict[str, np.ndarray]


@dataclass
class Difference:
    """How far one output is from Keras over all inputs."""

    max_abs: float = 0.0
    scale: float = 0.0
    signal: float = 0.0
    noise: float = 0.0

    def add(self, found: np.ndarray, expected: np.ndarray) -> None:
        """One more run."""
        expected = expected.astype(np.float64)
        delta = found.astype(np.float64) - expected
        self.max_abs = max(self.max_abs, float(np.abs(delta).max()))
        self.scale = max(self.scale, float(np.abs(expected).max()))
        self.signal += float(np.square(expected).sum())
        self.noise += float(np.square(delta).sum())

    @property
    def sqnr(self) -> float:
        """Signal to noise in dB."""
        return 10 * float(np.log10(max(self.signal, 1e-30) / max(self.noise, 1e-30)))


def compare(
    name: str, found: Graph, reference: Graph, feeds: Iterable[Arrays]
) -> dict[str, Difference]:
    """Run both on every feed; ParityError for outputs that are missing, misshapen or not finite."""
    differences: dict[str, Difference] = {}
    for feed in feeds:
        expected, outputs = reference(feed), found(feed)
        for output, value in expected.items():
            got = outputs.get(output)
            if got is None or got.shape != value.shape or got.dtype != value.dtype:
                seen = "nothing" if got is None else f"{got.dtype} {list(got.shape)}"
                raise ParityError(
                    f"graph {name!r}: output {output!r} is {value.dtype} {list(value.shape)} in Keras, "
                    f"{seen} in the exported file; nothing was written"
                )
            if not np.isfinite(value).all():
                raise ParityError(
                    f"graph {name!r}: Keras itself gives NaN or infinity for {output!r}; is the model trained?"
                )
            if not np.isfinite(got).all():
                raise ParityError(
                    f"graph {name!r}: output {output!r} of the exported file holds NaN or infinity where Keras "
                    "is finite (fp16 ends at 65504); nothing was written"
                )
            differences.setdefault(output, Difference()).add(got, value)
    return differences


def judge(
    name: str,
    differences: dict[str, Difference],
    precision: str,
    byte_names: frozenset[str] = frozenset(),
    *,
    by_signal: bool = False,
) -> dict[str, dict[str, float]]:
    """{output: {"max_abs", "allowed"}}; ParityError with the figures where one is too large.

    by_signal: the model has no figure of merit, so a reduced precision is judged by SQNR.
    """
    report, failures = {}, []
    for output, seen in differences.items():
        allowed = LEVELS if output in byte_names else ABSOLUTE + RELATIVE * seen.scale
        if precision != "fp32":
            allowed = max(2 * seen.max_abs, allowed)
            if by_signal and seen.sqnr < SQNR[precision]:
                failures.append(
                    f"{output}: {seen.sqnr:.1f} dB, at least {SQNR[precision]:.0f} dB is asked for"
                )
        elif seen.max_abs > allowed:
            failures.append(
                f"{output}: largest difference {seen.max_abs:.3g}, allowed {allowed:.3g}"
            )
        report[output] = {"max_abs": seen.max_abs, "allowed": allowed}
    if failures:
        raise ParityError(
            f"graph {name!r} in {precision} does not match Keras: {'; '.join(failures)}. Nothing was written"
            + ("" if precision == "fp32" else "; export it with precision='fp32'")
        )
    return report


def judge_quality(quality, precision: str, keras: float, onnx: float) -> dict:
    """The figure of merit of both; ParityError where the file loses more than the model allows."""
    loss = quality.loss(keras, onnx)
    # float32 may lose what its arithmetic may differ by, no more
    allowed = quality.allowed_loss.get(precision, RELATIVE * max(abs(keras), 1.0))
    if not loss <= allowed:
        raise ParityError(
            f"{quality.name} falls from {keras:.4g} to {onnx:.4g} {quality.unit} in {precision}: a loss of {loss:.3g}, "
            f"allowed {allowed:.3g}. Nothing was written; train longer, calibrate on more typical data (data=), or "
            "export with precision='fp32'"
        )
    return {
        "name": quality.name, "unit": quality.unit, "keras": keras, "onnx": onnx,
        "loss": loss, "allowed": allowed,
    }  # fmt: skip
