"""Rows of layers that prepare data inside the model: sizes, ranges, classes of numbers, and augmentation."""

import keras
import numpy as np
from helpers.layer_table.row import Row, chain, joined, refused
from keras import layers as L

IMAGE = (8, 10, 3)
BYTES = "uint8"
MODES = ("int", "one_hot", "multi_hot", "count")


def adapted(**more):
    layer = L.Normalization(**more)
    layer.adapt(np.random.default_rng(0).random((32, *IMAGE)) * 9 + 3)
    return layer


def augmented(x):
    for layer in (
        L.RandomFlip(), L.RandomRotation(0.1), L.RandomZoom(0.1), L.RandomTranslation(0.1, 0.1),
        L.RandomContrast(0.2), L.RandomBrightness(0.2), L.GaussianNoise(0.1), L.GaussianDropout(0.1),
    ):  # fmt: skip
        x = layer(x)
    return L.Conv2D(2, 3)(x)


def newer(x):
    for layer in (
        L.RandomHue(0.1), L.RandomSaturation(0.5), L.RandomSharpness(0.5), L.RandomGrayscale(0.5),
        L.RandomShear(0.1, 0.1), L.RandomErasing(), L.RandomPosterization(4), L.RandomInvert(),
        L.RandomColorJitter(brightness_factor=0.1), L.RandomPerspective(), L.RandomGaussianBlur(),
        L.RandAugment(), L.AugMix(), L.RandomCrop(8, 10),
    ):  # fmt: skip
        x = layer(x)
    return L.Conv2D(2, 3)(x)


ROWS = [
    Row("rescaling of floats", lambda: chain(IMAGE, L.Rescaling(1 / 255), L.Conv2D(2, 3))),
    Row("rescaling of bytes", lambda: chain(IMAGE, L.Rescaling(1 / 127.5, offset=-1), L.Conv2D(2, 3), dtype=BYTES), high=256),
    Row("normalisation, adapted", lambda: chain(IMAGE, adapted(), L.Conv2D(2, 3))),
    Row("normalisation of all values alike", lambda: chain(IMAGE, adapted(axis=None))),
    Row("normalisation of each pixel", lambda: chain(IMAGE, adapted(axis=(1, 2, 3))), "Normalization"),
    Row("normalisation of a table of numbers", lambda: chain((4,), L.Normalization(mean=[1.0, 2, 3, 4], variance=[1.0, 4, 9, 16]), L.Dense(3))),
    Row("resizing, bilinear", lambda: chain(IMAGE, L.Resizing(6, 5), L.Conv2D(2, 3))),
    Row("resizing, nearest", lambda: chain(IMAGE, L.Resizing(16, 5, interpolation="nearest"))),
    Row("resizing of any size", lambda: chain((None, None, 3), L.Resizing(6, 5))),
    Row("resizing, bicubic", lambda: chain(IMAGE, L.Resizing(6, 5, interpolation="bicubic"))),
    Row("resizing, lanczos", lambda: chain(IMAGE, L.Resizing(12, 5, interpolation="lanczos3"), L.Conv2D(2, 3))),
    Row("resizing, smoothed before", lambda: chain(IMAGE, L.Resizing(4, 15, antialias=True))),
    Row("resizing of bytes", lambda: chain(IMAGE, L.Resizing(6, 5), L.Rescaling(1 / 255), dtype=BYTES), high=256),
    Row("bytes that are augmented, padded, cut and enlarged", lambda: chain(IMAGE, L.RandomFlip(), L.ZeroPadding2D(2), L.Cropping2D(1), L.UpSampling2D(2), L.Rescaling(1 / 255), dtype=BYTES), high=256),
    Row("pooled bytes", lambda: chain(IMAGE, L.MaxPooling2D(2), L.Rescaling(1 / 255), dtype=BYTES), "MaxPooling2D", high=256),
    refused("resizing of any size, bicubic", lambda: chain((None, None, 3), L.Resizing(6, 5, interpolation="bicubic")), "'bicubic' at any size.*Give the input of the model a size"),
    Row("the function resize", lambda: joined({"x": IMAGE}, lambda x: {k: keras.ops.image.resize(x, (9, 7), k) for k in ("nearest", "bilinear", "bicubic")})),
    Row("resizing that keeps the aspect", lambda: chain(IMAGE, L.Resizing(6, 6, crop_to_aspect_ratio=True)), "Resizing"),
    Row("resizing by area", lambda: chain(IMAGE, L.Resizing(3, 4, interpolation="area"))),
    Row("centre crop", lambda: chain(IMAGE, L.CenterCrop(5, 6), L.Conv2D(2, 3))),
    Row("augmentation predicts nothing", lambda: chain(IMAGE, augmented)),
    Row("newer augmentation predicts nothing", lambda: chain(IMAGE, newer), low=0.0),
    refused("random crop of larger images", lambda: chain(IMAGE, L.RandomCrop(4, 4), L.Conv2D(2, 3)), "says that it gives .*predicts"),
    Row("solarise", lambda: chain(IMAGE, L.Solarization(0.5, value_range=(0, 1))), "Solarization", low=0.0),
    Row("classes as vectors", lambda: chain((4,), L.CategoryEncoding(10, output_mode="multi_hot"), L.Dense(3), dtype="int32"), "CategoryEncoding"),
    Row("one class as a vector", lambda: chain((1,), L.CategoryEncoding(10, output_mode="one_hot"), L.Dense(3), dtype="int32"), "CategoryEncoding"),
    Row("whole numbers into a dense layer", lambda: chain((4,), lambda x: L.Dense(3)(keras.ops.cast(x, "float32")), dtype="int32")),
    Row("numbers sorted into bins", lambda: joined({"x": (4,)}, lambda x: {k: L.Discretization([-0.5, 0.0, 0.5], output_mode=k)(x) for k in MODES})),
    Row("one number sorted into a bin", lambda: chain((1,), L.Discretization([-0.5, 0.0, 0.5], output_mode="one_hot"), L.Dense(2))),
    refused("hashed words", lambda: chain((1,), L.Hashing(4), dtype="string"), "holds string"),
    refused("words looked up", lambda: chain((1,), L.StringLookup(vocabulary=["a", "b"]), dtype="string"), "holds string"),
    refused("text split into words", lambda: chain((1,), L.TextVectorization(vocabulary=["a", "b"], output_sequence_length=4), dtype="string"), "holds string"),
    Row("numbers looked up", lambda: chain((3,), L.IntegerLookup(vocabulary=[3, 5, 4]), L.Embedding(4, 3), dtype="int64")),
    Row("numbers looked up, a mask among them", lambda: chain((3,), L.IntegerLookup(vocabulary=[3, 5, 4], mask_token=0), dtype="int32")),
    Row("numbers looked up, as vectors", lambda: chain((1,), L.IntegerLookup(vocabulary=[3, 5], output_mode="one_hot"), L.Dense(2), dtype="int64")),
    Row("numbers counted", lambda: chain((4,), L.IntegerLookup(vocabulary=[3, 5], output_mode="count"), L.Dense(2), dtype="int64")),
    refused("numbers looked up with several places for unknown ones", lambda: chain((1,), L.IntegerLookup(vocabulary=[3, 5], num_oov_indices=2), dtype="int64"), r"num_oov_indices=2.*one place for all unknown numbers"),
    Row("spectrogram", lambda: chain((256, 1), L.STFTSpectrogram(frame_length=32, frame_step=16)), "STFTSpectrogram"),
]  # fmt: skip
