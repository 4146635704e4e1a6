"""The network of Ronneberger et al. 2015, figure 1, number by number."""

import numpy as np
import pytest
from keras import layers

from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.errors import DataError
from dimaging_tf.layers.padding import CropLike, PadToMultiple
from dimaging_tf.models.unet import Config, UNet, build_unet, padded
from dimaging_tf.training.segmentation import SegmentationLoss

# Blue boxes of the figure, left to right: layer -> (height = width, channels).
FIGURE = {
    "image": (572, 1), "down0a": (570, 64), "down0b": (568, 64), "pool0": (284, 64),
    "down1a": (282, 128), "down1b": (280, 128), "pool1": (140, 128),
    "down2a": (138, 256), "down2b": (136, 256), "pool2": (68, 256),
    "down3a": (66, 512), "down3b": (64, 512), "pool3": (32, 512),
    "bottoma": (30, 1024), "bottomb": (28, 1024),
    "up3": (56, 512), "copy3": (56, 1024), "merge3a": (54, 512), "merge3b": (52, 512),
    "up2": (104, 256), "copy2": (104, 512), "merge2a": (102, 256), "merge2b": (100, 256),
    "up1": (200, 128), "copy1": (200, 256), "merge1a": (198, 128), "merge1b": (196, 128),
    "up0": (392, 64), "copy0": (392, 128), "merge0a": (390, 64), "merge0b": (388, 64),
    "head": (388, 2),
}  # fmt: skip


@pytest.fixture(scope="module")
def paper():
    return build_unet(Config())


@pytest.mark.parametrize(("name", "size"), FIGURE.items(), ids=list(FIGURE))
def test_every_size_of_the_figure(paper, name, size):
    side, channels = size
    assert paper.get_layer(name).output.shape == (None, side, side, channels)


def test_parameter_count_derived_by_hand(paper):
    def conv3(inputs, outputs):
        return 9 * inputs * outputs + outputs

    widths = [64, 128, 256, 512, 1024]
    down = sum(conv3(i, o) + conv3(o, o) for i, o in zip([1, *widths], widths, strict=False))
    up = sum(
        (4 * 2 * o * o + o) + conv3(2 * o, o) + conv3(o, o)  # up-conv 2x2, merge, second conv
        for o in widths[:-1]
    )
    assert paper.count_params() == down + up + (64 * 2 + 2) == 31_030_658


def test_23_convolutional_layers(paper):
    """The paper counts the up-convolutions: "In total the network has 23 convolutional layers"."""
    assert sum("Conv2D" in type(layer).__name__ for layer in paper.layers) == 23


def test_a_normalised_network_has_a_norm_after_each_convolution():
    settings = {"depth": 1, "width": 4}
    network, bare = (build_unet(padded(**settings, normalise=n)) for n in (True, False))
    names = [f"{part}{letter}" for part in ("down0", "bottom", "merge0") for letter in "ab"]
    norms = [layer for layer in network.layers if isinstance(layer, layers.BatchNormalization)]
    assert [norm.name for norm in norms] == [f"{name}_norm" for name in names]
    assert not any(isinstance(layer, layers.BatchNormalization) for layer in bare.layers)
    for name in names:
        assert not network.get_layer(name).use_bias
        assert bare.get_layer(name).use_bias
    image = np.random.default_rng(0).random((2, 8, 8, 1), np.float32)
    first = np.asarray(network.get_layer("down0a")(image))
    network(image, training=True)
    moved = norms[0].moving_mean
    np.testing.assert_allclose(moved, 0.02 * first.mean((0, 1, 2)), rtol=1e-4, atol=1e-7)
    # With the means and variances of the batch, a map is of mean 0 and deviation 1 before the ReLU.
    shown = np.asarray(norms[0](first, training=True))
    np.testing.assert_allclose(shown.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(shown.std((0, 1, 2)), 1, rtol=0.05)


def test_valid_mask_is_the_centre_that_the_output_covers():
    model = UNet(Config((44, 44, 1), depth=2, width=2))
    ramp = np.arange(44 * 44).reshape(1, 44, 44)
    assert model.output_crop(ramp).shape == (1, 4, 4)
    assert model.output_crop(ramp)[0, 0, 0] == 20 * 44 + 20
    assert model(np.zeros((1, 44, 44, 1), np.float32)).shape == (1, 4, 4, 2)


@pytest.mark.parametrize("size", [(1, 1), (7, 13), (16, 16), (33, 18)])
def test_padded_takes_any_size(size):
    model = UNet(padded(depth=2, width=2, stem=2))
    assert model(np.zeros((1, *size, 1), np.float32)).shape == (1, *size, 2)


def masked(*values, label=True):
    """A Dataset of two images whose masks hold these values."""
    image = np.zeros((2, 4, 4, 1), np.uint8)
    mask = np.resize(np.array(values, np.int32), (2, 4, 4))
    split = Split(image, mask if label else None)
    return Dataset("mine", split, split, licence="", source="", summary="")


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        (masked(0, 255), "the masks of mine hold 0, 255; expected 0..1. Save the classes as 0, 1"),
        (
            masked(0, 255),
            "or --set outputs=256; white is 255 here: save (mask > 127).astype('uint8')",
        ),
        (masked(-1, 1), "the masks of mine hold -1, 1; expected 0..1"),
        (masked(*range(7)), "the masks of mine hold 0, 1, 2, 3, 4, ...; expected 0..1"),
        (masked(0, label=False), "mine has no masks. Put NAME_mask.png beside each NAME.png"),
    ],
)
def test_masks_that_are_no_classes_are_refused(dataset, words):
    with pytest.raises(DataError) as error:
        UNet(padded(depth=1, width=2)).check_data(dataset)
    assert words in str(error.value)


def test_other_masks_and_regression_pass():
    UNet(padded(depth=1, width=2)).check_data(masked(0, 1))
    UNet(padded(depth=1, width=2, outputs=1, head="regression")).check_data(masked(0, label=False))


def test_padding_repeats_the_edge_and_is_cropped_back():
    image = np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1)
    wide = PadToMultiple(4)(image)
    np.testing.assert_array_equal(
        wide[0, ..., 0], np.pad(image[0, ..., 0], ((0, 2), (0, 1)), "edge")
    )
    np.testing.assert_array_equal(CropLike()(wide, image), image)
    with pytest.raises(ValueError, match="multiple must be at least 1. Received: 0"):
        PadToMultiple(0)


@pytest.mark.parametrize(
    ("kind", "weights", "expected"),
    [
        ("cross-entropy", (), np.log(2)),  # logits of a fair coin
        (
            "cross-entropy",
            (1.0, 3.0),
            np.log(2) * (3 * 1 + 1 * 3) / 4,
        ),  # one pixel of four is of class 1
        # p = 1/2 everywhere: 2 * 1.5 + 1 over 2 + 3 + 1 for class 0, 2 * 0.5 + 1 over 2 + 1 + 1 for class 1.
        ("dice", (), 1 - (4 / 6 + 2 / 4) / 2),
        ("both", (), np.log(2) + 1 - (4 / 6 + 2 / 4) / 2),
    ],
)
def test_the_losses_of_a_segmentation_by_hand(kind, weights, expected):
    mask = np.array([[[0, 0], [0, 1]]], np.int32)
    found = SegmentationLoss(kind, weights)(mask, np.zeros((1, 2, 2, 2), np.float32))
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_a_perfect_mask_has_no_dice_loss_left():
    mask = np.array([[[0, 0], [0, 1]]], np.int32)
    logits = 50.0 * (np.eye(2, dtype=np.float32)[mask] - 0.5)
    assert float(SegmentationLoss("dice")(mask, logits)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"loss": "focal"}, "loss must be one of cross-entropy, dice, both. Received: 'focal'"),
        ({"class_weights": (1.0,)}, "class_weights must be one for each of the 2 classes"),
        ({"class_weights": (1.0, -1.0)}, "class_weights must be 0 or more"),
    ],
)
def test_a_wrong_loss_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        padded(**changes)


def test_a_segmentation_loss_comes_back_from_its_config():
    loss = SegmentationLoss("both", (1.0, 2.0))
    again = SegmentationLoss.from_config(loss.get_config())
    assert (again.kind, again.weights) == ("both", (1.0, 2.0))
