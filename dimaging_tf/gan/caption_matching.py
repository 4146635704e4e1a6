"""Captions and pictures in one space: the text encoder of StackGAN, and what it is trained with.

    tokens [B, T] ──embedding──GRU──dense, tanh──> text [B, D]  ┐
                                                                ├─ similarity: 10 cos(feature, text)
    image [B, H, W, C] ──strided convolutions──dense──> feature ┘

Each picture has to find its caption among those of the batch, and each caption its picture. StackGAN
(Zhang et al. 2017, arXiv 1612.03242) takes a text encoder trained by such a loss (Reed et al. 2016,
arXiv 1605.05395); the symmetrical softmax over the batch is that of AttnGAN's DAMSM (arXiv 1711.10485),
which also hands the finished loss on to the generator, as is done here.

tokens: int32, 0 in front of the words; image: float32 in [0, 1].
"""

from typing import Any

import keras
import tensorflow as tf
from keras import layers

from dimaging_tf.training.steps import gather_rows, step_uniform

SHARPNESS = 10.0
"""Factor of the cosine in a logit."""
SAME = 0.97
"""Captions with a cosine above this say the same in other words."""


def build_text_encoder(config: Any) -> keras.Model:
    """Tokens -> {"text"}."""
    tokens = keras.Input((config.length,), dtype="int32", name="tokens")
    x = layers.Embedding(len(config.words) + 1, config.embedding)(tokens)
    x = layers.GRU(config.recurrent)(x)
    text = layers.Dense(config.text_dim, activation="tanh")(x)
    return keras.Model(tokens, {"text": text}, name="text_encoder")


def build_image_encoder(config: Any) -> keras.Model:
    """Image -> {"feature"}."""
    image = keras.Input(config.shape, name="image")
    x = layers.Rescaling(2.0, -1.0)(image)
    for filters in doubled(config.encoder, config.shape[0]):
        x = layers.LeakyReLU(0.2)(layers.Conv2D(filters, 4, 2, padding="same")(x))
    feature = layers.Dense(config.text_dim)(layers.Flatten()(x))
    return keras.Model(image, {"feature": feature}, name="image_encoder")


def doubled(filters: int, side: int) -> list[int]:
    """Filters of the layers of stride 2 that bring `side` down to 4: doubled, up to four times the first."""
    return [min(filters << k, 4 * filters) for k in range((side // 4).bit_length() - 1)]


def similarity(feature, text):
    """Logits [N, M] of N pictures with M captions."""
    feature, text = (tf.math.l2_normalize(x, -1) for x in (feature, text))
    return SHARPNESS * tf.matmul(feature, text, transpose_b=True)


def matching_loss(feature, text, both: bool = True):
    """Mean of -log p(own caption | picture) in nats over a batch; `both`: and of the reverse.

    feature, text: [B, D]; row i of one belongs to row i of the other. The batch is that of all replicas.
    """
    logits = similarity(gather_rows(feature), gather_rows(text))
    own = tf.range(tf.shape(logits)[0])
    sides = (logits, tf.transpose(logits)) if both else (logits,)
    losses = [tf.nn.sparse_softmax_cross_entropy_with_logits(labels=own, logits=x) for x in sides]
    return tf.add_n([tf.reduce_mean(x) for x in losses]) / len(losses)


def hits(feature, text):
    """Which pictures find a caption that says the same as their own: float32 [B] of 0 and 1."""
    among = gather_rows(text)
    chosen = tf.gather(among, tf.argmax(similarity(feature, among), -1))
    own, chosen = (tf.math.l2_normalize(x, -1) for x in (text, chosen))
    return tf.cast(tf.reduce_sum(own * chosen, -1) > SAME, tf.float32)


def near_miss(text, seed, step):
    """For each caption [B, D] another one of the whole batch, by chance, but rather a similar one: what
    a matching-aware discriminator learns most from.
    """
    among = gather_rows(text)
    cosine = similarity(text, among) / SHARPNESS
    draw = step_uniform(tf.shape(cosine), seed, step)
    chosen = tf.argmax(tf.where(cosine > SAME, -3.0, cosine + 0.3 * draw), -1)
    return tf.gather(among, chosen)


class CaptionMatcher:
    """Both encoders at work. picture, image: [B, H, W, C] of any size; text: [B, D]."""

    def __init__(self, text_encoder: keras.Model, image_encoder: keras.Model, side: int):
        self.text_encoder, self.image_encoder, self.side = text_encoder, image_encoder, side

    @property
    def variables(self) -> list[Any]:
        """The weights of both encoders, which the first phase of StackGAN trains."""
        return self.text_encoder.trainable_variables + self.image_encoder.trainable_variables

    def text(self, tokens):
        """Tokens [B, T] -> [B, D]."""
        return self.text_encoder(tokens)["text"]

    def feature(self, picture):
        """[B, D]."""
        if picture.shape[1] != self.side:
            picture = tf.image.resize(picture, [self.side, self.side], "bilinear")
        return self.image_encoder(picture)["feature"]

    def loss(self, picture, text, both=False):
        """Matching loss of pictures with their texts."""
        return matching_loss(self.feature(picture), text, both)

    def hits(self, picture, text):
        """Which pictures find their texts, as `hits`."""
        return hits(self.feature(picture), text)
