"""The pinhole camera against known answers, and its way back against the transpose."""

import numpy as np
import pytest
from dimaging_edge.common.camera import Camera, blur_matrix, resize_matrix
from dimaging_edge.common.projection import FOCAL, Pose, Projection

RNG = np.random.default_rng(0)
QUIET = {
    "electrons": 0.0,
    "read_noise": 0.0,
    "blur": 0.0,
    "exposure": (1.0, 1.0),
    "shift": 0.0,
    "pitch": 0.0,
    "roll": 0.0,
}


def on_sensor(pose, x, y):
    point = pose.homography() @ (x, y, 1)
    return point[:2] / point[2]


def test_from_the_front_the_image_is_itself():
    image = RNG.random((2, 9, 7, 3), np.float32)
    np.testing.assert_allclose(Projection(Pose(), (9, 7), (9, 7), 1).apply(image), image, atol=1e-6)


def yawed(x):
    """A point of the upright middle line of a plate turned by 60 degrees: similar triangles."""
    return FOCAL * x * np.cos(np.pi / 3) / (FOCAL - x * np.sin(np.pi / 3))


POINTS = {
    "twice as far": (Pose(distance=2), (1, -1), (0.5, -0.5)),
    "zoomed back": (Pose(distance=2, zoom=2), (1, -1), (1, -1)),
    "half a turn": (Pose(roll=180), (0.3, 0.6), (-0.3, -0.6)),
    "a quarter": (Pose(roll=90), (1, 0), (0, 1)),
    "shifted": (Pose(right=0.25, down=-0.5), (0, 0), (0.25, -0.5)),
    "yaw, near edge": (Pose(yaw=60), (1, 0), (yawed(1), 0)),
    "yaw, far edge": (Pose(yaw=60), (-1, 0), (yawed(-1), 0)),
    "pitch": (
        Pose(pitch=60),
        (0, -1),
        (0, yawed(-1) * (FOCAL + np.sin(np.pi / 3)) / (FOCAL - np.sin(np.pi / 3))),
    ),
}


@pytest.mark.parametrize("case", POINTS)
def test_points_of_the_plate(case):
    pose, point, expected = POINTS[case]
    np.testing.assert_allclose(on_sensor(pose, *point), expected, atol=1e-12)


def test_at_twice_the_distance_four_pixels_are_averaged():
    image = RNG.random((1, 8, 8, 1), np.float32)
    seen = Projection(Pose(distance=2), (8, 8), (8, 8), 2).apply(image, background=0.0)[0, ..., 0]
    mean = image[0, ..., 0].reshape(4, 2, 4, 2).mean((1, 3))
    np.testing.assert_allclose(seen[2:6, 2:6], mean, atol=1e-6)
    assert not seen[:2].any()
    assert not seen[:, 6:].any()


def test_a_grey_plate_stays_grey_and_the_rest_is_background():
    projection = Projection(Pose(distance=1.5, yaw=35, pitch=10, roll=20), (16, 16), (24, 24))
    seen = projection.apply(np.full((1, 16, 16, 3), 0.25, np.float32), background=0.75)[0]
    np.testing.assert_allclose(
        seen, 0.75 - 0.5 * projection.cover[..., None].repeat(3, 2), atol=1e-6
    )
    assert projection.cover.max() <= 1 + 1e-6
    area = projection.cover.sum() / 24**2
    assert 0.2 < area < 1 / 1.5**2


POSES = [Pose(), Pose(2.5, 40, -10, 30, 0.1, -0.2), Pose(0.6, -60, 20, 5), Pose(3, 10, zoom=3)]


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("sensor", [(8, 8), (5, 11)])
def test_the_way_back_is_the_transpose(pose, sensor):
    projection = Projection(pose, (9, 6), sensor)
    x, g = RNG.normal(size=(2, 9, 6, 3)), RNG.normal(size=(2, *sensor, 3))
    there, back = projection.apply(x), projection.back(g)
    assert np.vdot(there, g) == pytest.approx(np.vdot(x, back), rel=1e-5, abs=1e-6)


def test_a_camera_without_faults_shows_what_is_there():
    image = RNG.integers(0, 256, (2, 16, 16, 3)).astype(np.float32) / 255
    shot = Camera(16, **QUIET).at(1.0, 0.0)(np.random.default_rng(1))
    np.testing.assert_allclose(shot.apply(image), image, atol=1e-6)


@pytest.mark.parametrize(
    ("colour", "channels", "step", "levels"), [(0.0, 1, 0.2, 0.05), (2.0, 3, 0.1, 0.2)]
)
def test_the_gradient_of_a_quiet_camera_is_its_transpose(colour, channels, step, levels):
    """levels: what rounding to 8 bits may change of the product."""
    camera = Camera(12, colour=colour, exposure=(0.7, 0.7), electrons=0, read_noise=0, blur=0.8)
    shot = camera(np.random.default_rng(5))
    x = RNG.uniform(0.3, 0.6, (1, 12, 12, channels)).astype(np.float32)
    g, d = (RNG.normal(size=x.shape).astype(np.float32) for _ in range(2))
    slope = (shot.apply(x + step * d).astype(float) - shot.apply(x - step * d)) / (2 * step)
    assert np.vdot(slope, g) == pytest.approx(np.vdot(d, shot.back(g)), abs=levels)


def test_noise_has_the_variance_of_its_electrons():
    camera = Camera(64, **{**QUIET, "electrons": 500.0, "read_noise": 0.02})
    seen = camera.at(1.0, 0.0)(np.random.default_rng(2)).apply(
        np.full((8, 64, 64, 1), 0.5, np.float32)
    )
    assert seen.mean() == pytest.approx(0.5, abs=1e-3)
    assert seen.var() == pytest.approx(0.5 / 500 + 0.02**2 + 1 / 255**2 / 12, rel=0.05)
    np.testing.assert_allclose(seen * 255, np.rint(seen * 255), atol=1e-4)


def test_a_shot_is_the_same_each_time_and_another_seed_gives_another():
    x = RNG.random((1, 16, 16, 3), np.float32)
    shots = [Camera(16)(np.random.default_rng(seed)) for seed in (3, 3, 4)]
    seen = [shot.apply(x) for shot in (shots[0], *shots)]
    np.testing.assert_array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(seen[1], seen[2])
    assert np.abs(seen[3] - seen[2]).max() > 0.01


def test_the_codec_stands_behind_the_sensor():
    asked = []

    def codec(images, quality):
        asked.append((images.shape, quality))
        return 1 - images

    shot = Camera(16, codec=codec, quality=(30, 30), **QUIET).at(2.0, 0.0)(np.random.default_rng(0))
    seen = shot.apply(np.full((3, 16, 16, 3), 0.2, np.float32))
    assert asked == [((3, 8, 8, 3), 30)]
    np.testing.assert_allclose(seen, 0.8, atol=1e-6)


def test_gradients_go_back_through_the_codec_by_its_own_way():
    """The codec turns the picture over and its way back is asked for the picture it was given."""
    asked = []

    def back(images, gradient, quality):
        asked.append((images.copy(), quality))
        return -gradient

    camera = Camera(
        16, codec=lambda x, quality: 1 - x, codec_back=back, quality=(30, 30), **QUIET
    ).at(1.0, 0.0)
    image = np.full((2, 16, 16, 3), 0.2, np.float32)
    gradient = RNG.normal(size=image.shape).astype(np.float32)
    view = camera(np.random.default_rng(0))
    view.apply(image)
    np.testing.assert_allclose(view.back(gradient), -gradient, atol=1e-5)
    np.testing.assert_allclose(asked[0][0], image, atol=1e-6)
    assert asked[0][1] == 30


def test_colour_is_blurred_and_brightness_is_not():
    """Stripes of one pixel: grey ones stay, coloured ones of the same brightness vanish, and so back."""
    stripes = (np.arange(16) % 2 * 2 - 1.0)[None, None, :, None] * np.ones((1, 16, 1, 1))
    colour = np.array([1.0, -0.299 / 0.587, 0.0])  # of no brightness
    camera = Camera(16, colour=50.0, **QUIET).at(1.0, 0.0)
    view = camera(np.random.default_rng(1))
    for tint, left in ((np.ones(3), 1.0), (colour, 0.0)):
        pattern = (0.2 * stripes * tint).astype(np.float32)
        np.testing.assert_allclose(view.apply(0.5 + pattern) - 0.5, left * pattern, atol=0.01)


def test_a_camera_without_blurred_colour_takes_the_pictures_that_it_always_took():
    """Known values: setting nothing changes nothing that was measured before there was a setting."""
    x = np.linspace(0, 1, 12 * 12 * 3, dtype=np.float32).reshape(1, 12, 12, 3)
    seen = Camera(12)(np.random.default_rng(3)).apply(x)
    np.testing.assert_allclose(seen[0, 5, ::4, 1], [0.3313726, 0.3910131, 0.4277778], atol=1e-6)


@pytest.mark.parametrize(("before", "after"), [(8, 4), (4, 8), (7, 5), (6, 6), (1, 3)])
def test_resampling_keeps_constants_and_straight_lines(before, after):
    matrix = resize_matrix(before, after)
    np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-6)
    line = matrix @ np.arange(before)
    inner = slice(before // 4 + 2, -(before // 4) - 2)
    np.testing.assert_allclose(np.diff(line)[inner], before / after, atol=1e-5)


def test_a_blur_of_no_width_is_none():
    np.testing.assert_array_equal(blur_matrix(5, 0.0), np.eye(5))
    np.testing.assert_allclose(blur_matrix(9, 1.0)[4].sum(), 1, atol=1e-6)
