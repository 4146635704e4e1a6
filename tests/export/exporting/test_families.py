"""The table of families: each model finds its row, and a new family is one row more."""

from dataclasses import replace

import dimaging_export.exporting
import keras
import numpy as np
import pytest
from dimaging_edge import open_bundle
from dimaging_edge.commands.main import main
from dimaging_export import ExportError, export
from dimaging_export.bundle.build import build_graphs, build_plain, real_inputs
from dimaging_export.bundle.subject import Subject
from dimaging_export.codec.build import build_codec
from dimaging_export.exporting import FAMILIES, Family, family_of
from dimaging_export.samplers.build import build_density
from dimaging_export.samplers.build_captions import build_captions
from dimaging_export.samplers.build_text import build_text

from dimaging_tf import registry
from dimaging_tf.density.base import ExplicitDensity
from dimaging_tf.models import fvbn
from dimaging_tf.models.vae import VAE, Config

BUILDS = {
    "fvbn": build_density, "pixelcnn": build_density, "pixelrnn": build_density,
    "super_resolution": build_density, "unet_codec": build_codec, "char_lm": build_text,
    "captioning": build_captions, "illumination": build_captions,
}  # fmt: skip


@pytest.mark.parametrize("name", registry.REGISTRY)
def test_every_model_of_the_registry_has_one_row(name):
    kinds = registry.find(name).model_class().__mro__
    rows = [family for kind in kinds for family in FAMILIES if family.kind is kind]
    assert rows[0].build is BUILDS.get(name, build_plain)
    assert rows[-1] is FAMILIES[-1]


def test_a_plain_keras_model_has_the_last_row(small_unet):
    assert family_of(Subject("model", {"model": small_unet()})) is FAMILIES[-1]


def test_a_new_family_is_one_row(models, digits, tmp_path, monkeypatch):
    """It adds a graph, states a fact and refuses a precision; its kind is nearer than `object`."""

    def build(subject, spec, real):
        encoder = subject.graphs["encoder"]
        more = replace(subject, graphs={**subject.graphs, "again": encoder})
        calibration, judging = real_inputs(subject, spec, real)
        judging["again"] = judging["encoder"]
        return build_graphs(more, spec, calibration, judging)

    def prepare(subject, spec, real):
        if spec.precision != "fp32":
            raise ExportError("fp32 alone")
        return subject

    row = Family(VAE, build, prepare, facts=lambda subject, real: {"twice": "encoder"})
    monkeypatch.setattr(dimaging_export.exporting, "FAMILIES", (FAMILIES[-1], row))
    bundle = open_bundle(export(models["vae"], tmp_path / "b", data=digits))
    assert bundle.graphs == ("encoder", "decoder", "again")
    assert bundle.manifest.config["twice"] == "encoder"
    with pytest.raises(ExportError, match="fp32 alone"):
        export(models["vae"], tmp_path / "c", data=digits, precision="fp16")


@keras.saving.register_keras_serializable("test_families")
class AnotherNetwork(ExplicitDensity):
    """No FVBN, but built of masked dense layers like one."""

    config_class = fvbn.Config
    registry_name = "another"
    build_network = staticmethod(fvbn.build_network)


def test_masked_dense_layers_choose_the_sampler_not_the_class(digits, tmp_path):
    model = AnotherNetwork(fvbn.Config((8, 8, 1), hidden=20))
    bundle = open_bundle(export(model, tmp_path / "b", data=digits))
    assert bundle.graphs == ("density", "sampler", "sampler_rows")


def test_an_integer_density_needs_images_to_calibrate_on(tmp_path):
    model = AnotherNetwork(fvbn.Config((8, 8, 1), hidden=20))
    with pytest.raises(ExportError, match=r"needs images to calibrate another on.*Pass data="):
        export(model, tmp_path / "b", precision="integer")


def test_the_fitted_sampler_of_a_vae_comes_along(digits, tmp_path):
    """Codes like those of real images: the graph `sampler`, which `dimaging-edge sample` goes through."""
    image = digits.astype(np.float32) / 255
    model = VAE(Config(image.shape[1:], 3, (8,)))
    model.encoder.get_layer("mean").bias.assign([3.0, 0.0, -2.0])
    model.fit_sampler(image)
    out = export(model, tmp_path / "vae", data=image)
    bundle = open_bundle(out)
    assert set(bundle.graphs) == {"encoder", "decoder", "sampler"}
    noise = np.random.default_rng(0).standard_normal((7, 3), np.float32)
    z = bundle.run("sampler", noise=noise)["z"]
    np.testing.assert_allclose(z, model.run("sampler", noise=noise)["z"], atol=1e-5)
    drawn = {}
    for name, more in (("fitted", []), ("prior", ["--prior"])):
        path = tmp_path / f"{name}.npy"
        assert main(["sample", str(out), "--n", "3", "--out", str(path), *more]) == 0
        drawn[name] = np.load(path)
    assert not np.allclose(drawn["fitted"], drawn["prior"])
