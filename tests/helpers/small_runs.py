"""Settings of runs that take seconds, on 8 x 8 digits; one of each kind of training step."""

from dimaging_tf.training import runs

SMALL = {
    "vae": {"changes": {"latent_dim": 2, "hidden": (16,)}},
    "autoencoder": {"changes": {"channels": (4, 8)}, "augment": "none"},
    "denoiser": {"changes": {"width": 4, "depth": 1}},
    "unet": {
        "changes": {"width": 4, "depth": 1, "head": "regression", "outputs": 1},
        "augment": "none",
    },
}


def small(model: str, **given) -> runs.Settings:
    options = {"data": "digits", "batch": 50, "epochs": 3, **SMALL[model], **given}
    return runs.default_settings(model, **options)
