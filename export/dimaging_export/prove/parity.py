"""Parity of a file and its model: each graph runs in onnxruntime and in Keras before anything is written.

The float32 conversion is proven first, whatever precision is asked for, and then what is made of it.

    float32      |difference| <= RELATIVE * largest |value| + ABSOLUTE * min(1, largest |value|)
    whole        equal: tokens, places, classes
    uint8        one grey level: float32 differences may tip a rounding
    integer      equal, to the last bit
    fp16, int8   the model's own figure of merit on real images, `quality.allowed_loss`;
                 for a model without one the signal to noise ratio of every output, SQNR

The reduced precisions have no useful bound per element. Their largest difference on real inputs is
recorded, and a device may show twice as much: another processor rounds other values up. On seeded
inputs, which reach further than int8 was calibrated for, they must only stay finite.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dimaging_export.errors import ParityError, PrecisionError
from dimaging_export.prove.runners import Arrays, Graph

ABSOLUTE, RELATIVE = 1e-5, 1e-4
"""Terms of the largest difference in float32, see above; both are on the output's own scale."""
LEVELS = 1.0
"""Largest difference of a tensor in bytes, in grey levels."""
EXACT = ("fp32", "integer")
"""Precisions that are judged value by value."""
SQNR = {"fp16": 40.0, "int8": 20.0}
"""Precision -> least ratio of signal to quantisation noise, in dB."""

Report = dict[str, dict[str, float]]
"""Output -> {"max_abs": largest difference from Keras, "allowed": what it may be}."""


@dataclass
class Difference:
    """The difference of one output from its reference over all inputs."""

    max_abs: float = 0.0
    scale: float = 0.0
    signal: float = 0.0
    noise: float = 0.0
    total: float = 0.0
    count: int = 0
    whole: bool = False
    """Whether the output holds whole numbers, such as the places of the largest or tokens."""

    def add(self, found: np.ndarray, expected: np.ndarray) -> None:
        """Take in the output of one more run."""
        self.whole = expected.dtype.kind in "iub"
        expected = expected.astype(np.float64)
        delta = found.astype(np.float64) - expected
        self.max_abs = max(self.max_abs, float(np.abs(delta).max(initial=0.0)))
        self.scale = max(self.scale, float(np.abs(expected).max(initial=0.0)))
        self.signal += float(np.square(expected).sum())
        self.noise += float(np.square(delta).sum())
        self.total += float(expected.sum())
        self.count += expected.size

    @property
    def allowed(self) -> float:
        """The largest difference in float32, on the output's own scale: metres or micrometres.

        Whole numbers differ by none: token 50,001 is no near miss of token 50,000.
        """
        if self.whole:
            return 0.0
        return RELATIVE * self.scale + ABSOLUTE * min(1.0, self.scale)

    @property
    def sqnr(self) -> float:
        """Ratio of signal to noise, in dB; the signal is what varies, the square about the mean."""
        varies = self.signal - self.total**2 / max(self.count, 1)
        return 10 * float(np.log10(max(varies, 1e-30) / max(self.noise, 1e-30)))


def prove(
    name: str,
    found: Graph,
    feeds: Sequence[Arrays],
    answers: Sequence[Arrays],
    precision: str = "fp32",
    *,
    typical: int | None = None,
    byte_names: Collection[str] = (),
    by_signal: bool = False,
) -> Report:
    """Run a graph on every feed and compare with `answers`, its reference's outputs for them.

    typical: so many of the feeds, the first ones, are real; None: all. byte_names: outputs in
    uint8. by_signal: no figure of merit will follow, so a reduced precision is judged by its SQNR.
    Raises ParityError with the figures for a difference that is too large, and for an output that
    is missing, of another shape or type, or not finite.
    """
    differences: dict[str, Difference] = {}
    for i, (feed, answer) in enumerate(zip(feeds, answers, strict=True)):
        try:
            outputs = found(feed)
        except Exception as error:  # onnxruntime raises a dozen unrelated types
            at = ", ".join(f"{key} {list(array.shape)}" for key, array in feed.items())
            raise ParityError(
                f"graph {name!r} in {precision} fails on {at}, which Keras takes: {error}. "
                "Nothing was written"
            ) from error
        for output, value in answer.items():
            _check_kind(f"graph {name!r}, output {output!r}", outputs.get(output), value)
            if precision in EXACT or typical is None or i < typical:
                differences.setdefault(output, Difference()).add(outputs[output], value)
    report, failures = {}, []
    for output, seen in differences.items():
        allowed = LEVELS if output in byte_names else seen.allowed
        if precision in EXACT:
            allowed = 0.0 if precision == "integer" else allowed
            if seen.max_abs > allowed:
                failures.append(f"{output} differs by {seen.max_abs:.3g}, allowed {allowed:.3g}")
        else:
            allowed = max(2 * seen.max_abs, allowed)
            if by_signal and seen.sqnr < SQNR[precision]:
                failures.append(f"{output} has {seen.sqnr:.1f} dB, needs {SQNR[precision]:.0f} dB")
        report[output] = {"max_abs": seen.max_abs, "allowed": allowed}
    if failures:
        full = precision == "fp32"
        mend = "" if full else "; export it with precision='fp32'"
        raise (ParityError if full else PrecisionError)(
            f"graph {name!r} in {precision} does not compute what Keras computes: "
            f"{', '.join(failures)}. Nothing was written{mend}"
        )
    return report


def judge_quality(quality: Any, precision: str, keras: float, onnx: float) -> dict[str, Any]:
    """Compare the figure of merit of Keras and of the file; ParityError where too much of it is lost.

    quality: a dimaging_tf.deployable.FigureOfMerit. float32 may lose what its arithmetic may differ by.
    """
    loss = quality.loss(keras, onnx)
    allowed = quality.allowed(precision, keras, RELATIVE * max(abs(keras), 1.0))
    if not loss <= allowed:
        raise (ParityError if precision == "fp32" else PrecisionError)(
            f"{quality.name} goes from {keras:.4g} to {onnx:.4g} {quality.unit} in {precision}, a "
            f"loss of {loss:.3g}, allowed {allowed:.3g}. Nothing was written; train longer, "
            "calibrate on more typical images (data=), or export with precision='fp32'"
        )
    figures = {"keras": keras, "onnx": onnx, "loss": loss, "allowed": allowed}
    return {"name": quality.name, "unit": quality.unit, **figures}


def _check_kind(at: str, found: np.ndarray | None, expected: np.ndarray) -> None:
    if found is None or found.shape != expected.shape or found.dtype != expected.dtype:
        seen = "nothing" if found is None else f"{found.dtype} {list(found.shape)}"
        raise ParityError(
            f"{at}: {expected.dtype} {list(expected.shape)} in Keras, {seen} in the file. "
            "Nothing was written"
        )
    if not np.isfinite(expected).all():
        raise ParityError(f"{at}: Keras itself gives NaN or infinity; is the model trained?")
    if not np.isfinite(found).all():
        raise ParityError(
            f"{at}: NaN or infinity in the file, finite in Keras (float16 ends at 65504). Nothing "
            "was written; export it with precision='fp32'"
        )
