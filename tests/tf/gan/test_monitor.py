"""What the monitor of a GAN says: which findings, and each once."""

import warnings

import pytest
from helpers.gans import TINY, images, started

from dimaging_tf.gan.monitor import GANMonitor, GANWarning, findings
from dimaging_tf.models.gan import GAN, Config


@pytest.mark.parametrize(
    ("logs", "kinds"),
    [
        ((0.6, 0.4, 0.9), []),
        ((0.999, 0.001, 0.9), ["discriminator"]),
        ((0.95, 0.95, 0.9), ["generator"]),
        ((0.6, 0.4, 0.1), ["collapse"]),
        ((0.999, 0.001, 0.1), ["discriminator", "collapse"]),
    ],
)
def test_what_is_said_of_a_game(logs, kinds):
    found = findings(dict(zip(("d_real", "d_fake", "diversity"), logs, strict=True)))
    assert [kind for kind, _ in found] == kinds


def test_a_collapsed_generator_is_reported_once():
    model = started(lambda: GAN(Config(**TINY)), 0.0, 0.0)
    for network in (model.generator, model.average):
        network.set_weights([0 * w for w in network.get_weights()])
    watch = GANMonitor(images(50)[0], patience=1)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", GANWarning)
        history = model.fit(images()[0], epochs=3, batch_size=5, verbose=0, callbacks=[watch])
    (message,) = [str(x.message) for x in said if x.category is GANWarning]
    assert "modes collapse: samples differ by 0.00 of what" in message
    assert history.history["diversity"] == [0, 0, 0]
