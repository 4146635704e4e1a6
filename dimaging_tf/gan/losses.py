"""The losses of the two players, which the lecture writes as costs J (Goodfellow 2016, arXiv 1701.00160).

    J(D) = -1/2 E log D(x) - 1/2 E log(1 - D(G(z)))
    J(G) = -J(D)                    "minimax", saturating: no gradient where the discriminator is sure
    J(G) = -1/2 E log D(G(z))       "non-saturating"

All losses are means over the batch in nats, computed from logits l = log(D / (1 - D)), float32 [B].
"""

import tensorflow as tf

G_LOSSES = ("non-saturating", "minimax")
"""Names of the generator's losses."""
PENALTIES = ("r1", "wgan-gp")
"""Names of the gradient penalties."""
_LOWEST_LOGIT = -60.0
"""The logit below which exp(-l) no longer grows: multiplied by a tiny gradient, it must stay a float32."""


def discriminator_loss(real, fake, smoothing: float = 0.0, wrong=None) -> tf.Tensor:
    """Return J(D) for the logits of real and of generated images, a scalar.

    smoothing  the target of real images is 1 - smoothing, that of generated ones 0 (one-sided label
               smoothing, Salimans et al. 2016, arXiv 1606.03498)
    wrong      logits of real images beside a wrong condition. They count as generated and make half of
               the second term (matching-aware discriminator; Reed et al. 2016, arXiv 1605.05396)
    """
    of_real = tf.reduce_mean(
        (1 - smoothing) * tf.nn.softplus(-real) + smoothing * tf.nn.softplus(real)
    )
    of_fake = tf.reduce_mean(tf.nn.softplus(fake))
    if wrong is not None:
        of_fake = (of_fake + tf.reduce_mean(tf.nn.softplus(wrong))) / 2
    return (of_real + of_fake) / 2


def generator_loss(name: str, real, fake, smoothing: float = 0.0, wrong=None) -> tf.Tensor:
    """Return J(G) of that name, "minimax" or "non-saturating"; the other arguments are those of J(D)."""
    if name == "minimax":
        return -discriminator_loss(real, fake, smoothing, wrong)
    return tf.reduce_mean(tf.nn.softplus(-fake)) / 2


def gradient_ratio(name: str, fake, share: float = 1.0) -> tf.Tensor:
    """Return (dJ(G)/dl) / (dJ(D)/dl) for each generated image, [B].

    A generated image enters both losses through its own logit alone. So the gradient of J(D) at the image,
    times this ratio, is the gradient of J(G) there, and one backward pass serves both players. share: the
    part of J(D)'s second term that generated images make (1/2 where wrong pairs make the rest).

        minimax          -1
        non-saturating   -(1 - D) / D / share = -exp(-l) / share
    """
    if name == "minimax":
        return -tf.ones_like(fake)
    return -tf.exp(-tf.maximum(fake, _LOWEST_LOGIT)) / share


def gradient_penalty(name: str, logit_of, real, fake, at) -> tf.Tensor:
    """Return the mean penalty on the gradient of `logit_of` (images [B, ...] -> logits [B]), part of J(D).

    "r1"        1/2 |grad l(x)|^2 at real images (Mescheder et al. 2018, arXiv 1801.04406)
    "wgan-gp"   (|grad l| - 1)^2 between real and generated ones (Gulrajani et al. 2017,
                arXiv 1704.00028), at x = a real + (1 - a) fake with `at` = a in [0, 1], [B]
    """
    if name == "r1":
        x = real
    else:
        at = tf.reshape(at, [-1] + [1] * (real.shape.rank - 1))
        x = tf.stop_gradient(at * real + (1 - at) * fake)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        logit = logit_of(x)
    gradient = tape.gradient(logit, x)
    square = tf.reduce_sum(gradient**2, list(range(1, gradient.shape.rank)))
    if name == "r1":
        return tf.reduce_mean(square) / 2
    return tf.reduce_mean((tf.sqrt(square + 1e-12) - 1) ** 2)
