"""Rows of attention: the blocks of transformers, for words, images and between two sequences."""

import keras
import numpy as np
from helpers.layer_table.row import Row, chain, joined, refused
from keras import layers as L
from keras import ops

TOKENS, WORDS = (7, 8), (7,)


def mha(heads=2, size=4, call=(), **more):
    def step(x):
        return L.MultiHeadAttention(heads, size, **more)(x, x, **dict(call))

    return step


def gqa(size=4, heads=4, groups=2, call=(), **more):
    def step(x):
        return L.GroupQueryAttention(size, heads, groups, **more)(x, x, **dict(call))

    return step


def feed_forward(x, act="gelu", wide=16):
    return L.Dense(x.shape[-1])(L.Dense(wide, activation=act)(x))


def encoder(x, **more):
    y = L.LayerNormalization(epsilon=1e-6)(x + L.Dropout(0.1)(mha(**more)(x)))
    return L.LayerNormalization(epsilon=1e-6)(y + feed_forward(y, "relu"))


def pre_norm(x):
    n = L.LayerNormalization(epsilon=1e-6)(x)
    x = x + L.MultiHeadAttention(2, 4, dropout=0.1)(n, n)
    return x + feed_forward(L.LayerNormalization(epsilon=1e-6)(x))


def decoder(x, memory):
    y = x + L.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True)
    y = L.LayerNormalization()(y)
    y = L.LayerNormalization()(y + L.MultiHeadAttention(2, 4)(query=y, value=memory, key=memory))
    return L.LayerNormalization()(y + feed_forward(y, "relu"))


class Positions(keras.layers.Layer):
    """Adds a learned place to every token."""

    def build(self, shape):
        self.table = self.add_weight(shape=shape[1:], initializer="uniform")

    def call(self, x):
        return x + self.table


class ClassToken(keras.layers.Layer):
    """Puts a learned token first."""

    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[-1]), initializer="uniform")

    def call(self, x):
        first = ops.tile(self.token, (ops.shape(x)[0], 1, 1))
        return ops.concatenate([first, x], axis=1)


class Patches(keras.layers.Layer):
    """Cuts an image into patches, as the ViT example of keras-io does."""

    def call(self, x):
        h, w, c = x.shape[1:]
        x = ops.reshape(x, (-1, h // 4, 4, w // 4, 4, c))
        return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, h * w // 16, 16 * c))


def vit(x):
    y = L.Reshape((-1, 8))(L.Conv2D(8, 4, strides=4)(x))
    y = Positions()(ClassToken()(y))
    y = L.LayerNormalization()(pre_norm(pre_norm(y)))
    return L.Dense(3)(y[:, 0])


def vit_of_keras_io(x):
    y = L.Dense(8)(Patches()(x))
    places = np.random.default_rng(0).standard_normal((1, *y.shape[1:])).astype("float32")
    y = pre_norm(y + places)
    return L.Dense(3)(L.Flatten()(L.LayerNormalization()(y)))


def mixer(x):
    y = L.Permute((2, 1))(L.LayerNormalization()(x))
    x = x + L.Permute((2, 1))(L.Dense(7)(L.Dense(5, activation="gelu")(y)))
    return x + feed_forward(L.LayerNormalization()(x))


def windows(x):
    y = ops.transpose(ops.reshape(x, (-1, 2, 4, 2, 4, 4)), (0, 1, 3, 2, 4, 5))
    y = ops.reshape(y, (-1, 16, 4))
    y = y + mha(2, 2)(L.LayerNormalization()(y))
    y = ops.transpose(ops.reshape(y, (-1, 2, 2, 4, 4, 4)), (0, 1, 3, 2, 4, 5))
    return ops.reshape(y, (-1, 8, 8, 4))


def llama(x):
    n = L.RMSNormalization()(x)
    x = x + L.GroupQueryAttention(4, 4, 2, use_bias=False)(n, n, use_causal_mask=True)
    n = L.RMSNormalization()(x)
    gate = L.Dense(16, use_bias=False, activation="silu")(n) * L.Dense(16, use_bias=False)(n)
    return x + L.Dense(8, use_bias=False)(gate)


def rotary(x):
    angle = np.outer(np.arange(7), 1.0 / np.arange(1, 5)).astype("float32")
    a, b = x[..., :4], x[..., 4:]
    return ops.concatenate(
        [a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)], -1
    )


def by_hand(x):
    q, k, v = (L.Dense(8)(x) for _ in range(3))
    q, k, v = (ops.transpose(ops.reshape(t, (-1, 7, 2, 4)), (0, 2, 1, 3)) for t in (q, k, v))
    share = ops.softmax(ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) / 2.0, axis=-1)
    return L.Dense(8)(ops.reshape(ops.transpose(ops.matmul(share, v), (0, 2, 1, 3)), (-1, 7, 8)))


def classifier(x, mask_zero=True):
    y = L.Embedding(10, 8, mask_zero=mask_zero)(x)
    y = y + L.Embedding(7, 8)(np.arange(7)[None])
    return L.Dense(2, activation="softmax")(L.GlobalAveragePooling1D()(encoder(y)))


def masked_pooling(x):
    y = mha()(L.Embedding(10, 8, mask_zero=True)(x))
    return L.Dense(2)(L.GlobalAveragePooling1D()(y))


def pooled_by_attention(x):
    weight = L.Softmax(axis=1)(L.Dense(1)(L.Dense(4, activation="tanh")(x)))
    return L.Flatten()(L.Dot(axes=1)([weight, x]))


ROWS = [
    Row("several heads", lambda: chain(TOKENS, mha())),
    Row("several heads, values of another width", lambda: chain(TOKENS, mha(3, 4, value_dim=5))),
    Row("several heads without biases, other output", lambda: chain(TOKENS, mha(2, 4, use_bias=False, output_shape=6))),
    Row("several heads with dropout", lambda: chain(TOKENS, mha(2, 4, dropout=0.3))),
    Row("several heads, nothing looks ahead", lambda: chain(TOKENS, mha(call={"use_causal_mask": True}))),
    Row("several heads, any length, nothing looks ahead", lambda: chain((None, 8), mha(call={"use_causal_mask": True}))),
    Row("attention between two sequences", lambda: joined({"x": TOKENS, "memory": (5, 6)}, lambda x, memory: L.MultiHeadAttention(2, 4)(x, memory))),
    Row("attention with keys of their own", lambda: joined({"q": TOKENS, "v": (5, 6), "k": (5, 3)}, lambda q, v, k: L.MultiHeadAttention(2, 4)(q, v, k))),
    refused("attention_mask as a bool input", lambda: joined({"x": TOKENS, "mask": (7, 7)}, lambda x, mask: L.MultiHeadAttention(2, 4)(x, x, attention_mask=mask), {"mask": "bool"}), "input 'mask' .* holds bool; .* keras.ops.cast"),
    Row("attention_mask of whole numbers", lambda: joined({"x": TOKENS, "mask": (7, 7)}, lambda x, mask: L.MultiHeadAttention(2, 4)(x, x, attention_mask=mask, use_causal_mask=True), {"mask": "int32"}), high=2),
    Row("attention that hands out its shares", lambda: joined({"x": TOKENS}, lambda x: dict(zip(("y", "shares"), L.MultiHeadAttention(2, 4)(x, x, return_attention_scores=True), strict=True)))),
    Row("attention that skips padded words", lambda: chain(WORDS, L.Embedding(10, 8, mask_zero=True), mha(), dtype="int32")),
    Row("attention that skips padded words, with dropout", lambda: chain(WORDS, L.Embedding(10, 8, mask_zero=True), mha(dropout=0.1), dtype="int32")),
    Row("attention that skips padded words and looks back", lambda: chain(WORDS, L.Embedding(10, 8, mask_zero=True), mha(call={"use_causal_mask": True}), dtype="int32")),
    Row("attention over two axes", lambda: chain((3, 4, 8), lambda x: L.MultiHeadAttention(2, 4, attention_axes=(1, 2))(x, x)), "MultiHeadAttention"),
    Row("attention with a sliding window", lambda: chain(TOKENS, mha(sliding_window=2)), "MultiHeadAttention"),
    Row("grouped queries", lambda: chain(TOKENS, gqa())),
    Row("one head of keys", lambda: chain(TOKENS, gqa(groups=1, call={"use_causal_mask": True}))),
    Row("the layer Attention", lambda: joined({"x": TOKENS, "memory": (5, 8)}, lambda x, memory: L.Attention(use_scale=True)([x, memory])), "Attention"),
    Row("the layer AdditiveAttention", lambda: joined({"x": TOKENS, "memory": (5, 8)}, lambda x, memory: L.AdditiveAttention()([x, memory])), "AdditiveAttention"),
    Row("attention written by hand", lambda: chain(TOKENS, by_hand)),
    Row("pooling by attention, Dot", lambda: chain(TOKENS, pooled_by_attention)),
    Row("transformer encoder", lambda: chain(TOKENS, encoder)),
    Row("transformer encoder of any length", lambda: chain((None, 8), encoder)),
    Row("transformer encoder, normalised first (D28)", lambda: chain(TOKENS, pre_norm)),
    Row("transformer decoder", lambda: joined({"x": TOKENS, "memory": (5, 8)}, decoder)),
    Row("ViT with a class token", lambda: chain((8, 8, 3), vit), "ClassToken Positions"),
    Row("ViT of keras-io", lambda: chain((8, 12, 3), vit_of_keras_io), "Patches"),
    Row("MLP-Mixer block", lambda: chain(TOKENS, mixer)),
    Row("Swin windows", lambda: chain((8, 8, 4), windows)),
    Row("LLaMA block: RMS norm, SwiGLU, grouped queries", lambda: chain(TOKENS, llama)),
    Row("rotary places", lambda: chain(TOKENS, rotary)),
    Row("text classifier, transformer with padding", lambda: chain(WORDS, classifier, dtype="int32")),
    Row("text classifier without padding", lambda: chain(WORDS, lambda x: classifier(x, False), dtype="int32")),
    Row("masked attention, then the mean of the words", lambda: chain(WORDS, masked_pooling, dtype="int32")),
    Row("linear attention by einsum", lambda: chain(TOKENS, lambda x: ops.einsum("bth,bhd->btd", L.Dense(8)(x), ops.einsum("bth,btd->bhd", L.Dense(8, activation="elu")(x), x)) / 7.0), "Einsum"),
    Row("EinsumDense that splits heads", lambda: chain(TOKENS, L.EinsumDense("abc,cde->abde", (7, 2, 4), bias_axes="de", activation="relu"), L.EinsumDense("abde,dec->abc", (7, 8), bias_axes="c"))),
    Row("EinsumDense with an ellipsis", lambda: chain(TOKENS, L.EinsumDense("...x,xy->...y", 5, bias_axes="y"))),
    Row("EinsumDense over the steps", lambda: chain(TOKENS, L.EinsumDense("btc,ts->bsc", (5, 8)))),
]  # fmt: skip
