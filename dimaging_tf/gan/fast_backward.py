"""A forward pass of a discriminator whose backward pass computes only the gradients that a GAN uses."""

from typing import Any

import keras
import tensorflow as tf


def cheap_backward(discriminator: Any) -> Any:
    """Return a function (list of image batches, training) -> logits of all batches, one after the other.

    Only the second batch, the generated images, receives a gradient. Only there is it wanted, but a framework
    computes it for all images, and for the first layer, whose input is the images, that is expensive. So a
    convolution gets a backward pass of its own here; before any other first layer, the batches pass
    separately. None where that is impossible, as for a network with a second input.
    """
    first = next((x for x in discriminator.layers if x.weights), None)
    if first is None or len(discriminator.inputs) > 1:
        return None
    try:
        before = keras.Model(discriminator.input, first.input)
        rest = keras.Model(first.output, discriminator.output["logit"])
    except ValueError:  # another path leads from the image to the logit, or no layer follows
        return None
    plain = type(first) is keras.layers.Conv2D and _is_plain(first)

    def discriminate(images, training):
        if plain:
            count = tf.shape(images[1])[0]
            seen = before(tf.concat(images, 0), training=training)
            kernel, bias = (tf.convert_to_tensor(x.value) for x in (first.kernel, first.bias))
            rows = tf.shape(images[0])[0], count
            seen = _convolution(seen, kernel, bias, rows, first.strides[0], first.padding.upper())
        else:
            see = lambda x: first(before(x, training=training), training=training)  # noqa: E731
            seen = tf.concat([see(x) for x in images], 0)
        return rest(seen, training=training)

    return discriminate


def _is_plain(layer: Any) -> bool:
    """Return whether `_convolution` computes all that this Conv2D does."""
    plain = {"groups": 1, "dilation_rate": (1, 1), "data_format": "channels_last",
             "use_bias": True, "activation": "linear"}  # fmt: skip
    found, (down, across) = layer.get_config(), layer.strides
    return all(found[k] == v for k, v in plain.items()) and (
        down == across and layer.compute_dtype == "float32" and not layer.quantization_mode
    )


def _convolution(image, kernel, bias, rows, stride: int, padding: Any):
    """Convolve; the gradient at the image is computed for rows = (first, count) and is 0 elsewhere."""
    side, _, channels, filters = kernel.shape
    few = (side, kernel.shape[1], stride, padding) == (4, 4, 2, "SAME") and channels <= 4

    @tf.custom_gradient
    def convolution(image, kernel, bias):
        def gradients(gradient):
            start, count = rows
            some = gradient[start : start + count]
            if few and image.shape[1] % 2 == image.shape[2] % 2 == 0:
                at_image = _from_patches(some, kernel)
            else:
                at_image = tf.nn.conv2d_transpose(
                    some, kernel, tf.shape(image[start : start + count]), stride, padding
                )
            after = tf.shape(image)[0] - start - count
            at_image = tf.pad(at_image, [[start, after], [0, 0], [0, 0], [0, 0]])
            at_kernel = tf.raw_ops.Conv2DBackpropFilter(
                input=image, filter_sizes=kernel.shape, out_backprop=gradient,
                strides=[1, stride, stride, 1], padding=padding,
            )  # fmt: skip
            # A product with ones: a sum would be fused with the operation above and double its time.
            flat = tf.reshape(gradient, [-1, filters])
            at_bias = tf.linalg.matvec(flat, tf.ones(tf.shape(flat)[:1]), transpose_a=True)
            return at_image, at_kernel, at_bias

        return tf.nn.bias_add(tf.nn.conv2d(image, kernel, stride, padding), bias), gradients

    return convolution(image, kernel, bias)


def _from_patches(gradient, kernel):
    """Compute `conv2d_transpose` of a 4x4 kernel with stride 2 to few channels: a product, then four sums."""
    height, width, channels = 2 * gradient.shape[1], 2 * gradient.shape[2], kernel.shape[2]
    filters = kernel.shape[3]
    found = tf.matmul(
        tf.reshape(gradient, [-1, filters]), tf.reshape(kernel, [-1, filters]), transpose_b=True
    )
    # Row 2i + 2p + r and column 2j + 2q + s of a picture with a border of one pixel.
    found = tf.reshape(found, [-1, height // 2, width // 2, 2, 2, 2, 2 * channels])
    found = tf.transpose(found, [3, 5, 0, 1, 4, 2, 6])
    found = tf.reshape(found, [2, 2, -1, height, width, channels])
    place = [[0, 2], [2, 0]]
    parts = [
        tf.pad(found[p, q], [[0, 0], place[p], place[q], [0, 0]]) for p in (0, 1) for q in (0, 1)
    ]
    return tf.add_n(parts)[:, 1:-1, 1:-1]
