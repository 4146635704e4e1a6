"""Classes in colour over images: half of the image shows through, the background stays, colours repeat."""

import numpy as np
from dimaging_edge.common.class_colours import COLOURS, classes_over


def test_classes_lie_in_colour_over_one_image() -> None:
    image = np.full((1, 3, 1), 0.4, np.float32)
    expected = [[0.4] * 3, *(0.2 + 0.5 * np.array(COLOURS[k]) / 255 for k in (0, 1))]
    found = classes_over(image, np.arange(3)[None])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], expected, rtol=1e-6)


def test_classes_colour_many_images_and_the_background_does_not() -> None:
    image = np.full((1, 2, 2, 1), 0.4)
    found = classes_over(image, np.array([[[0, 1], [2, 7]]]))
    assert found.shape == (1, 2, 2, 3)
    np.testing.assert_allclose(found[0, 0, 0], 0.4)
    np.testing.assert_allclose(found[0, 0, 1], 0.2 + 0.5 * np.array(COLOURS[0]) / 255, rtol=1e-6)
    np.testing.assert_allclose(found[0, 1, 1], found[0, 0, 1])  # the colours repeat


def test_colours_of_an_image_show_through() -> None:
    image = np.random.default_rng(0).random((2, 2, 3), np.float32)
    found = classes_over(image, np.array([[0, 1], [0, 0]]))
    np.testing.assert_array_equal(found[1], image[1])
    np.testing.assert_allclose(
        found[0, 1], 0.5 * image[0, 1] + 0.5 * np.array(COLOURS[0]) / 255, rtol=1e-6
    )
