"""Captions and pictures in one space: the text encoder of StackGAN and the loss that trains it.

    tokens [B, T] ──embedding──GRU──dense, tanh──> text [B, D]  ┐
                                                                ├─ similarity: 10 cos(feature, text)
    image [B, H, W, C] ──strided convolutions──dense──> feature ┘

The loss makes each picture find its caption among those of the batch, and each caption its picture.
StackGAN (Zhang et al. 2017, arXiv 1612.03242) uses a text encoder trained by such a loss (Reed et al. 2016,
arXiv 1605.05395). The symmetrical softmax over the batch is that of AttnGAN's DAMSM (arXiv 1711.10485), which
also adds the trained loss to the generator's, as is done here.

tokens: int32, padded with 0 in front of the words; image: float32 in [0, 1].
"""

from typing import Any

import keras
import tensorflow as tf
from keras import layers

from dimaging_tf.training.steps import gather_rows, step_uniform

SHARPNESS = 10.0
"""The factor of the cosine in a logit: the sharpness of the softmax over the batch."""
SAME = 0.97
"""The cosine of two texts above which their captions count as the same in other words."""


def build_text_encoder(config: Any) -> keras.Model:
    """Build the text encoder: tokens [B, length] -> {"text": [B, text_dim]}."""
    tokens = keras.Input((config.length,), dtype="int32", name="tokens")
    x = layers.Embedding(len(config.words) + 1, config.embedding)(tokens)
    x = layers.GRU(config.recurrent)(x)
    text = layers.Dense(config.text_dim, activation="tanh")(x)
    return keras.Model(tokens, {"text": text}, name="text_encoder")


def build_image_encoder(config: Any) -> keras.Model:
    """Build the image encoder: image [B, H, W, C] -> {"feature": [B, text_dim]}."""
    image = keras.Input(config.shape, name="image")
    x = layers.Rescaling(2.0, -1.0)(image)
    for filters in doubled(config.encoder, config.shape[0]):
        x = layers.LeakyReLU(0.2)(layers.Conv2D(filters, 4, 2, padding="same")(x))
    feature = layers.Dense(config.text_dim)(layers.Flatten()(x))
    return keras.Model(image, {"feature": feature}, name="image_encoder")


def doubled(filters: int, side: int) -> list[int]:
    """Return the filters of the stride-2 layers that bring `side` down to 4 pixels.

    They double from layer to layer, up to four times the first.
    """
    return [min(filters << k, 4 * filters) for k in range((side // 4).bit_length() - 1)]


def similarity(feature, text):
    """Return the logits [N, M] of N pictures with M captions."""
    feature, text = (tf.math.l2_normalize(x, -1) for x in (feature, text))
    return SHARPNESS * tf.matmul(feature, text, transpose_b=True)


def matching_loss(feature, text, both: bool = True):
    """Return the mean of -log p(own caption | picture) in nats over the batch of all replicas.

    feature, text: [B, D]; row i of one belongs to row i of the other. With `both`, the result is the mean of
    that and of -log p(own picture | caption).
    """
    logits = similarity(gather_rows(feature), gather_rows(text))
    own = tf.range(tf.shape(logits)[0])
    sides = (logits, tf.transpose(logits)) if both else (logits,)
    losses = [tf.nn.sparse_softmax_cross_entropy_with_logits(labels=own, logits=x) for x in sides]
    return tf.add_n([tf.reduce_mean(x) for x in losses]) / len(losses)


def hits(feature, text):
    """Return float32 [B]: 1 where the caption that fits a picture best says the same as its own, else 0."""
    among = gather_rows(text)
    chosen = tf.gather(among, tf.argmax(similarity(feature, among), -1))
    own, chosen = (tf.math.l2_normalize(x, -1) for x in (text, chosen))
    return tf.cast(tf.reduce_sum(own * chosen, -1) > SAME, tf.float32)


def near_miss(text, seed, step):
    """Return for each text [B, D] a wrong one from the batch, drawn at random.

    Similar texts are preferred, because a matching-aware discriminator learns most from them.
    """
    among = gather_rows(text)
    cosine = similarity(text, among) / SHARPNESS
    draw = step_uniform(tf.shape(cosine), seed, step)
    chosen = tf.argmax(tf.where(cosine > SAME, -3.0, cosine + 0.3 * draw), -1)
    return tf.gather(among, chosen)


class CaptionMatcher:
    """The two encoders together. picture: float32 [B, H, W, C] of any size, in [0, 1]; text: [B, D].

    side: height and width in pixels that the image encoder takes; other pictures are resized.
    """

    def __init__(self, text_encoder: keras.Model, image_encoder: keras.Model, side: int):
        self.text_encoder, self.image_encoder, self.side = text_encoder, image_encoder, side

    @property
    def variables(self) -> list[Any]:
        """The weights of both encoders, which the first phase of StackGAN trains."""
        return self.text_encoder.trainable_variables + self.image_encoder.trainable_variables

    def text(self, tokens):
        """Encode tokens [B, T] as texts [B, D]."""
        return self.text_encoder(tokens)["text"]

    def feature(self, picture):
        """Encode pictures as features [B, D]."""
        if picture.shape[1] != self.side:
            picture = tf.image.resize(picture, [self.side, self.side], "bilinear")
        return self.image_encoder(picture)["feature"]

    def loss(self, picture, text, both=False):
        """Return the matching loss of pictures with their texts, in nats."""
        return matching_loss(self.feature(picture), text, both)

    def hits(self, picture, text):
        """Return float32 [B]: 1 where a picture finds a text that says the same as its own, else 0."""
        return hits(self.feature(picture), text)
