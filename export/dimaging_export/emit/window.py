"""The window of convolutions and poolings: Keras' padding as attributes of ONNX."""

from collections.abc import Sequence
from typing import Any

from dimaging_export.emit.table import unsupported
from dimaging_export.emit.values import Value


def window(layer: Any, size: Sequence[int], dilation: Sequence[int], x: Value) -> dict[str, Any]:
    """Return the attributes of a window that slides over `x`: its size, strides, dilations and padding.

    TensorFlow's "same" depends on the length where the stride is not 1 (it pads less where the
    last window fits by itself): known lengths give explicit pads, free ones `auto_pad`.
    """
    attributes = _common(layer, size, dilation)
    if layer.padding == "valid":
        return attributes
    if layer.padding == "causal":  # only what was before: all padding lies at the beginning
        return {**attributes, "pads": [(size[0] - 1) * dilation[0], 0]}
    if layer.padding != "same":
        raise unsupported(layer, f"pads {layer.padding!r}, neither 'valid' nor 'same'")
    totals = []
    for length, k, stride, rate in zip(x.shape[1:-1], size, layer.strides, dilation, strict=True):
        reach = (k - 1) * rate + 1
        if stride == 1:
            totals.append(reach - 1)
        elif length is None:
            return {**attributes, "auto_pad": "SAME_UPPER"}
        else:
            totals.append(max((-(-length // stride) - 1) * stride + reach - length, 0))
    return {**attributes, **_pads(totals)}


def transpose_window(layer: Any) -> dict[str, Any]:
    """Return the attributes of a transposed convolution, in TensorFlow the gradient of a convolution.

    An input of n gives (n - 1) * stride + reach values. Keras states how many it keeps; what is
    too much is cut, half of it (rounded down) at the beginning, and what is missing is added.
    """
    sample = 1000  # any length shows the difference, which does not depend on it
    spatial = [sample] * len(layer.kernel_size)
    lengths = layer.compute_output_shape((1, *spatial, 1))[1:-1]
    excess = [
        (sample - 1) * stride + (k - 1) * rate + 1 - length
        for length, k, stride, rate in zip(
            lengths, layer.kernel_size, layer.strides, layer.dilation_rate, strict=True
        )
    ]
    attributes = _common(layer, layer.kernel_size, layer.dilation_rate)
    if any(e < 0 for e in excess):
        attributes["output_padding"] = [max(-e, 0) for e in excess]
    return {**attributes, **_pads([max(e, 0) for e in excess])}


def _common(layer: Any, size: Sequence[int], dilation: Sequence[int]) -> dict[str, Any]:
    if layer.data_format != "channels_last":
        raise unsupported(layer, "keeps its channels first, not last as the others")
    attributes: dict[str, Any] = {"kernel_shape": list(size), "strides": list(layer.strides)}
    if set(dilation) != {1}:
        attributes["dilations"] = list(dilation)
    return attributes


def _pads(totals: list[int]) -> dict[str, Any]:
    """Return the pads as ONNX wants them: the beginnings of all axes, then the ends.

    totals: how much each axis is padded in all; of an odd number the end gets more.
    """
    if not any(totals):
        return {}
    return {"pads": [*(t // 2 for t in totals), *(t - t // 2 for t in totals)]}
