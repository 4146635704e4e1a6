"""StackGAN, text to image in two stages (lecture: "StackGAN"; Zhang et al. 2017, arXiv 1612.03242).

    "a small red circle at the top left" ──words.txt──> tokens ──text_encoder──> text
    text, condition_noise, noise ──stage1──> low 16x16 ┐
    text, condition_noise ─────────────────────────────┴──stage2──> image 64x64

One `fit` trains in three phases, told apart by the count of steps. First the text encoder, together with an
image encoder, learns which caption belongs to which picture (`gan.caption_matching`). Then the GAN of stage I
is trained on pictures shrunk to 16x16. Last comes the GAN of stage II, whose generator repairs and refines
what the finished stage I draws (`gan.stackgan_stages`). Whether a picture fits its caption enters a
generator's loss twice: through the matching-aware discriminator, and through the matching loss of the first
phase (AttnGAN, arXiv 1711.10485).

image: float32 [B, H, H, C] in [0, 1]; tokens: int32 [B, length], 0 in front of the words; text: float32
[B, text_dim] in [-1, 1]; noise and condition_noise: float32, unit Gaussian.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import tensorflow as tf

from dimaging_tf.deployable import FigureOfMerit
from dimaging_tf.errors import DataError
from dimaging_tf.gan.base import GANConfig
from dimaging_tf.gan.caption_matching import (
    CaptionMatcher,
    build_image_encoder,
    build_text_encoder,
)
from dimaging_tf.gan.stackgan_stages import (
    StackGANStage,
    build_discriminator,
    build_stage1,
    build_stage2,
)
from dimaging_tf.gan.text_to_image import TextToImage
from dimaging_tf.training.phases import Phased
from dimaging_tf.training.steps import descend, step_normal


@dataclass(frozen=True)
class Config(GANConfig):
    """Networks for 64x64 pictures of one object, to be trained in twenty minutes on two cores."""

    shape: tuple[int, int, int] = (64, 64, 3)  # height, width, channels
    words: tuple[str, ...] = ()  # the vocabulary; `dimaging train` takes that of the data
    length: int = 12  # words of the longest caption
    factor: int = 4  # side of the image over the side of stage I's pictures
    embedding: int = 32  # length of a word's vector
    recurrent: int = 64  # units of the text encoder's GRU
    text_dim: int = 32  # length of an encoded text
    condition_dim: int = 32  # length of an augmented condition, and of condition_noise
    noise_dim: int = 16  # length of noise
    encoder: int = 16  # filters of the image encoder's first layer; they double, up to 4 times
    generator1: int = 128  # filters of stage I at 4x4; they halve with each doubling of the size
    generator2: int = 48  # filters of stage II at stage I's size; two thirds from there on
    discriminator1: int = 48  # filters of the first layer of stage I's; they double likewise
    discriminator2: int = 16  # filters of the first layer of stage II's; they double likewise
    matching_steps: int = 1000  # steps of the first phase, which trains the encoders
    stage1_steps: int = 3000  # steps of the second phase, which trains stage I
    learning_rate: float = 4e-4  # of Adam in both stages; `fit`'s optimizer trains the encoders
    kl: float = 0.5  # weight of the conditioning augmentation's KL, nats per element
    match: float = 1.0  # weight of the matching loss in a generator's loss

    def __post_init__(self):
        super().__post_init__()
        height, width, _ = self.shape
        side = self.low_side
        if height != width or self.factor < 2 or side * self.factor != height or side % 4:
            raise ValueError(
                "stackgan: images must be square, and their side `factor` (2, 4, 8, ..) times 4, 8, "
                f"16, .. pixels. Received: {height} x {width}, factor {self.factor}"
            )
        if self.factor & (self.factor - 1) or side & (side - 1):
            raise ValueError(
                f"stackgan: factor and side / factor must be powers of 2. Received: {self.factor}, {side}"
            )

    @property
    def low_side(self) -> int:
        """Height and width of stage I's pictures, in pixels."""
        return self.shape[0] // self.factor


@keras.saving.register_keras_serializable("dimaging")
class StackGAN(Phased, TextToImage):
    """Text to image: `compile(optimizer)`, `fit(images, tokens)`; `imagine(captions)` draws."""

    config_class = Config
    registry_name = "stackgan"
    ranges = {"text": (-1.0, 1.0), "low": (0.0, 1.0), "image": (0.0, 1.0)} | dict.fromkeys(
        ("noise", "condition_noise")
    )
    figure_of_merit = FigureOfMerit("R-precision", "", True, {"fp16": 0.02, "int8": 0.05})

    def __init__(self, config: Config | None = None, **kwargs):
        super().__init__(config, **kwargs)
        cfg = self.config
        side, low = cfg.shape[0], cfg.low_side
        self.ranges = {**type(self).ranges, "tokens": (0.0, float(len(cfg.words)))}
        self.text_encoder = build_text_encoder(cfg)
        self.image_encoder = build_image_encoder(cfg)
        self.matcher = CaptionMatcher(self.text_encoder, self.image_encoder, side)
        self.stage1 = StackGANStage(
            cfg,
            build_stage1(cfg),
            build_discriminator(cfg, low, cfg.discriminator1, "discriminator1"),
            self.matcher.loss,
        )
        self.stage2 = StackGANStage(
            cfg,
            build_stage2(cfg),
            build_discriminator(cfg, side, cfg.discriminator2, "discriminator2"),
            self.matcher.loss,
            self._low,
        )
        self.trackers = {n: keras.metrics.Mean(n) for n in ("matching", "r_precision")}

    # ---- training --------------------------------------------------------------------------------

    def compile(self, optimizer: Any = "adam", **more) -> None:
        """Take the optimizer of the first phase, whose `iterations` count the steps of all phases.

        The two stages have Adam optimizers of their own, with the learning rate of the Config.
        """
        if getattr(optimizer, "gradient_accumulation_steps", None):
            raise ValueError(
                "stackgan counts its phases in steps of the optimizer, which gradient_accumulation_steps "
                "makes rarer. Leave it out, and take a larger batch"
            )
        # XLA makes the convolutions slower on a CPU.
        super().compile(optimizer=optimizer, **{"jit_compile": False, **more})
        self.optimizer.build(self.matcher.variables)
        rate, d_rate = self.config.learning_rate, self.config.d_rate
        for stage in (self.stage1, self.stage2):
            # beta_1 as in DCGAN (arXiv 1511.06434); beta_2 forgets the other player's past sooner.
            players = [keras.optimizers.Adam(r, 0.5, 0.99) for r in (rate * d_rate, rate)]
            stage.compile(d_optimizer=players[0], g_optimizer=players[1])

    def compile_from_config(self, config):
        """Compile with the first phase's optimizer; those of the stages follow from the Config."""
        self.compile(keras.optimizers.deserialize(config["optimizer"]))

    @property
    def metrics(self):
        """The running means of the first phase and of both stages."""
        return [*self._training_trackers().values(), self.trackers["r_precision"]]

    def _training_trackers(self) -> dict[str, Any]:
        """Return what a training step reports, by the name in the logs."""
        found = {"matching": self.trackers["matching"]}
        for stage in (self.stage1, self.stage2):
            found |= {f"{stage.name}_{name}": tracker for name, tracker in stage.trackers.items()}
        return found

    def phases(self):
        """Return the three phases: matching, stage I, stage II."""
        config = self.config
        return [
            (self._step_matching, config.matching_steps),
            (self._step_stage1, config.stage1_steps),
            (self._step_stage2, 0),
        ]

    def _step_matching(self, image, tokens):
        """Take one step of both encoders on the matching loss."""

        def loss_of():
            loss = self.matcher.loss(image, self.matcher.text(tokens), both=True)
            return loss, loss

        self.track({"matching": descend(self, loss_of, self.matcher.variables)})
        return self._logs()

    def _step_stage1(self, image, tokens):
        """Take one step of stage I on pictures shrunk by block means."""
        factor = self.config.factor
        return self._step_stage(
            self.stage1, tf.nn.avg_pool2d(image, factor, factor, "VALID"), tokens
        )

    def _step_stage2(self, image, tokens):
        """Take one step of stage II on whole pictures."""
        return self._step_stage(self.stage2, image, tokens)

    def _step_stage(self, stage, picture, tokens):
        """Take one step of a stage's GAN, and count it as a step of this model."""
        stage.train_step((picture, self.matcher.text(tokens)))
        self.optimizer.iterations.assign_add(1)
        return self._logs()

    def _logs(self):
        """Return the means so far of all that the three phases report."""
        return {name: tracker.result() for name, tracker in self._training_trackers().items()}

    def test_step(self, data):
        """Evaluate the matching loss of real pictures, and the R-precision of drawn ones.

        The noise is the same in every evaluation, so that epochs can be compared.
        """
        image, tokens, _ = keras.utils.unpack_x_y_sample_weight(data)
        found = self.matcher.text(tokens)
        noise = step_normal(tf.stack([tf.shape(tokens)[0], self.stage2.noise_size]), -1, 0)
        drawn = self.stage2.draw(noise, found, generator=self.stage2.average)["image"]
        matching = self.matcher.loss(image, found, both=True)
        return self.track({"matching": matching, "r_precision": self.matcher.hits(drawn, found)})

    def _low(self, text, noise):
        """Return what the averaged generator of stage I draws for texts [B, D], to be refined by stage II."""
        return self.stage1.draw(noise, text, generator=self.stage1.average)["low"]

    # ---- data ------------------------------------------------------------------------------------

    def transform(self, image, label, seed):
        """Return images and tokens as they are."""
        return image, label

    def check_data(self, dataset):
        """DataError where the data has no captions, or another vocabulary than the model's."""
        label = dataset.train.label
        if not dataset.words or label is None or label.ndim != 2:
            raise DataError(
                f"{dataset.name} has no captions, and stackgan learns from them: --data shapes, "
                "or avatar_captions"
            )
        if tuple(dataset.words) != tuple(self.config.words) or label.shape[1] != self.config.length:
            raise DataError(
                f"the captions of {dataset.name} have {len(dataset.words)} words, at most "
                f"{label.shape[1]} in a caption; the model knows {len(self.config.words)} others, at "
                f"most {self.config.length}: train it on this data from the start"
            )

    @cached_property
    def example_shape(self) -> tuple[int, int, int]:
        """The shape of the pictures that captions belong to, which are no input of any graph."""
        return self.config.shape

    def graphs(self):
        """Return {"text_encoder": tokens -> text, "stage1": .. -> low, "stage2": .. -> image}."""
        found = {"text_encoder": self.text_encoder}
        for stage, output in ((self.stage1, "low"), (self.stage2, "image")):
            network = stage.average or stage.generator
            found[stage.name] = keras.Model(
                network.input, {output: network.output[output]}, name=stage.name
            )
        return found
