"""Small bundles for tests of the page's tab Draw, which lie in tests/golden/page; untrained, for what counts is equality.

PYTHONPATH=.:export:edge:tests python -m helpers.page_bundles        # makes them again
"""

from pathlib import Path

PAGE = Path(__file__).parents[1] / "golden" / "page"
FACES, CAPTIONS = PAGE / "faces-fp32-web", PAGE / "stackgan-fp32-web"
WORDS = ("a", "circle", "red", "blue", "square", "well-known")


def write() -> None:
    """Export a model of faces, with a direction of glasses, and a StackGAN."""
    import keras
    import numpy as np
    from dimaging_export import export
    from helpers.faces import faces

    from dimaging_tf.models import stackgan, vae_faces

    keras.utils.set_random_seed(0)
    settings = vae_faces.Config(shape=(16, 16, 3), latent_dim=6, channels=(4, 4))
    export(vae_faces.FaceVAE(settings), FACES, data=faces(), target="web", force=True)
    gan = stackgan.Config(
        shape=(16, 16, 3), words=WORDS, length=5, factor=2, embedding=3, recurrent=4, text_dim=3,
        condition_dim=2, noise_dim=2, encoder=2, generator1=4, generator2=4, discriminator1=2,
        discriminator2=2, matching_steps=1, stage1_steps=1,
    )  # fmt: skip
    export(
        stackgan.StackGAN(gan),
        CAPTIONS,
        target="web",
        data=(faces().train.x, np.ones((40, 5), np.int32)),
        force=True,
    )


if __name__ == "__main__":
    write()
