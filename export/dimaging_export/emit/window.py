"""How Keras pads, in ONNX attributes: the window of convolutions and poolings."""

from typing import Any

from dimaging_export.emit.table import unsupported
from dimaging_export.emit.values import Value


def window(
    layer: Any, size: tuple[int, ...], dilation: tuple[int, ...], x: Value
) -> dict[str, Any]:
    """strides, dilations, kernel_shape and padding of a sliding window over `x`.

    TensorFlow's "same" depends on the size where the stride is not 1 (it pads less where the last
    window fits by itself): known sizes give explicit pads, free ones `auto_pad`, which is defined so.
    """
    _check_layout(layer)
    strides = layer.strides
    attributes: dict[str, Any] = {"kernel_shape": list(size), "strides": list(strides)}
    if any(d != 1 for d in dilation):
        attributes["dilations"] = list(dilation)
    if layer.padding == "valid":
        return attributes
    if layer.padding != "same":
        raise unsupported(layer, f"pads {layer.padding!r}, neither 'valid' nor 'same'")
    begins, ends = [], []
    for length, kernel, stride, rate in zip(x.shape[1:3], size, strides, dilation, strict=True):
        reach = (kernel - 1) * rate + 1
        if stride == 1:
            total = reach - 1
        elif length is None:
            return {**attributes, "auto_pad": "SAME_UPPER"}
        else:
            total = max((-(-length // stride) - 1) * stride + reach - length, 0)
        begins.append(total // 2)
        ends.append(total - total // 2)
    return {**attributes, "pads": [*begins, *ends]} if any(begins + ends) else attributes


def transpose_window(layer: Any) -> dict[str, Any]:
    """The same for a transposed convolution: TensorFlow computes it as the gradient of a convolution.

    Its output has the length L that Keras states; an input of n gives (n - 1) * stride + reach values,
    and what is too much is cut, half of it (rounded down) at the beginning.
    """
    _check_layout(layer)
    begins, ends, missing = [], [], []
    sample = 1000  # any length shows the difference, which does not depend on it
    lengths = layer.compute_output_shape((1, sample, sample, 1))[1:3]
    for length, kernel, stride, rate in zip(
        lengths, layer.kernel_size, layer.strides, layer.dilation_rate, strict=True
    ):
        excess = (sample - 1) * stride + (kernel - 1) * rate + 1 - length
        begins.append(max(excess, 0) // 2)
        ends.append(max(excess, 0) - max(excess, 0) // 2)
        missing.append(max(-excess, 0))
    attributes: dict[str, Any] = {
        "kernel_shape": list(layer.kernel_size),
        "strides": list(layer.strides),
    }
    if any(d != 1 for d in layer.dilation_rate):
        attributes["dilations"] = list(layer.dilation_rate)
    if any(begins + ends):
        attributes["pads"] = [*begins, *ends]
    if any(missing):
        attributes["output_padding"] = missing
    return attributes


def _check_layout(layer: Any) -> None:
    if layer.data_format != "channels_last":
        raise unsupported(
            layer, "keeps its channels first; build it with data_format='channels_last'"
        )
