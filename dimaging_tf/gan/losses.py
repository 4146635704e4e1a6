"""Costs of the two players (lecture: "GAN"; Goodfellow 2016, arXiv 1701.00160).

    J(D) = -1/2 E log D(x) - 1/2 E log(1 - D(G(z)))
    J(G) = -J(D)                    "minimax", saturating: no gradient where the discriminator is sure
    J(G) = -1/2 E log D(G(z))       "non-saturating"

All are means over the batch in nats, of logits l = log(D / (1 - D)), float32 [B].
"""

import tensorflow as tf

G_LOSSES = ("non-saturating", "minimax")
PENALTIES = ("r1", "wgan-gp")
_SUREST = -60.0
"""Logit below which exp(-l) is held: the product with its tiny partner must stay a float32."""


def discriminator_loss(real, fake, smoothing: float = 0.0, wrong=None) -> tf.Tensor:
    """J(D) of the logits of real and generated images.

    smoothing  real images count as 1 - smoothing, generated ones as 0 (one-sided label smoothing,
               Salimans et al. 2016, arXiv 1606.03498)
    wrong      logits of real images beside a wrong condition, which count as generated: half of that
               term is theirs (matching-aware discriminator; Reed et al. 2016, arXiv 1605.05396)
    """
    of_real = tf.reduce_mean(
        (1 - smoothing) * tf.nn.softplus(-real) + smoothing * tf.nn.softplus(real)
    )
    of_fake = tf.reduce_mean(tf.nn.softplus(fake))
    if wrong is not None:
        of_fake = (of_fake + tf.reduce_mean(tf.nn.softplus(wrong))) / 2
    return (of_real + of_fake) / 2


def generator_loss(name: str, real, fake, smoothing: float = 0.0, wrong=None) -> tf.Tensor:
    """J(G) by name, "minimax" or "non-saturating"; the other arguments are those of J(D)."""
    if name == "minimax":
        return -discriminator_loss(real, fake, smoothing, wrong)
    return tf.reduce_mean(tf.nn.softplus(-fake)) / 2


def gradient_ratio(name: str, fake, share: float = 1.0) -> tf.Tensor:
    """(dJ(G)/dl) / (dJ(D)/dl) for each generated image, [B].

    A generated image reaches either cost through its own logit alone, so the gradient that the
    discriminator's backward pass leaves at the image, times this, is the generator's: one pass serves
    both players. share: the part of J(D)'s second term that is the generated images' (1/2 where wrong
    pairs have the rest).

        minimax          -1
        non-saturating   -(1 - D) / D / share = -exp(-l) / share
    """
    if name == "minimax":
        return -tf.ones_like(fake)
    return -tf.exp(-tf.maximum(fake, _SUREST)) / share


def gradient_penalty(name: str, logit_of, real, fake, at) -> tf.Tensor:
    """Mean penalty on the gradient of `logit_of` (images [B, ...] -> logits [B]), to be added to J(D).

    "r1"        1/2 |grad l(x)|^2 at real images (Mescheder et al. 2018, arXiv 1801.04406)
    "wgan-gp"   (|grad l| - 1)^2 between real and generated ones (Gulrajani et al. 2017,
                arXiv 1704.00028): at = a in [0, 1], [B], of x = a real + (1 - a) fake
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
