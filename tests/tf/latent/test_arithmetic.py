"""Arithmetic on codes: known answers where the decoder is a matrix, and the words of each error."""

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

from dimaging_tf.commands import app as cli
from dimaging_tf.commands import latent_pictures
from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.errors import DataError, UserError
from dimaging_tf.latent import arithmetic
from dimaging_tf.latent.faces import glasses_vector
from dimaging_tf.latent.space import check_code, invert, open_space
from dimaging_tf.models.autoencoder import Autoencoder
from dimaging_tf.models.autoencoder import Config as AutoencoderConfig
from dimaging_tf.models.dcgan import DCGAN
from dimaging_tf.models.dcgan import Config as DCGANConfig
from dimaging_tf.models.denoiser import Config as DenoiserConfig
from dimaging_tf.models.denoiser import Denoiser
from dimaging_tf.models.gan import GAN
from dimaging_tf.models.gan import Config as GANConfig
from dimaging_tf.models.vae import VAE, Config

RNG = np.random.default_rng(0)
E = np.eye(3)


# ---- vectors -------------------------------------------------------------------------------------


def test_the_vector_is_the_mean_difference():
    code = np.array([[1.0, 0], [3, 0], [0, 5], [0, 7]])
    np.testing.assert_allclose(arithmetic.attribute_vector(code, np.array([1, 1, 0, 0])), [2, -6])


def test_groups_count_once_on_each_side():
    code = np.array([[9.0], [1], [1], [1], [0], [4]])
    has, person = np.array([1, 1, 1, 1, 0, 0]), np.array([0, 1, 1, 1, 0, 1])
    assert arithmetic.attribute_vector(code, has) == pytest.approx(12 / 4 - 2)
    assert arithmetic.attribute_vector(code, has, person) == pytest.approx((9 + 1) / 2 - 2)


def test_an_attribute_that_is_added_to_the_codes_is_found():
    true, base = RNG.normal(size=16), RNG.normal(size=(4000, 16))
    has = RNG.random(4000) < 0.4
    found = arithmetic.attribute_vector(base + has[:, None] * true, has)
    assert found @ true / np.linalg.norm(found) / np.linalg.norm(true) > 0.99


def test_glasses_from_averaged_exemplars():
    """(man with glasses) - (man) + (woman) = woman with glasses, when each has noise of its own."""
    man, woman, glasses = E
    noise = RNG.normal(0, 0.1, (3, 30, 3))
    terms = [man + glasses + noise[0], woman + noise[1]], [man + noise[2]]
    np.testing.assert_allclose(arithmetic.analogy(*terms), woman + glasses, atol=0.1)
    np.testing.assert_allclose(arithmetic.analogy([E[0]]), E[0])


@pytest.mark.parametrize("size", [2, 64])
def test_a_random_vector_is_as_long(size):
    vector = RNG.normal(size=size)
    drawn = arithmetic.random_like(vector, 3)
    assert np.linalg.norm(drawn) == pytest.approx(np.linalg.norm(vector))
    np.testing.assert_array_equal(drawn, arithmetic.random_like(vector, 3))
    assert not np.allclose(drawn, arithmetic.random_like(vector, 4))


# ---- between codes -------------------------------------------------------------------------------

WAYS = [
    # way, start, end, the middle of 3 steps
    (arithmetic.linear, E[0], E[1], (E[0] + E[1]) / 2),
    (arithmetic.spherical, E[0], E[1], (E[0] + E[1]) / np.sqrt(2)),
    (arithmetic.spherical, 2 * E[0], 4 * E[1], 3 * (E[0] + E[1]) / np.sqrt(2)),
    (arithmetic.spherical, E[0], 3 * E[0], 2 * E[0]),
    (arithmetic.spherical, 0 * E[0], E[1], E[1] / 2),
    (arithmetic.linear, E[0], -E[0], 0 * E[0]),
]


@pytest.mark.parametrize(("way", "start", "end", "middle"), WAYS)
def test_interpolation(way, start, end, middle):
    found = way(start, end, 3)
    np.testing.assert_allclose(found, [start, middle, end], atol=1e-12)


def test_the_arc_keeps_the_length_that_the_line_loses():
    start, end = (x / np.linalg.norm(x) for x in RNG.normal(size=(2, 50)))
    assert np.linalg.norm(arithmetic.spherical(start, end, 9), axis=1) == pytest.approx(1)
    assert np.linalg.norm(arithmetic.linear(start, end, 9), axis=1).min() < 0.9


def test_a_traversal_moves_one_latent():
    found = arithmetic.traversal(np.array([1.0, 2, 3]), 1, [-1, 0, 5])
    np.testing.assert_array_equal(found, [[1, -1, 3], [1, 0, 3], [1, 5, 3]])


# ---- grids ---------------------------------------------------------------------------------------

MIX = RNG.normal(size=(3, 4))


def decode(code):
    """Linear, [N, 3] -> [N, 2, 2, 1]."""
    return (np.asarray(code) @ MIX).reshape(-1, 2, 2, 1)


def test_the_strongest_latents_come_first():
    gains = np.diag([1.0, 5, 0, 3])
    ranked = arithmetic.strongest(lambda z: (z @ gains).reshape(-1, 2, 2, 1), np.ones(4), 3)
    assert ranked == [1, 3, 0]


@pytest.mark.parametrize(
    ("cells", "shape", "place", "code"),
    [
        (lambda: arithmetic.attribute_grid(decode, E[:2], E[2], [0, 1.5]), (2, 2), (1, 0), E[0] + 1.5 * E[2]),
        (lambda: arithmetic.interpolation_grid(decode, E[0], E[1], 5), (2, 5), (0, 4), E[1]),
        (lambda: arithmetic.traversal_grid(decode, E[0], [2, 1], [-1, 0, 4]), (2, 3), (1, 2), E[0] + 4 * E[1]),
    ],
    ids=["attribute", "interpolation", "traversal"],
)  # fmt: skip
def test_grids(cells, shape, place, code):
    found = cells()
    assert found.shape == (*shape, 2, 2, 1)
    np.testing.assert_allclose(found[place], decode(code[None])[0])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: arithmetic.attribute_vector(E, np.zeros(3)), "received 3 codes, none with it"),
        (lambda: arithmetic.attribute_vector(E, np.ones(3)), "received 3 codes, none without it"),
        (lambda: arithmetic.attribute_vector(E, np.ones(2)), "received [3, 3] and [2]"),
        (lambda: arithmetic.analogy([]), "at least one code to add"),
        (lambda: arithmetic.analogy([E[0]], [np.ones(4)]), "equally long; received [3, 4]"),
        (lambda: arithmetic.linear(E[0], E[1], 1), "at least 2 steps, its ends; received 1"),
        (lambda: arithmetic.spherical(E[0], -E[0], 3), "opposite"),
        (lambda: arithmetic.traversal(E[0], 3, [0]), "latents 0 to 2; received 3"),
        (lambda: check_code(E, 40), "codes of this model are [N, 40]; received [3, 3]"),
        (lambda: check_code(E[0], 3), "[N, 3]; received [3]"),
    ],
)
def test_errors_of_codes(call, words):
    with pytest.raises(DataError) as error:
        call()
    assert words in str(error.value)


# ---- models --------------------------------------------------------------------------------------

SHAPE = (8, 8, 1)
IMAGE = RNG.random((3, *SHAPE), np.float32)
MODELS = {
    "vae": lambda: VAE(Config(SHAPE, 5, (8,))),
    "convolutional": lambda: VAE(Config(SHAPE, 5, (), "gaussian", channels=(4, 4))),
    "autoencoder": lambda: Autoencoder(AutoencoderConfig(SHAPE, 5)),
    "gan": lambda: GAN(GANConfig(shape=SHAPE, latent_dim=5, g_hidden=(8,), d_hidden=(8,))),
}


@pytest.fixture(scope="module")
def spaces():
    keras.utils.set_random_seed(0)
    return {name: open_space(make()) for name, make in MODELS.items()}


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_a_space(spaces, name):
    space = spaces[name]
    assert space.has_encoder == (name != "gan")
    code = space.encode(IMAGE)
    assert code.shape == (3, space.size) == (3, 5)
    found = space.decode(code)
    assert found.shape == IMAGE.shape
    assert 0 <= found.min() <= found.max() <= 1
    np.testing.assert_array_equal(space.draw(2), space.draw(9)[:2])
    with pytest.raises(DataError, match=r"\[N, 5\]; received \[3, 6\]"):
        space.decode(np.zeros((3, 6)))


def test_a_draw_is_the_models_own_sample():
    model = MODELS["vae"]()
    space = open_space(model)
    np.testing.assert_allclose(space.decode(space.draw(4, 7)), model.sample(4, seed=7), atol=1e-6)


def test_inversion_finds_the_code_of_a_generated_picture(spaces):
    space = spaces["vae"]
    wide = 4 * np.linalg.qr(RNG.normal(size=(64, 5)))[0].T.astype(np.float32)

    def generate(z):
        return keras.ops.reshape(keras.ops.sigmoid(z @ wide), (-1, *SHAPE))

    true = space.draw(3, 1)
    found, error = invert(generate, 5, np.asarray(generate(true)), prior=0)
    np.testing.assert_allclose(found, true, atol=0.02)
    assert error.max() < 1e-4


def test_a_dcgan_finds_its_own_pictures_again_and_no_others():
    keras.utils.set_random_seed(3)
    model = DCGAN(DCGANConfig(shape=SHAPE, latent_dim=5, width=8, d_hidden=0))
    for network in (model.generator, model.average):  # as contrasty as a trained one
        network.set_weights([3 * w if w.ndim > 1 else w for w in network.get_weights()])
    space = open_space(model)
    own = space.decode(space.draw(3, 1))
    error = [((space.decode(space.encode(x)) - x) ** 2).mean() for x in (own, IMAGE)]
    assert own.std() > 0.1
    assert error[0] < 1e-4
    assert error[1] > 1e-2


def test_an_inverted_image_does_not_depend_on_its_neighbours(spaces):
    encode = spaces["gan"].encode
    np.testing.assert_allclose(encode(IMAGE)[:1], encode(IMAGE[:1]), atol=1e-3)


def test_a_conditional_generator_asks_for_its_class():
    config = GANConfig(shape=SHAPE, latent_dim=5, classes=3, g_hidden=(8,), d_hidden=(8,))
    model = GAN(config)
    space = open_space(model, label=2)
    z = space.draw(2)
    expected = model.run("generator", z=z, label=np.eye(3, dtype=np.float32)[[2, 2]])["image"]
    np.testing.assert_allclose(space.decode(z), expected, atol=1e-6)
    for label in (None, 3):
        with pytest.raises(DataError, match="one of 3 classes; expected a label from 0 to 2"):
            open_space(model, label)


def test_a_model_without_codes_is_refused():
    with pytest.raises(
        DataError, match="a graph called decoder or generator; this model has denoiser"
    ):
        open_space(Denoiser(DenoiserConfig(depth=1, width=4)))


# ---- the command ---------------------------------------------------------------------------------


def dataset(name="digits", label=(0, 1, 2, 1)):
    label = None if label is None else np.array(label, np.int32)
    split = Split(RNG.random((4, *SHAPE), np.float32), label)
    return Dataset(name, split, split, "", "", "")


@pytest.mark.parametrize(
    ("name", "attribute", "expected"),
    [("digits", "1", [0, 1, 0, 1]), ("olivetti", "glasses", [0, 1, 0, 1]), ("faces", "0", [1, 0, 0, 0])],
)  # fmt: skip
def test_who_has_an_attribute(name, attribute, expected):
    found = latent_pictures.has_attribute(dataset(name), attribute)
    np.testing.assert_array_equal(found, np.array(expected, bool))


@pytest.mark.parametrize("name", ["vae", "gan"])
def test_an_attribute_is_put_on_and_taken_off(spaces, name):
    cells, rows = latent_pictures.edit_attribute(spaces[name], dataset(), "1", 1.5, 0)
    assert rows[:3] == ("without 1", "reconstructed", "+ 1.5 x 1")
    assert rows[3:] == ("with 1", "reconstructed", "- 1.5 x 1")
    assert cells.shape == (6, 8, *SHAPE)
    np.testing.assert_array_equal(cells[:, 2:], 1)  # two images on each side
    assert not np.allclose(cells[1, 0], cells[2, 0])


def test_glasses_are_put_on_by_the_vector_of_aligned_faces(spaces):
    space, faces = spaces["vae"], dataset("olivetti")
    has = faces.train.label == 1
    code = space.encode(faces.valid.x[~has])
    expected = space.decode(code + 1.5 * glasses_vector(space, faces.train.x, has))
    cells, _ = latent_pictures.edit_attribute(space, faces, "glasses", 1.5, 0)
    np.testing.assert_allclose(cells[2, :2], expected, atol=1e-6)


@pytest.mark.parametrize(("name", "rows"), [("vae", 2), ("gan", 4)])
def test_what_is_reconstructed_and_how_well(spaces, name, rows):
    said = []
    cells, names = latent_pictures.show_reconstructions(spaces[name], dataset(), 3, said.append)
    assert cells.shape == (rows, 3, *SHAPE)
    assert names == ("digits", "reconstructed", "its own pictures", "reconstructed")[:rows]
    assert said[0].startswith("images of digits: PSNR ")
    assert [line.split(":")[0] for line in said[1:]] == ["its own pictures"][: rows // 2 - 1]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("3", [("+", [3])]),
        ("3,7 - 1 + 20,21", [("+", [3, 7]), ("-", [1]), ("+", [20, 21])]),
        ("1-2-3", [("+", [1]), ("-", [2]), ("-", [3])]),
    ],
)
def test_parse_analogy(text, terms):
    assert latent_pictures.parse_analogy(text, 22) == terms


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: latent_pictures.edit_attribute(s, dataset(), "7", 1, 0), "none of the 4 training images of digits has 7"),
        (lambda s: latent_pictures.edit_attribute(s, dataset(label=[1] * 4), "1", 1, 0), "every one of the 4 training images"),
        (lambda s: latent_pictures.has_attribute(dataset(label=None), "1"), "has no label for each image"),
        (lambda s: latent_pictures.has_attribute(dataset(), "hat"), "is a label from 0 to 2; received 'hat'"),
        (lambda s: latent_pictures.has_attribute(dataset("faces"), "hat"), "from 0 to 2, or glasses; received 'hat'"),
        (lambda s: latent_pictures.has_attribute(dataset("avatars"), "hat"), "received 'hat' (parts: hair,"),
        (lambda s: latent_pictures.has_attribute(dataset("avatars"), "hair=blue"), "(hair: no, cropped,"),
        (lambda s: latent_pictures.parse_analogy("3 * 4", 9), "'3,7,12 - 1,5 + 20,21'"),
        (lambda s: latent_pictures.parse_analogy("3 - 9", 9), "numbered from 0 to 8. Received: 9"),
        (lambda s: latent_pictures.show_traversals(s, s.draw(4), 99), "--traverse: there are "),
        (lambda s: latent_pictures.show_reconstructions(s, dataset(), 9999), "--reconstruct: there are "),
        (lambda s: latent_pictures.show_interpolation(s, s.draw(4), "3"), "as 3,17. Received: '3'"),
    ],
)  # fmt: skip
def test_errors_of_the_command(spaces, call, words):
    with pytest.raises((DataError, UserError)) as error:
        call(spaces["vae"])
    assert words in str(error.value)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("latent") / "vae"
    settings = ["--set", "latent_dim=4", "--set", "hidden=()", "--set", "channels=(4,)"]
    said = CliRunner().invoke(
        cli.app, ["train", "vae", "--data", "digits", "--epochs", "1", *settings, "--out", str(folder)]
    )  # fmt: skip
    assert said.exit_code == 0, said.output
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ["--reconstruct", "11"],
        ["--attribute", "3", "--strength", "1.5"],
        ["--analogy", "0,1 - 2 + 3"],
        ["--interpolate", "0,5"],
        ["--traverse", "3"],
    ],
    ids=lambda words: words[0],
)
def test_sample(trained, tmp_path, words):
    out = tmp_path / "made.png"
    said = CliRunner().invoke(cli.app, ["sample", str(trained), *words, "--out", str(out)])
    assert said.exit_code == 0, said.output
    assert out.stat().st_size > 500


def test_one_picture_at_a_time(trained):
    said = CliRunner().invoke(
        cli.app, ["sample", str(trained), "--attribute", "3", "--traverse", "2"]
    )
    assert "One picture at a time: --attribute or --traverse." in str(said.exception)
